// The limit of updates, by a clock that a test moves.

import assert from "node:assert/strict"
import { beforeEach, mock, test } from "node:test"

import { load } from "./source.mjs"

const { messengerOf } = await load('export * from "./messenger"')
const MINUTE_MILLIS = 60_000

let told
beforeEach(() => {
  mock.timers.reset()
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 })
  told = []
  globalThis.location = { href: "https://shop.example/" }
  globalThis.window = { Intercom: (...call) => told.push([...call, Date.now()]) }
})

const updates = () => told.filter(([method]) => method == "update")

test("no more than 20 updates in any 30 minutes, and the last word is told", () => {
  const messenger = messengerOf({ appId: "x" })
  for (let number = 0; number < 600; number++) {
    messenger.tell({ user_id: "u-1", seats: number }, false)
    mock.timers.tick(MINUTE_MILLIS / 6)
  }
  const times = updates().map((call) => call.at(-1))
  for (const start of times) {
    const within = times.filter((time) => time >= start && time < start + 30 * MINUTE_MILLIS)
    assert.ok(within.length <= 20, `${within.length} updates`)
  }
  mock.timers.tick(3 * MINUTE_MILLIS)
  assert.equal(updates().at(-1)[1].seats, 599)
})

test("what is held back for a user isn't told of the next one", () => {
  const messenger = messengerOf({ appId: "x" })
  for (let number = 0; number < 20; number++) messenger.tell({ user_id: "u-1", seats: number }, false)
  messenger.reset()
  const count = told.length
  mock.timers.tick(60 * MINUTE_MILLIS)
  assert.equal(told.length, count)
  assert.deepEqual(told.at(-1).slice(0, 2), ["boot", { app_id: "x" }])
})

test("what is the same again is told once", () => {
  const messenger = messengerOf({ appId: "x" })
  for (let number = 0; number < 50; number++) assert.equal(messenger.tell({ user_id: "u-1" }, true), true)
  assert.equal(updates().length, 1)
})
