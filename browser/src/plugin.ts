// The plugin of analytics.js: which of its events go to the Messenger.

import type { Analytics, Context, Plugin } from "@segment/analytics-next"

import { companiesOf, companyOf, contactOf } from "./contact"
import type { Rules } from "./device"
import { isAddressed, isBoolean, option, type SegmentEvent, traitsOf } from "./event"
import { type Fields, isText, loosely } from "./loose"
import { messengerOf } from "./messenger"
import type { Settings } from "./settings"

export type { Settings }

const NAME = "Intercom"

/** The plugin with these settings; `loadRules` is called with device delivery alone. */
export function plugin(settings: Settings, loadRules: () => Promise<{ rules: Rules }>): Plugin {
  const isDevice = settings.delivery == "device"
  const messenger = messengerOf(settings)
  let analytics: Analytics | undefined
  let rules: Rules | undefined

  /** Tells the Messenger of an event; says whether that leaves nothing for the function to do. */
  async function take(event: SegmentEvent): Promise<unknown> {
    const { type } = event
    const user = analytics!.user()
    const who = type == "identify" ? event : { ...event, traits: user.traits() }
    const contact = contactOf(who, settings)
    const companies = await companiesOf(loosely(traitsOf(who)), settings)
    const company = type == "group" && (await companyOf(event.traits, settings, event.groupId))
    const more = await rules?.(event, contact, settings)
    // An event that was under way at a logout (reset), or when another user came, would bring back the previous one.
    if ((event.userId || "") != (user.id() || "") || !isAddressed(event)) return
    // Until the widget and the rules are there, the function delivers: both may be blocked.
    const device = messenger.isUp() && more
    if (type == "track") return device && messenger.isUser(contact) && messenger.track(event.event, device)
    return messenger.tell({
      ...contact,
      ...(company ? { company } : companies),
      ...device,
      user_hash: option(event, "userhash", isText),
      intercom_user_jwt: option(event, "intercomuserjwt", isText),
    }, type == "page", option(event, "hidedefaultlauncher", isBoolean)) && device
  }

  async function hook(ctx: Context): Promise<Context> {
    const event = ctx.event as unknown as Fields
    // As it would be sent: a Date is text, and nothing is undefined.
    if (analytics && (await take(JSON.parse(JSON.stringify(event))))) {
      event._metadata = { bundled: [NAME] }
      // Without the settings document, or where another plugin failed, analytics.js writes the metadata itself.
      event.integrations = { ...(event.integrations as object), [NAME]: false }
    }
    return ctx
  }

  return {
    name: NAME,
    version: "1",
    // What the Messenger has taken must be marked before analytics.js sends the event to the function.
    type: isDevice ? "enrichment" : "destination",
    isLoaded: () => !!analytics,
    async load(_, instance) {
      // By npm and by cdnURL at once, one will do.
      if (instance.queue.plugins.some((other) => other.name == NAME && other.isLoaded())) return
      analytics = instance
      instance.on("reset", messenger.reset)
      // Without the rules, the function delivers everything.
      if (isDevice) loadRules().then((module) => (rules = module.rules), () => {})
    },
    page: hook,
    identify: hook,
    group: hook,
    track: hook,
  }
}
