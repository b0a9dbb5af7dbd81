// Which events of analytics.js the Messenger is told, and which of them the function needn't deliver.

import assert from "node:assert/strict"
import { test } from "node:test"

import { analyticsOf } from "./analytics.mjs"
import { open } from "./page.mjs"
import { load } from "./source.mjs"

const { plugin, intercom, deviceOf, isConsented } = await load(
  'export * from "./plugin"; export * from "./intercom"; export { deviceOf } from "./device"; export * from "./consent"')
const APP = { app_id: "x" }
const identify = (userId, traits = {}, rest) => ({ type: "identify", userId, traits, ...rest })
const page = (rest) => ({ type: "page", ...rest })
const only = (integrations) => ({ integrations })

/** A page with the plugin, and its widget. */
async function opened({ settings, integrations, own = true, make } = {}) {
  const here = open({ own })
  const there = analyticsOf(here.storage, integrations)
  const made = (make ?? plugin)({ appId: "x", ...settings }, async () => ({ deviceOf }))
  await there.register(made)
  return { ...here, ...there, made, last: () => here.told.at(-1) }
}

test("window.Intercom can be called once the plugin is loaded", async () => {
  await opened({ own: false })
  assert.equal(typeof window.Intercom, "function")
  window.Intercom("show")
  assert.deepEqual(window.Intercom.q, [["show"]])
})

test("by npm and by cdnURL at once, one will do", async () => {
  const { call, register, methods } = await opened()
  await register(plugin({ appId: "y" }))
  await call(page())
  assert.deepEqual(methods(), ["reattach_activator", "update"])
})

test("options of the page's load are settings, under either name", async () => {
  for (const name of ["Intercom", "Intercom Web (Actions)"]) {
    const { call, last } = await opened({ integrations: { [name]: { sessionDuration: 5 }, All: true } })
    await call(page())
    assert.deepEqual(last(), ["update", { ...APP, session_duration: 5 }])
  }
})

for (const integrations of [
  { Intercom: false }, { "Intercom Web (Actions)": false }, { All: false }, { Intercom: true, "Intercom Web (Actions)": false },
  { Intercom: {}, "Intercom Web (Actions)": false }, { All: false, "Intercom Cloud Mode (Actions)": true },
]) {
  test(`not for the Messenger: ${JSON.stringify(integrations)}`, async () => {
    const { call, told } = await opened()
    await call(page({ integrations }))
    const { call: later, told: none } = await opened({ integrations })
    await later(page({ integrations }))
    assert.deepEqual([told, none], [[], []])
  })
}

for (const integrations of [
  { All: false, Intercom: true }, { All: false, "Intercom Web (Actions)": {} }, { "Intercom Cloud Mode (Actions)": false },
]) {
  test(`for the Messenger: ${JSON.stringify(integrations)}`, async () => {
    const { call, methods } = await opened()
    await call(page({ integrations }))
    assert.deepEqual(methods(), ["reattach_activator", "update"])
  })
}

test("options of a call, under each name", async () => {
  for (const name of ["Intercom", "Intercom Web (Actions)", "Intercom Cloud Mode (Actions)"]) {
    const { call, last } = await opened()
    await call(identify("u-1", {}, only({ [name]: { user_hash: "h", hide_default_launcher: true } })))
    assert.deepEqual(last()[1], { ...APP, user_id: "u-1", user_hash: "h", hide_default_launcher: true })
  }
})

test("only what an event for Intercom carried is told", async () => {
  const { call, last } = await opened()
  await call(identify("u-1", { name: "Ada", email: "a@example.com" }, only({ Intercom: false })))
  await call(page())
  assert.deepEqual(last()[1], { ...APP, user_id: "u-1" })
})

test("a source middleware decides what is told, of ids too", async () => {
  const { call, middleware, last, told } = await opened()
  middleware((event) => {
    if (event.traits) delete event.traits.email
    if (event.userId) event.userId = `tenant-${event.userId}`
    event.anonymousId = "another"
  })
  await call(identify("u-1", { name: "Ada", email: "a@example.com" }))
  await call(page())
  assert.deepEqual(last(), ["update", { ...APP, user_id: "tenant-u-1", name: "Ada" }])
  assert.ok(!JSON.stringify(told).includes("example.com"))
})

