// The ES module, for npm.

import type { Plugin } from "@segment/analytics-next"

import { plugin } from "./plugin"
import type { Settings } from "./settings"

export type { Settings }

/** The plugin of analytics.js that boots, identifies, updates and shuts down Intercom's Messenger. */
export const intercom = (settings: Settings): Plugin => plugin(settings, () => import("./device"))

export default intercom
