// Device delivery: which events the Messenger delivers, so that the function doesn't.

import type { Context } from "@segment/analytics-next"

import { CLOUD_NAME, NAME } from "./event"
import type { Fields } from "./loose"
import type { Messenger, Said } from "./messenger"
import { reachOf } from "./reach"
import { type Rules, rules } from "./rules"
import type { Settings } from "./settings"

/** Device delivery in this page. */
export interface Device {
  rules: Rules
  /** Whether the Messenger takes what is said: now, and all of it. Then it keeps the room, and the function is told. */
  takes(messenger: Messenger, said: Said, ctx: Context): boolean
}

export function deviceOf(settings: Settings): Device {
  const isReached = reachOf(settings)
  return {
    rules,
    takes(messenger, said, ctx) {
      const isReady = messenger.isUp() && isReached()
      if (!isReady || !(said.type == "track" ? messenger.isTold(said) : messenger.keepsRoomFor(said))) return false
      const { _metadata, integrations } = ctx.event as unknown as Fields
      Object.assign(ctx.event, {
        _metadata: { ...(_metadata as object), bundled: [NAME] },
        // Without the settings document, or where another plugin failed, analytics.js writes the metadata itself.
        integrations: { ...(integrations as object), [CLOUD_NAME]: false },
      })
      return true
    },
  }
}

export { rules }