test("a plugin that is registered late sees who made an event before the middlewares", async () => {
  const here = open({ own: true })
  const { middleware, register, call } = analyticsOf(here.storage)
  middleware((event) => (event.userId &&= `tenant-${event.userId}`))
  await register(plugin({ appId: "x" }))
  await call(identify("u-1"))
  assert.equal(here.told.at(-1)[1].user_id, "tenant-u-1")
})

for (const [what, event] of [
  ["an identify", identify("u-1")], ["an identify by email", identify(undefined, { email: "a@example.com" })],
  ["a group", { type: "group", groupId: "c1" }], ["a page", page()],
]) {
  test(`${what} under way at a logout brings nobody back`, async () => {
    const { call, make, signOut, told } = await opened()
    await call(page())
    const arrive = make(event)
    signOut()
    await arrive()
    assert.ok(!/u-1|example|c1/.test(JSON.stringify(told)))
    assert.equal(told.length, 4)
  })
  test(`${what} in a slow middleware at a logout brings nobody back`, async () => {
    const { call, make, middleware, signOut, told } = await opened()
    await call(page())
    let go
    middleware(() => new Promise((resolve) => (go = resolve)))
    const done = make(event)()
    await new Promise((resolve) => setTimeout(resolve))
    signOut()
    go()
    await done
    assert.ok(!/u-1|example|c1/.test(JSON.stringify(told)))
  })
}

test("a user who left without an event", async () => {
  const { call, signOut, told } = await opened()
  await call(identify("u-1"))
  signOut({ isSilent: true })
  await call(page())
  assert.deepEqual(told.slice(-2), [["shutdown"], ["boot", APP]])
})

test("what is slow to make comes in its turn", async () => {
  const { call, told } = await opened()
  // The id of a company that is known by its name is hashed, which takes a while.
  await Promise.all([call(identify("u-1", { company: "Acme" })), call({ type: "group", groupId: "c2" })])
  assert.equal(told.at(-1)[1].company.company_id, "c2")
})

test("consent: nothing is told without it, and it ends the conversation when it is withdrawn", async () => {
  const { call, methods, last } = await opened({ settings: { consentCategories: ["Support", "Chat"] } })
  const given = (Support, Chat) => ({ context: { consent: { categoryPreferences: { Support, Chat } } } })
  await call(page(given(true, false)))
  assert.deepEqual(methods(), ["shutdown"])
  await call(identify("u-1", {}, given(true, true)))
  assert.deepEqual(last(), ["boot", { ...APP, user_id: "u-1" }])
  await call({ type: "track", event: "Segment Consent Preference Updated", ...given(false, true), ...only({ Intercom: false }) })
  assert.deepEqual(last(), ["shutdown"])
  await call(page())
  assert.deepEqual(last(), ["boot", { ...APP, user_id: "u-1" }])
})

for (const [context, isGiven] of [
  [{}, true],
  [{ consent: {} }, true],
  [{ consent: { categoryPreferences: {} } }, false],
  [{ consent: { categoryPreferences: { A: true } } }, false],
  [{ consent: { categoryPreferences: { A: true, B: "true" } } }, false],
  [{ consent: { categoryPreferences: { A: true, B: true, C: false } } }, true],
  [{ consentManagement: {} }, true],
  [{ consentManagement: { deniedConsentIds: ["C"] } }, true],
  [{ consentManagement: { deniedConsentIds: ["A"] } }, false],
  [{ consentManagement: { deniedConsentIds: ["A"], resolutionStrategy: "or" } }, true],
  [{ consentManagement: { deniedConsentIds: ["A", "B"], resolutionStrategy: "or" } }, false],
]) {
  test(`consent of ${JSON.stringify(context)}`, () => {
    assert.equal(isConsented({ context }, ["A", "B"]), isGiven)
    assert.equal(isConsented({ context }), true)
  })
}

test("destination middlewares reach the plugin of npm", async () => {
  const { call, made, last, sent, told } = await opened({ make: intercom })
  made.addMiddleware(({ payload, next, integration }) => {
    if (payload.obj.type == "page") return
    delete payload.obj.traits.email
    payload.obj.traits.name = integration
    next(payload)
  })
  await call(identify("u-1", { email: "a@example.com" }))
  await call(page())
  assert.deepEqual(last(), ["update", { ...APP, user_id: "u-1", name: "Intercom" }])
  assert.equal(told.length, 2)
  assert.equal(sent[0].traits.email, "a@example.com")
})

