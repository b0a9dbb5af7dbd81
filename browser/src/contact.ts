// Who the user is, in the words of the Messenger.

import { timestamp } from "./dates"
import { asEmail, type SegmentEvent, traitsOf, userIdOf } from "./event"
import { filled, firstOf, type Fields, idText, isObject, loosely, text } from "./loose"
import type { Settings } from "./settings"
import { sha256 } from "./sha256"

export const CREATED = ["created", "createdat", "remotecreatedat"]

/** The fields of the user of an identify, without companies. */
export function contactOf(event: SegmentEvent, settings: Settings): Fields {
  const traits = loosely(traitsOf(event))
  const user_id = userIdOf(event, settings)
  const first = filled(traits.firstname)
  const last = filled(traits.lastname)
  return {
    user_id,
    email: filled(traits.email) ?? asEmail(user_id),
    name: text(traits.name) ?? (first && last && `${first} ${last}`),
    phone: text(traits.phone) ?? [traits.phones].flat().map(idText).find((phone) => phone),
    created_at: firstOf(traits, CREATED, timestamp),
    language_override: filled(traits.languageoverride ?? traits.language),
  }
}

/** The hash with which Segment's classic destination made ids of company names. */
const segmentHash = (name: string): number =>
  name.split("").reduceRight((hash, unit) => Math.imul(hash, 33) ^ unit.charCodeAt(0), 5381) >>> 0

/** Id and name of the company of these traits; undefined where it has neither. */
export async function companyOf(traits: unknown, { companyIdHash }: Settings, groupId?: unknown): Promise<Fields | undefined> {
  const fields = loosely(traits)
  const name = text(fields.name)
  const id = idText(groupId) ?? idText(fields.id) ?? idText(fields.companyid)
  const company_id = id ?? (name && (companyIdHash == "segment" ? `${segmentHash(name)}` : await sha256(name)))
  return company_id ? { company_id, name } : undefined
}

/** Whether the contact is to leave this company, which no call of the Messenger does. */
export const isLeft = (company: unknown): boolean => /^(true|1)$/.test(`${loosely(company).remove}`)

/** The companies of a contact's traits, at most 50, as the Messenger takes one or more of them. */
export async function companiesOf(traits: Fields, settings: Settings, of = companyOf): Promise<Fields> {
  const { company, companies, plan, monthlyspend } = traits
  const named = [company, companies].flat().filter((each) => (isObject(each) ? !isLeft(each) : filled(each)))
  const told = named.map((each) => of(isObject(each) ? each : { name: each, plan, monthlyspend }, settings))
  const all = (await Promise.all(told)).filter((each) => each).slice(0, 50)
  return all[1] ? { companies: all } : all[0] ? { company: all[0] } : {}
}
