// What the Messenger is told beyond who is there, by the rules by which the function writes to Intercom.

import { companiesOf, companyOf, contactOf, CREATED, isLeft, named, SIGNED_UP } from "./contact"
import { isBoolean, option, type SegmentEvent, traitsOf } from "./event"
import { address, canonical, cut, type Fields, firstOf, idText, isObject, isText, loosely, text } from "./loose"
import { metadataOf, passesFilter } from "./metadata"
import { anyTimestamp } from "./library-dates"
import { integer } from "./numbers"
import type { Settings } from "./settings"
import { add } from "./values"

/** An event that is older can't be told: the Messenger takes each as happening now. */
const NOW_MILLIS = 60_000

/** Traits that are fields of the contact, or that Intercom makes itself. */
const CONTACT =
  /^(email|name|phone|created|createdat|remotecreatedat|signedupat|lastrequestat|avatar|photourl|avatarurl|userid|anonymousid|languageoverride|company|companies)$/

const SIZES = ["employees", "size", "employeecount"]
const NUMBERS = ["monthlyspend", ...SIZES]
const TEXTS = ["name", "plan", "website", "industry"]
const OTHERS = ["id", "companyid", ...CREATED, "remove"]

/** Names of Intercom's own attributes, which no custom attribute can have. */
const STANDARD_OF_CONTACT = RegExp("^(" +
  "role|id|external_id|email|phone|name|avatar|has_hard_bounced|marked_email_as_spam|created_at|updated_at|" +
    "signed_up_at|last_seen_at|last_replied_at|last_contacted_at|last_email_opened_at|last_email_clicked_at|" +
    "country|region|city|browser|browser_version|browser_language|os|referrer|utm_campaign|utm_content|utm_medium|" +
    "utm_source|utm_term|android_app_name|android_app_version|android_device|android_os_version|" +
    "android_sdk_version|android_last_seen_at|ios_app_name|ios_app_version|ios_device|ios_os_version|" +
    "ios_sdk_version|ios_last_seen_at|tags" + ")$", "i")
const STANDARD_OF_COMPANY = RegExp("^(" +
  "name|company_id|last_request_at|remote_created_at|user_count|session_count|monthly_spend|size|industry|website|" +
    "id|created_at|updated_at" + ")$", "i")

/**
 * Names under which the Messenger expects something else than a custom attribute. Beside it they are apart, so that a
 * size of "11-50" is one.
 */
const RESERVED_OF_CONTACT =
  /^(app_id|api_base|(custom_launcher_)?selector|hide_default_launcher|session_duration|user_hash|intercom_user_jwt|owner_id|unsubscribed_?from_?emails|custom_attributes)$/i
const RESERVED_OF_COMPANY =
  /^(plan|remove|custom_attributes)$/

/**
 * What the Messenger is to be told of an event of this contact: the user's further fields, or a track's metadata.
 * Undefined where it can't be told all, so that the function has to deliver.
 */
export type Rules = (event: SegmentEvent, contact: Fields, settings: Settings) => Promise<Fields | undefined>

export const rules: Rules = async (event, contact, settings) => {
  const { type, timestamp: at } = event
  // Any call of the Messenger is activity of the user's.
  const isActive = (option(event, "active", isBoolean) ?? loosely(event.context).active) !== false
  if (!isActive) return
  if (type == "track") {
    const isNow = !at || Math.abs(Date.now() - +new Date(at as string)) < NOW_MILLIS
    const isOwn = contact.user_id || (contact.email && emailOf(event) == contact.email)
    return isNow && isOwn && passesFilter(event.event, settings) ? metadataOf(event, settings) : undefined
  }
  if (!contact.user_id && !contact.email) return
  if (type == "group") {
    const company = await fullCompany(event.traits, settings, event.groupId)
    return company?.company_id ? { company } : undefined
  }
  return type == "identify" ? attributesOf(event, contact, settings) : undefined
}

/** The email that makes a track one of somebody's, where it has no userId. */
const emailOf = ({ traits, properties, context }: SegmentEvent): string | undefined =>
  [traits, properties, loosely(context).traits].map((holder) => address(loosely(holder).email)).find((email) => email)

async function attributesOf(event: SegmentEvent, contact: Fields, settings: Settings): Promise<Fields | undefined> {
  const sent = traitsOf(event)
  const traits = loosely(sent)
  const left = named(traits).filter(isLeft)
  if (left.length && (await Promise.all(left.map((each) => companyOf(each, settings)))).some((each) => each)) return
  const attributes: Fields = {}
  for (const key in isObject(sent) ? sent : {}) {
    const value = (sent as Fields)[key]
    const name = canonical(key)
    const isTaken =
      CONTACT.test(name) ||
      (name == "phones" && !text(traits.phone) && contact.phone) ||
      (name == "id" && contact.user_id && idText(value) == contact.user_id)
    if (!isTaken) add(attributes, key, value, settings)
  }
  leaveOut(attributes, STANDARD_OF_CONTACT)
  const { plan, monthlyspend } = traits
  const own = { ...traits, plan: anyText(plan), monthlyspend: integer(monthlyspend) }
  const told = await companiesOf(own, settings, fullCompany)
  const isWhole = [told.company, told.companies].flat().every((each) => !each || (each as Fields).company_id)
  if (isWhole && !hasAny(attributes, RESERVED_OF_CONTACT)) return { ...attributes, ...contact, created_at: firstOf(traits, SIGNED_UP, anyTimestamp), ...told }
}

/** A text, possibly empty, or a number written out. */
const anyText = (value: unknown): string | undefined => (isText(value) ? value.trim() : idText(value))

/** Takes out what can't be a custom attribute. */
function leaveOut(attributes: Fields, names: RegExp): void {
  for (const name in attributes) if (names.test(name)) delete attributes[name]
}

const hasAny = (attributes: Fields, reserved: RegExp): boolean => Object.keys(attributes).some((name) => reserved.test(name))

/** The company with all that its traits say; without its id where the Messenger can't be told all of it. */
async function fullCompany(traits: unknown, settings: Settings, groupId?: unknown): Promise<Fields | undefined> {
  const company = await companyOf(traits, settings, groupId)
  const fields = loosely(traits)
  const industry = anyText(fields.industry)
  const attributes: Fields = {}
  for (const key in isObject(traits) ? traits : {}) {
    const value = (traits as Fields)[key]
    const name = canonical(key)
    const isTaken =
      OTHERS.includes(name) ||
      (TEXTS.includes(name) && anyText(value) != null) ||
      (NUMBERS.includes(name) && integer(value) != null)
    if (!isTaken) add(attributes, key, value, settings)
  }
  leaveOut(attributes, STANDARD_OF_COMPANY)
  return company && {
    ...attributes,
    name: company.name,
    company_id: hasAny(attributes, RESERVED_OF_COMPANY) ? undefined : company.company_id,
    plan: anyText(fields.plan),
    website: anyText(fields.website),
    industry: industry && cut(industry),
    monthly_spend: integer(fields.monthlyspend),
    size: firstOf(fields, SIZES, integer),
    created_at: firstOf(fields, CREATED, anyTimestamp),
  }
}