// Device delivery

/** The Messenger's API, as far as a page sees it. */
function api({ isReached = true, isOnline = true } = {}) {
  const observers = []
  globalThis.fetch = async () => assert.ok(isReached)
  globalThis.addEventListener = () => {}
  Object.defineProperty(globalThis, "navigator", { value: { onLine: isOnline }, configurable: true, writable: true })
  globalThis.PerformanceObserver = class {
    constructor(callback) {
      observers.push(callback)
    }
    observe() {}
  }
  return (responseStatus) => observers.at(-1)({ getEntries: () => [
    { name: "https://api-iam.intercom.io/messenger/web/ping", responseStatus }] })
}

async function openedWithDevice(options, settings) {
  const answer = api(options)
  const page = await opened({ settings: { delivery: "device", ...settings } })
  await new Promise((resolve) => setTimeout(resolve))
  const isMarked = (event) => {
    assert.equal(event.integrations["Intercom Cloud Mode (Actions)"] === false, !!event._metadata)
    return event._metadata?.bundled.includes("Intercom") ?? false
  }
  return { ...page, answer, marked: () => page.sent.map(isMarked) }
}

const track = (event, properties) => ({ type: "track", event, properties })

test("device delivery: what the Messenger takes is marked, before the function has it", async () => {
  const { call, marked, told } = await openedWithDevice()
  await call(track("Early"))
  await call(identify("u-1", { plan: "pro" }))
  await call(track("Bought", { gift: true }))
  await call(page())
  await call({ type: "group", groupId: "c1", traits: { employees: 9 } })
  await call({ ...track("Imported"), timestamp: "2026-01-05T10:00:00Z" })
  assert.deepEqual(marked(), [false, true, true, false, true, false])
  assert.deepEqual(told.slice(1).map(([method]) => method), ["update", "trackEvent", "update"])
  assert.deepEqual(told[1][1], { ...APP, user_id: "u-1", plan: "pro" })
  assert.deepEqual(told[2], ["trackEvent", "Bought", { gift: "true" }])
})

test("device delivery: an event's name loses blanks, and what is beyond 255 characters", async () => {
  const { call, told } = await openedWithDevice()
  await call(identify("u-1"))
  await call(track(" Bought\n"))
  await call(track("x".repeat(300)))
  const names = told.filter(([method]) => method == "trackEvent").map(([, name]) => name)
  assert.deepEqual(names, ["Bought", "x".repeat(255)])
})

for (const [what, options, settings] of [
  ["its API is blocked", { isReached: false }], ["the page is offline", { isOnline: false }],
  ["a proof is missing", {}, { requireUserHash: true }],
]) {
  test(`device delivery: the function delivers where ${what}`, async (t) => {
    t.mock.method(console, "warn", () => {})
    const { call, marked, told } = await openedWithDevice(options, settings)
    await call(identify("u-1"))
    await call(track("Bought"))
    assert.deepEqual(marked(), [false, false])
    assert.ok(!told.some(([method]) => method == "trackEvent"))
  })
}

test("device delivery: the function delivers while Intercom refuses", async () => {
  const { call, marked, answer } = await openedWithDevice()
  await call(identify("u-1"))
  for (const status of [403, 200, 0]) {
    answer(status)
    await call(track("Bought"))
  }
  assert.deepEqual(marked(), [true, false, true, true])
})

test("device delivery: without consent nothing is marked", async () => {
  const { call, marked } = await openedWithDevice({}, { consentCategories: ["Support"] })
  await call(identify("u-1", {}, { context: { consent: { categoryPreferences: { Support: false } } } }))
  await call(identify("u-1", {}, only({ "Intercom Web (Actions)": false })))
  assert.deepEqual(marked(), [false, false])
})

test("device delivery: more updates than there is room for are the function's", async () => {
  const { call, marked, methods } = await openedWithDevice()
  for (let seats = 0; seats < 13; seats++) await call(identify("u-1", { seats }))
  assert.equal(marked().filter((isMarked) => isMarked).length, 11)
  assert.equal(methods().filter((method) => method == "update").length, 11)
})

// What pages with Segment's own destination for them are used to

const SECONDS = 1_700_000_000
const ISO = new Date(SECONDS * 1e3).toISOString()
const told = (traits, fields, rest) => [identify("u-1", traits, rest), { user_id: "u-1", ...fields }]
const group = (traits, company, rest) => [
  { type: "group", userId: "u-1", groupId: "g-1", traits, ...rest }, { user_id: "u-1", company: { company_id: "g-1", ...company } }]
