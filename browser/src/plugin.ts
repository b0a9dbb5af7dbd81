// The plugin of analytics.js: which of its events go to the Messenger.

import type { Analytics, Context, Plugin } from "@segment/analytics-next"

import { isConsented } from "./consent"
import { companiesOf, companyOf, contactOf } from "./contact"
import type { Device } from "./device"
import { isAddressed, isBoolean, NAME, option, type SegmentEvent, traitsOf, WEB_NAME } from "./event"
import { type Fields, isText, loosely } from "./loose"
import { type Messenger, messengerOf, type Said } from "./messenger"
import type { Settings } from "./settings"

/** An event between the first of analytics.js' phases and the last. */
interface Arrival {
  /** How many people had signed out when it was made. False: whoever made it had signed out by then. */
  departures: number | false
  /** Whether the Messenger delivers it. The function has been told. */
  isDevice?: boolean
}

/** More events than that aren't under way at once. */
const MOST_ARRIVALS = 1_000

/** As it would be sent: a Date is text, and nothing is undefined. */
const asSent = ({ event }: Context): SegmentEvent => JSON.parse(JSON.stringify(event))

/** The plugin with these settings; `loadDevice` is called with device delivery alone. */
export function plugin(settings: Settings, loadDevice: () => Promise<{ deviceOf: (settings: Settings) => Device }>): Plugin {
  let analytics: Analytics
  let messenger: Messenger | undefined
  let device: Device | undefined
  let departures = 0
  const arrivals = new Map<unknown, Arrival>()
  /** Events are told in the order in which they came. */
  let turn: Promise<unknown> = Promise.resolve()

  /** What an event says of who is there. */
  async function read(event: SegmentEvent): Promise<Said> {
    const { type, anonymousId } = event
    const isIdentify = type == "identify"
    const who = isIdentify ? event : { ...event, traits: { email: messenger!.emailOf(anonymousId) } }
    const fields = {
      ...contactOf(who, settings),
      ...(isIdentify && (await companiesOf(loosely(traitsOf(event)), settings))),
      ...(type == "group" && { company: await companyOf(event.traits, settings, event.groupId) }),
      user_hash: option(event, "userhash", isText),
      intercom_user_jwt: option(event, "intercomuserjwt", isText),
      hide_default_launcher: option(event, "hidedefaultlauncher", isBoolean),
    }
    return { type, anonymousId, fields }
  }

  const withMore = (said: Said, more?: Fields): Said => ({ ...said, fields: { ...said.fields, ...more } })

  const isAllowed = (event: unknown) => isConsented(event as SegmentEvent, settings.consentCategories)

  /** Ends the conversation when consent is withdrawn, whether or not the event goes on from here. */
  function obey(ctx: Context): Context {
    if (!isAllowed(ctx.event)) messenger!.shutDown()
    return ctx
  }

  /** Before every middleware, which may change the ids: whether whoever made the event is still there. */
  function arrive(ctx: Context): Context {
    const { messageId, userId, anonymousId } = ctx.event
    const user = analytics.user()
    const isTheirs = userId == user.id() && anonymousId == user.anonymousId()
    arrivals.set(messageId, { departures: isTheirs && departures })
    if (arrivals.size > MOST_ARRIVALS) arrivals.clear()
    return obey(ctx)
  }

  const isOver = (arrival?: Arrival) => arrival && arrival.departures != departures


  /** After every source middleware, and before the event goes to the function. */
  async function pass(ctx: Context): Promise<Context> {
    const event = asSent(ctx)
    const arrival = arrivals.get(event.messageId)
    if (device && arrival && isAddressed(event) && isAllowed(event)) {
      const said = await read(event)
      const more = await device.rules(event, said.fields, settings)
      arrival.isDevice = more && !isOver(arrival) && device.takes(messenger!, withMore(said, more), ctx)
    }
    return obey(ctx)
  }

  /** Tells the Messenger of an event, after all middlewares. */
  async function take(event: SegmentEvent): Promise<void> {
    const arrival = arrivals.get(event.messageId)
    arrivals.delete(event.messageId)
    if (!isAddressed(event) || !isAllowed(event)) return
    const said = await read(event)
    const more = arrival?.isDevice ? await device!.rules(event, said.fields, settings) : undefined
    // An event that was under way at a logout would bring back the previous user.
    if (isOver(arrival)) return
    if (event.type != "track") messenger!.report(withMore(said, more), !!more)
    else if (more && messenger!.isTold(said)) messenger!.call("trackEvent", event.event, more)
  }

  function hook(ctx: Context): Promise<Context> {
    const event = asSent(ctx)
    const told = turn.then(() => messenger && take(event))
    turn = told.catch(() => {})
    return told.then(() => ctx)
  }

  const hooks = (each: Plugin["track"]) => ({ page: each, identify: each, group: each, track: each })

  const self: Plugin = {
    ...hooks(hook),
    name: NAME,
    version: "1",
    type: "destination",
    isLoaded: () => !!messenger,
    async load(_, instance) {
      const { integrations, queue: { plugins }, storage } = instance
      // By npm and by cdnURL at once, one will do.
      if (plugins.some((other) => other.name == NAME && other.isLoaded()) || !isAddressed({ integrations })) return
      analytics = instance
      // Where the settings document has no entry of this name, analytics.js leaves the page's options out.
      settings = { ...settings, ...(integrations[NAME] as object), ...(integrations[WEB_NAME] as object) }
      messenger = messengerOf(settings, storage)
      instance.on("reset", () => {
        departures++
        messenger!.reset()
      })
      for (const each of plugins) if (each.name == NAME) each.alternativeNames = [WEB_NAME]
      plugins.unshift(part("before", arrive))
      plugins.push(part("enrichment", pass))
      // Until that is there, and where it never comes, the function delivers everything.
      if (settings.delivery == "device") loadDevice().then((module) => (device = module.deviceOf(settings)), () => {})
    },
    unload: () => messenger?.shutDown(),
  }

  const part = (type: "before" | "enrichment", each: Plugin["track"]): Plugin =>
    ({ ...self, ...hooks(each), name: `${NAME} (${type})`, type })

  return self
}
