// Who the Messenger is told is there, and how often, by a clock that a test moves.

import assert from "node:assert/strict"
import { beforeEach, mock, test } from "node:test"

import { open } from "./page.mjs"
import { load } from "./source.mjs"

const { messengerOf } = await load('export * from "./messenger"')
const MINUTE_MILLIS = 60_000
const APP = { app_id: "x" }

const said = (fields = {}, { type = "identify", anonymousId = "a-1" } = {}) => ({ type, anonymousId, fields })
const page = (fields, anonymousId) => said(fields, { type: "page", anonymousId })

beforeEach(() => {
  mock.timers.reset()
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 })
})

/** A page whose widget is there, and its Messenger. */
function opened({ settings, kept } = {}) {
  const page = open({ storage: kept })
  const messenger = messengerOf({ appId: "x", ...settings }, page.storage)
  const report = (...args) => {
    messenger.report(...args)
    if (window.Intercom.q && page.scripts.length) page.loadWidget()
  }
  return { ...page, messenger, report, updates: () => page.told.filter(([method]) => method == "update") }
}

test("a visitor becomes a user, and signs out", () => {
  const { report, messenger, told, kept } = opened()
  report(page())
  report(said({ user_id: "u-1", name: "Ada" }))
  assert.equal(kept.get("intercom_session"), "u-1")
  messenger.reset()
  assert.deepEqual(told, [
    ["boot", APP], ["update", { ...APP, user_id: "u-1", name: "Ada" }], ["shutdown"], ["boot", APP],
  ])
  assert.equal(kept.get("intercom_session"), "")
})

test("another user is told after a shutdown", () => {
  const { report, told } = opened()
  report(said({ user_id: "u-1", name: "Ada" }))
  report(said({ user_id: "u-2" }))
  assert.deepEqual(told.slice(1), [["shutdown"], ["boot", { ...APP, user_id: "u-2" }]])
})

test("a page without the user who was there: the user has left", () => {
  const { report, told } = opened()
  report(said({ user_id: "u-1" }))
  report(page({}, "a-2"))
  assert.deepEqual(told.slice(1), [["shutdown"], ["boot", APP]])
})

test("who is known by email alone stays, until somebody else is there", () => {
  const { report, methods, told } = opened()
  report(said({ email: "a@example.com" }))
  report(page({}, "a-1"))
  assert.deepEqual(methods(), ["boot"])
  report(said({ user_id: "u-1" }))
  assert.deepEqual(told.at(-1), ["update", { ...APP, user_id: "u-1", email: "a@example.com" }])
  for (const another of [said({ email: "b@example.com" }), page({}, "a-2")]) {
    const { report, methods } = opened()
    report(said({ email: "a@example.com" }))
    report(another)
    assert.deepEqual(methods(), ["boot", "shutdown", "boot"])
  }
})

for (const [what, last, here, isEnded] of [
  ["the same user", said({ user_id: "u-1" }), page({ user_id: "u-1" }), false],
  ["another user", said({ user_id: "u-1" }), page({ user_id: "u-2" }, "a-2"), true],
  ["a visitor after a user", said({ user_id: "u-1" }), page({}, "a-2"), true],
  ["a visitor after a visitor", page(), page(), false],
  ["a user after a visitor", page(), page({ user_id: "u-1" }), false],
  ["the same email's user", said({ email: "a@example.com" }), page({}, "a-1"), false],
  ["a user whose email was known", said({ email: "a@example.com" }), said({ user_id: "u-1" }), false],
  ["a visitor after an email", said({ email: "a@example.com" }), page({}, "a-2"), true],
]) {
  test(`on the next page: ${what}`, () => {
    const first = opened()
    first.report(last)
    const second = opened({ kept: first.kept })
    second.report(here)
    assert.deepEqual(second.methods(), isEnded ? ["shutdown", "boot"] : ["boot"])
  })
}

test("a logout on a page where nobody was reported yet ends the session of the page before", () => {
  const kept = opened().kept
  const { messenger, report, methods } = opened({ kept })
  messenger.reset()
  report(page())
  assert.deepEqual(methods(), ["shutdown", "boot"])
})

test("a logout just before the page goes ends the session on the next one", () => {
  const first = opened()
  first.report(said({ user_id: "u-1" }))
  const { kept } = first
  for (const call of ["reset", "shutDown"]) {
    // The widget never comes on this page.
    const { storage } = open({ storage: kept })
    const messenger = messengerOf({ appId: "x" }, storage)
    messenger[call]()
    messenger.report(page())
  }
  const next = opened({ kept })
  next.report(page())
  assert.deepEqual(next.methods(), ["shutdown", "boot"])
})

test("a logout on a page that has Intercom itself is told at once, and once", () => {
  const { told, storage } = open({ own: true })
  const messenger = messengerOf({ appId: "x" }, storage)
  messenger.reset()
  messenger.shutDown()
  assert.deepEqual(told, [["shutdown"]])
  messenger.report(page())
  assert.deepEqual(told.at(-1), ["boot", APP])
})

test("a page that has Intercom keeps it", () => {
  const { told, storage, scripts } = open({ own: true })
  messengerOf({ appId: "x" }, storage).report(page())
  assert.deepEqual(told, [["reattach_activator"], ["update", APP]])
  assert.deepEqual(scripts, [])
})

test("what a button asks for before the boot comes after it", () => {
  const { told, storage, loadWidget } = open()
  const messenger = messengerOf({ appId: "x" }, storage)
  window.Intercom("show")
  assert.equal(messenger.isUp(), false)
  messenger.report(page())
  loadWidget()
  assert.equal(messenger.isUp(), true)
  assert.deepEqual(told, [["boot", APP], ["show"]])
})

