// The module, for npm.

import type { AnalyticsBrowser, Context, Plugin } from "@segment/analytics-next"

import { NAME, WEB_NAME } from "./event"
import { asSent, hooksOf, plugin } from "./plugin"
import type { Middleware, Settings } from "./settings"

export type { Appearance, IntercomOptions, Middleware, Settings } from "./settings"

/** The plugin with destination middlewares of its own: analytics.js gives them to plugins that it has loaded itself. */
function withMiddlewares(plain: Plugin): Plugin {
  const { track } = plain
  const middlewares: Middleware[] = []

  async function hook(ctx: Context): Promise<Context> {
    let event: object | undefined = ctx.event
    for (const middleware of middlewares) {
      const obj = asSent({ event })
      event = undefined
      await middleware({ payload: { obj }, integration: NAME, next: (payload) => (event = payload?.obj) })
      if (!event) return ctx
    }
    await track!({ event } as Context)
    return ctx
  }

  return Object.assign(plain, hooksOf(hook), { addMiddleware: (...more: Middleware[]) => middlewares.push(...more) })
}

type PluginFactory = Extract<NonNullable<Parameters<typeof AnalyticsBrowser.load>[0]["plugins"]>[number], { pluginName: string }>

/** Makes the plugin. */
export interface Intercom {
  (settings: Settings): Plugin
  /** As analytics.js does it, with what the settings document says. */
  (this: PluginFactory, settings: Parameters<PluginFactory>[0]): Plugin
  pluginName: string
}

/**
 * The plugin of analytics.js that boots, identifies, updates and shuts down Intercom's Messenger.
 *
 * `plugins: [intercom]` takes the settings from the document at `cdnURL`, and only the code from the bundle.
 */
export const intercom = Object.assign(
  (settings: Settings): Plugin => withMiddlewares(plugin(settings, () => import("./device"))),
  { pluginName: WEB_NAME },
) as Intercom
