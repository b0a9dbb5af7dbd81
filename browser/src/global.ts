// The script that the settings document names: a global function that makes the plugin.

import { plugin } from "./plugin"
import type { Settings } from "./settings"

declare global {
  interface Window {
    segmentIntercom?: (settings: Settings) => ReturnType<typeof plugin>
  }
}

// A script of another origin can't import relative to itself.
const { src } = document.currentScript as HTMLScriptElement

window.segmentIntercom = (settings) => plugin(settings, () => import(`${new URL("intercom-device.mjs", src)}`))