const bought = (properties, metadata) => [{ ...track("Bought", properties), userId: "u-1" }, metadata]
const context = (options) => ({ context: { Intercom: options } })
const LISTS = { list: [1, 2], object: { a: 1 } }

for (const [what, [event, expected], settings] of [
  ["an id and an email", told({ email: "ada@example.com" }, { email: "ada@example.com" })],
  ["a name", told({ name: "Ada Lovelace" }, { name: "Ada Lovelace" })],
  ["custom attributes", told({ seats: 3, isAdmin: true }, { seats: 3, isAdmin: true })],
  ["no lists and objects", told({ phone: "+1", ...LISTS, company: { id: "c-1", ...LISTS } }, { phone: "+1", company: { company_id: "c-1" } })],
  ["several companies", told({ companies: [{ id: "c-1", ...LISTS }, { id: "c-2", name: "Two" }] },
    { companies: [{ company_id: "c-1" }, { company_id: "c-2", name: "Two" }] })],
  ["the language", told({ languageOverride: "pt-BR" }, { language_override: "pt-BR" })],
  ...["createdAt", "created_at"].flatMap((created) => [
    [`${created} of user and company`, told({ [created]: ISO, company: { id: "c-1", [created]: ISO } },
      { created_at: SECONDS, company: { company_id: "c-1", created_at: SECONDS } })],
    [`${created} in seconds`, told({ [created]: SECONDS }, { created_at: SECONDS })],
    [`${created} in milliseconds`, told({ [created]: SECONDS * 1e3 }, { created_at: SECONDS })],
    [`${created} of a group`, group({ [created]: ISO }, { created_at: SECONDS })],
  ]),
  ...["user_hash", "userHash"].map((name) => [`${name} in context`, told({}, { user_hash: "h" }, context({ [name]: "h" }))]),
  ...["intercom_user_jwt", "intercomUserJwt"].map((name) =>
    [`${name} in context`, told({}, { intercom_user_jwt: "j.w.t" }, context({ [name]: "j.w.t" }))]),
  ...["hide_default_launcher", "hideDefaultLauncher"].flatMap((name) => [true, false].flatMap((hides) => [
    [`${name}: ${hides} with an identify`, told({}, { hide_default_launcher: hides }, context({ [name]: hides }))],
    [`${name}: ${hides} with a group`, (([event, { company, ...user }]) => [event, { ...user, company, hide_default_launcher: hides }])(
      group({}, {}, context({ [name]: hides })))],
  ])),
  ["a launcher of the page's own", told({}, { custom_launcher_selector: "#chat" }), { customLauncherSelector: "#chat" }],
  ["a group's id", group({}, {})],
  ["a group's own fields", group({ name: "Acme", monthlySpend: 9, size: 4, website: "acme.example", industry: "Tools" },
    { name: "Acme", monthly_spend: 9, size: 4, website: "acme.example", industry: "Tools" })],
  ["a group's custom attributes", group({ floor: "3rd", isOpen: true, ...LISTS }, { floor: "3rd", isOpen: true })],
  ["an event's properties", bought({ colour: "red" }, { colour: "red" })],
  ["an event's price", bought({ revenue: 49, currency: "EUR" }, { price: { amount: 4900, currency: "EUR" } })],
  ["a price in US dollars by default", bought({ revenue: 49 }, { price: { amount: 4900, currency: "usd" } })],
  ["an event without lists and objects", bought({ colour: "red", ...LISTS }, { colour: "red" })],
  ["an event's rich link", bought({ receipt: { url: "https://shop.example/r/1", value: "R-1" }, ...LISTS },
    { receipt: { url: "https://shop.example/r/1", value: "R-1" } }), { richLinkProperties: ["receipt"] }],
]) {
  test(`as with Segment's destination for pages: ${what}`, async () => {
    const { call, last, marked } = await openedWithDevice({}, settings)
    if (event.type != "identify") await call(identify("u-1"))
    await call(event)
    const isTrack = event.type == "track"
    const fields = isTrack ? expected : { ...APP, ...expected }
    assert.deepEqual(last(), isTrack ? ["trackEvent", "Bought", fields] : ["update", fields])
    assert.equal(marked().at(-1), true)
  })
}
