// The module, for npm.

import type { Context, Plugin } from "@segment/analytics-next"

import { NAME, WEB_NAME } from "./event"
import { plugin } from "./plugin"
import type { Middleware, Settings } from "./settings"

export type { Appearance, IntercomOptions, Middleware, Settings } from "./settings"

/** The plugin with destination middlewares of its own: analytics.js gives them to plugins that it has loaded itself. */
function withMiddlewares(plain: Plugin): Plugin {
  const middlewares: Middleware[] = []
  const then = (hook: Plugin["track"]) => async (ctx: Context): Promise<Context> => {
    let event: object | undefined = ctx.event
    for (const middleware of middlewares) {
      const obj: object = structuredClone(event)
      event = undefined
      await middleware({ payload: { obj }, integration: NAME, next: (payload) => (event = payload?.obj) })
      if (!event) return ctx
    }
    await hook!({ event } as Context)
    return ctx
  }
  const { page, identify, group, track } = plain
  return Object.assign(plain, {
    addMiddleware: (...more: Middleware[]) => void middlewares.push(...more),
    page: then(page), identify: then(identify), group: then(group), track: then(track),
  })
}

/**
 * The plugin of analytics.js that boots, identifies, updates and shuts down Intercom's Messenger.
 *
 * `plugins: [intercom]` takes the settings from the document at `cdnURL`, and only the code from the bundle.
 */
export const intercom = Object.assign(
  (settings: Settings): Plugin => withMiddlewares(plugin(settings, () => import("./device"))),
  { pluginName: WEB_NAME },
)

export default intercom