test("visitors who aren't wanted are nobody", () => {
  const { report, messenger, methods, scripts } = opened({ settings: { bootVisitors: false } })
  report(page())
  assert.deepEqual(scripts, [])
  report(said({ user_id: "u-1" }))
  messenger.reset()
  report(page({}, "a-2"))
  assert.deepEqual(methods(), ["boot", "shutdown"])
})

test("withdrawn consent shuts down, and nobody is there until the next report", () => {
  const { report, messenger, methods } = opened()
  report(page())
  messenger.shutDown()
  messenger.shutDown()
  assert.deepEqual(methods(), ["boot", "shutdown"])
  report(page())
  assert.deepEqual(methods(), ["boot", "shutdown", "boot"])
})

test("a company of an earlier identify doesn't come back after a group", () => {
  const { report, told } = opened()
  const c1 = { company_id: "c1" }
  report(said({ user_id: "u-1", company: c1 }))
  report(said({ user_id: "u-1", company: { company_id: "c2" } }, { type: "group" }))
  report(said({ user_id: "u-1", name: "Ada", company: c1 }))
  assert.deepEqual(told.at(-1)[1].company, { company_id: "c2" })
  report(page({ user_id: "u-1" }))
  report(said({ user_id: "u-1", company: { company_id: "c1", name: "C1" } }))
  assert.deepEqual(told.at(-1)[1].company, { company_id: "c1", name: "C1" })
  report(said({ user_id: "u-1", companies: [c1, { company_id: "c3" }] }))
  assert.deepEqual([told.at(-1)[1].company, told.at(-1)[1].companies.length], [undefined, 2])
})

test("the launcher is hidden only as an event or a setting said", () => {
  const { report, told } = opened()
  report(page())
  assert.ok(!("hide_default_launcher" in told.at(-1)[1]))
  report(said({ user_id: "u-1", hide_default_launcher: true }))
  location.href += "next"
  report(page({ user_id: "u-1" }))
  assert.equal(told.at(-1)[1].hide_default_launcher, true)
  report(page({ user_id: "u-2" }))
  assert.ok(!("hide_default_launcher" in told.at(-1)[1]))
  const shown = opened({ settings: { hideDefaultLauncher: true, appearance: { alignment: "left" } } })
  shown.report(page({ hide_default_launcher: false }))
  assert.deepEqual(shown.told, [["boot", { ...APP, alignment: "left", hide_default_launcher: false }]])
})

test("who has to prove who they are is told with the proof, each time", () => {
  const warn = mock.method(console, "warn", () => {})
  const { report, told, methods } = opened({ settings: { requireUserHash: true } })
  report(page())
  report(said({ user_id: "u-1", name: "Ada" }))
  report(page({ user_id: "u-1" }))
  assert.deepEqual(methods(), ["boot"])
  assert.equal(warn.mock.callCount(), 1)
  report(said({ user_id: "u-1", user_hash: "h" }))
  const user = { ...APP, user_id: "u-1", name: "Ada", user_hash: "h" }
  assert.deepEqual(told.at(-1), ["update", user])
  report(said({ user_id: "u-1", phone: "1" }))
  assert.deepEqual(told.at(-1), ["update", { ...user, phone: "1" }])
})

// How often

test("no more than 20 updates in any 30 minutes, and the last word is told", () => {
  const { report, updates } = opened()
  const times = []
  for (let number = 0; number < 600; number++) {
    const count = updates().length
    report(said({ user_id: "u-1", seats: number }))
    if (updates().length > count) times.push(Date.now())
    mock.timers.tick(MINUTE_MILLIS / 6)
  }
  for (const start of times) {
    const within = times.filter((time) => time >= start && time < start + 30 * MINUTE_MILLIS)
    assert.ok(within.length <= 20, `${within.length} updates`)
  }
  mock.timers.tick(3 * MINUTE_MILLIS)
  assert.equal(updates().at(-1)[1].seats, 599)
})

test("what is held back for a user isn't told of the next one", () => {
  const { report, messenger, told } = opened()
  for (let number = 0; number < 20; number++) report(said({ user_id: "u-1", seats: number }))
  messenger.reset()
  const count = told.length
  mock.timers.tick(60 * MINUTE_MILLIS)
  assert.equal(told.length, count)
  assert.deepEqual(told.at(-1), ["boot", APP])
})

test("what is the same again is told once", () => {
  const { report, updates } = opened()
  for (let number = 0; number < 50; number++) report(page({ user_id: "u-1" }))
  assert.equal(updates().length, 0)
  location.href += "next"
  for (let number = 0; number < 50; number++) report(page({ user_id: "u-1" }))
  assert.equal(updates().length, 1)
})

test("room that is kept for an update is there when it comes", () => {
  const { report, messenger, updates } = opened()
  report(said({ user_id: "u-1" }))
  const them = (seats) => said({ user_id: "u-1", seats })
  const kept = [...Array(12).keys()].filter((seats) => messenger.keepsRoomFor(them(seats)))
  assert.equal(kept.length, 10)
  assert.ok(messenger.keepsRoomFor(said({ user_id: "u-1" })), "nothing new needs no room")
  assert.ok(messenger.keepsRoomFor(said({ user_id: "u-2" })), "a boot needs none")
  for (const seats of kept) report({ ...them(seats), more: {} })
  assert.equal(updates().length, 10)
})
