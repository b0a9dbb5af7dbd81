// The cases of the function's mapping, by device delivery: page and function must say the same of an event.

import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { test } from "node:test"

import { load } from "./source.mjs"

const { rules, contactOf, isAddressed } = await load('export * from "./rules"; export * from "./contact"; export * from "./event"')

const NOW_SECONDS = 1_700_000_000
Date.now = () => NOW_SECONDS * 1e3

const folder = new URL("../../tests/mapping/cases/", import.meta.url)
const cases = readdirSync(folder).flatMap((file) => JSON.parse(readFileSync(new URL(file, folder), "utf8")))

/** Why a case says nothing about a page; undefined where it does. */
function isOfFunctionAlone({ event, source, settings = {} }) {
  if (!["identify", "group", "track"].includes(event?.type)) return "the page tells no such call"
  const isOfTime = event.timestamp || event.sentAt || event.originalTimestamp || event.receivedAt || event.traits?.lastRequestAt
  if ((source && source != "api") || isOfTime) return "the time of an event, which the Messenger sets itself"
  if (event._metadata) return "a mark that the plugin itself makes"
  if (/\(Actions\)":(true|false)/i.test(JSON.stringify(event.integrations))) return "addressed to one half alone"
  if (Math.abs(event.userId) > Number.MAX_SAFE_INTEGER) return "a number that JavaScript doesn't hold"
  if (settings.COLLECT_CONTEXT) return "the Messenger collects the context itself"
}

/** Why the page must leave an event to the function; undefined where the Messenger can be told all of it. */
function isLeftToFunction({ event, expect: { status, actions = [] } }) {
  if (status != "would_deliver") return "the function doesn't deliver it either"
  if (actions.some(({ action }) => action == "detach_company")) return "no call takes a user out of a company"
  if (actions.some(({ identity }) => identity?.anonymous_id)) return "leads are the function's"
  const [first] = actions
  if (first.action == "upsert_company") return "a company without a user"
  if (actions.length == 1 && event.type == "group") return "a group without a company"
  const names = actions.flatMap(({ company }) => Object.keys(company?.custom_attributes ?? {}))
  if (names.some((name) => ["plan"].includes(name))) return "beside the Messenger's own field"
  if (event.traits?.owner_id ?? event.traits?.unsubscribed_from_emails) return "the Messenger can't set it"
  if (first.contact && !first.contact.last_seen_at) return "any call is activity"
}

const list = (text) => text?.split(",").map((item) => item.trim()).filter((item) => item)
const settingsOf = (variables = {}) => ({
  appId: "x", delivery: "device", nested: variables.NESTED?.toLowerCase(), companyIdHash: variables.COMPANY_ID_HASH,
  richLinkProperties: list(variables.RICH_LINK_PROPERTIES), eventFilter: list(variables.EVENT_FILTER),
  metadataLimit: variables.METADATA_LIMIT && +variables.METADATA_LIMIT,
  ignoredUserIds: list(variables.IGNORED_USER_IDS) ?? DEFAULT_IGNORED,
})
const nobody = readFileSync(new URL("../../src/segment/ignored_user_ids.rs", import.meta.url), "utf8")
const DEFAULT_IGNORED = [...nobody.split("= [")[1].split("];")[0].matchAll(/"(.*)"/g)].map(([, id]) => id)

function expected({ expect: { actions } }) {
  const companies = actions.filter(({ company }) => company).map(({ company }) => {
    const { custom_attributes, remote_created_at: created_at, ...fields } = company
    return { ...custom_attributes, ...fields, ...(created_at && { created_at }) }
  })
  const [{ contact, event }] = actions
  if (event) return { metadata: Object.entries(event.metadata ?? {}), user: event.user_id ?? event.email }
  const { custom_attributes, external_id: user_id, signed_up_at: created_at } = contact
  const fields = { user_id, created_at, email: contact.email, name: contact.name, phone: contact.phone }
  return { ...custom_attributes, ...fields, ...(companies[1] ? { companies } : { company: companies[0] }) }
}

async function told({ event, settings }) {
  const all = settingsOf(settings)
  // analytics.js knows a signed-in user by the traits of an earlier identify.
  const traits = event.type == "identify" ? event.traits : { email: emailOfUser(event) }
  const contact = contactOf({ ...event, traits }, all)
  const more = isAddressed(event) && await rules(event, contact, all)
  if (!more) return undefined
  if (event.type == "track") return { metadata: Object.entries(more), user: contact.user_id ?? contact.email }
  const { language_override, ...fields } = { ...contact, ...more }
  return fields
}

const emailOfUser = ({ type, userId, traits, properties, context, groupId }) => {
  const inContext = type == "track" ? context?.traits : undefined
  const emails = [traits, properties, inContext].map((holder) => holder?.email ?? holder?.Email)
  return userId ? undefined : emails.find((email) => /@.+\./.test(email)) ?? (/@/.test(groupId) ? groupId : undefined)
}

const plain = (value) => JSON.parse(JSON.stringify(value ?? null))
const counts = { applied: 0, left: 0, alone: 0 }

for (const one of cases) {
  const alone = isOfFunctionAlone(one)
  if (alone) {
    counts.alone += 1
    continue
  }
  const left = one.expect.status && isLeftToFunction(one)
  counts[left ? "left" : "applied"] += 1
  test(one.name + (left ? ` (left to the function: ${left})` : ""), async () => {
    const actual = await told(one)
    if (left) assert.equal(actual, undefined)
    else assert.deepEqual(plain(actual), plain(expected(one)))
  })
}

test("most cases apply", () => {
  assert.ok(counts.applied >= 250 && counts.left >= 40, JSON.stringify(counts))
})
