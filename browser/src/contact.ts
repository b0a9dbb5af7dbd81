// Who the user is, in the words of the Messenger.

import { timestamp } from "./dates"
import { isNobody, type SegmentEvent, traitsOf, userIdOf } from "./event"
import { address, cut, filled, firstOf, type Fields, idText, isObject, loosely, text } from "./loose"
import type { Settings } from "./settings"
import { sha256 } from "./sha256"

export const CREATED = ["created", "createdat", "remotecreatedat"]

/** Names of the date when a user signed up. */
export const SIGNED_UP = [...CREATED, "signedupat"]

/** The fields of the user of an identify, without companies. */
export function contactOf(event: SegmentEvent, settings: Settings): Fields {
  const traits = loosely(traitsOf(event))
  const user_id = userIdOf(event, settings)
  const first = filled(traits.firstname)
  const last = filled(traits.lastname)
  const name = text(traits.name) ?? (first && last && `${first} ${last}`)
  return {
    user_id,
    email: address(traits.email) ?? address(user_id),
    name: name && cut(name),
    phone: text(traits.phone) ?? [traits.phones].flat().map(idText).find((phone) => phone),
    created_at: firstOf(traits, SIGNED_UP, timestamp),
    language_override: filled(traits.languageoverride ?? traits.language),
  }
}

/** The hash with which Segment's classic destination made ids of company names. */
const segmentHash = (name: string): number =>
  name.split("").reduceRight((hash, unit) => Math.imul(hash, 33) ^ unit.charCodeAt(0), 5381) >>> 0

/** Id and name of the company of these traits; undefined where it has neither, or one that stands for nobody. */
export async function companyOf(traits: unknown, settings: Settings, groupId?: unknown): Promise<Fields | undefined> {
  const fields = loosely(traits)
  const name = text(fields.name)
  const id = idText(groupId) ?? idText(fields.id) ?? idText(fields.companyid)
  const known = id ?? name
  if (!known || isNobody(known, settings)) return undefined
  const company_id = id ?? (settings.companyIdHash == "segment" ? `${segmentHash(known)}` : await sha256(known))
  return { company_id, name: name && !isNobody(name, settings) ? cut(name) : undefined }
}

/** Whether the contact is to leave this company, which no call of the Messenger does. */
export const isLeft = (company: unknown): boolean => /^ *(true|yes|1) *$/i.test(`${loosely(company).remove}`)

/** A company that is JSON in a text is read as that JSON. */
function json(value: unknown): unknown {
  try {
    return JSON.parse(/^\s*[[{]/.test(value as string) ? (value as string) : "")
  } catch {
    return value
  }
}

/** The companies that a contact's traits name. */
export const named = ({ company, companies }: Fields): unknown[] => [company, companies].flatMap(json).flatMap(json)

/** The companies of a contact's traits, at most 50, as the Messenger takes one or more of them. */
export async function companiesOf(traits: Fields, settings: Settings, of = companyOf): Promise<Fields> {
  const { plan, monthlyspend } = traits
  const joined = named(traits).filter((each) => (isObject(each) ? !isLeft(each) : filled(each)))
  const told = joined.map((each) => of(isObject(each) ? each : { name: each, plan, monthlyspend }, settings))
  const all = (await Promise.all(told)).filter((each) => each).slice(0, 50)
  return all[1] ? { companies: all } : { company: all[0] }
}
