// The plugin of analytics.js: which of its events go to the Messenger.

import type { Analytics, Context, Plugin } from "@segment/analytics-next"

import { isConsented } from "./consent"
import { companiesOf, companyOf, contactOf } from "./contact"
import type { Device } from "./device"
import { isAddressed, isBoolean, NAME, option, type SegmentEvent, traitsOf, WEB_NAME } from "./event"
import { cut, idText, isText, loosely } from "./loose"
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
export const asSent = ({ event }: { event: object }): SegmentEvent => JSON.parse(JSON.stringify(event))

/** One function for all calls that concern the Messenger. */
export const hooksOf = (hook: Plugin["track"]) => ({ page: hook, identify: hook, group: hook, track: hook })

/** The plugin with these settings; `loadDevice` is called with device delivery alone. */
export function plugin(settings: Settings, loadDevice: () => Promise<{ deviceOf: (settings: Settings) => Device }>): Plugin {
  let analytics: Analytics
  let messenger: Messenger | undefined
  let device: Device | undefined
  let departures = 0
  const arrivals = new Map<unknown, Arrival>()
  /** Events are told in the order in which they came. */
  let turn: Promise<unknown> = Promise.resolve()

  /** What an event says of who is there, and what of it the Messenger can deliver. */
  async function read(event: SegmentEvent, isDevice?: boolean): Promise<Said> {
    const { type, anonymousId } = event
    const isIdentify = type == "identify"
    const who = isIdentify ? event : { ...event, traits: { email: messenger!.emailOf(anonymousId) } }
    const fields = {
      ...contactOf(who, settings),
      ...(isIdentify && (await companiesOf(loosely(traitsOf(event)), settings))),
      ...(type == "group" && { company: await companyOf(event.traits, settings, event.groupId) }),
      user_hash: option(event, "user_hash", isText),
      intercom_user_jwt: option(event, "intercom_user_jwt", isText),
      hide_default_launcher: option(event, "hide_default_launcher", isBoolean),
    }
    const more = isDevice ? await device!.rules(event, fields, settings) : undefined
    return { type, anonymousId, fields: type == "track" ? fields : { ...fields, ...more }, more }
  }

  const isAllowed = (event: unknown) => isConsented(event as SegmentEvent, settings.consentCategories)

  const isFor = (event: SegmentEvent) => isAddressed(event) && isAllowed(event)

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
    if (device && arrival && isFor(event)) {
      const said = await read(event, true)
      arrival.isDevice = said.more && !isOver(arrival) && device.takes(messenger!, said, ctx)
    }
    return obey(ctx)
  }

  /** Tells the Messenger of an event, after all middlewares. */
  async function take(event: SegmentEvent): Promise<void> {
    const arrival = arrivals.get(event.messageId)
    arrivals.delete(event.messageId)
    if (!isFor(event)) return
    const said = await read(event, arrival?.isDevice)
    // An event that was under way at a logout would bring back the previous user.
    if (isOver(arrival)) return
    if (said.type != "track") messenger!.report(said)
    else if (said.more && messenger!.isTold(said)) messenger!.call("trackEvent", cut(idText(event.event)!), said.more)
  }

  function hook(ctx: Context): Promise<Context> {
    const event = asSent(ctx)
    const told = turn.then(() => messenger && take(event))
    turn = told.catch(() => {})
    return told.then(() => ctx)
  }

  const self: Plugin = {
    ...hooksOf(hook),
    name: NAME,
    version: "1",
    type: "destination",
    isLoaded: () => !!messenger,
    async load(_, instance) {
      const { integrations, queue: { plugins }, storage } = instance
      const ours = plugins.filter(({ name }) => name == NAME)
      // By npm and by cdnURL at once, one will do.
      if (ours.some((each) => each.isLoaded()) || !isAddressed({ integrations })) return
      analytics = instance
      // Where the settings document has no entry of this name, analytics.js leaves the page's options out.
      settings = { ...settings, ...(integrations[NAME] as object), ...(integrations[WEB_NAME] as object) }
      messenger = messengerOf(settings, storage)
      instance.on("reset", () => {
        departures++
        messenger!.reset()
      })
      for (const each of ours) each.alternativeNames = [WEB_NAME]
      plugins.unshift(part("before", arrive))
      plugins.push(part("enrichment", pass))
      // Until that is there, and where it never comes, the function delivers everything.
      if (settings.delivery == "device") loadDevice().then((module) => (device = module.deviceOf(settings)), () => {})
    },
    unload: () => messenger?.shutDown(),
  }

  const part = (type: "before" | "enrichment", each: Plugin["track"]): Plugin =>
    ({ ...self, ...hooksOf(each), name: `${NAME} ${type}`, type })

  return self
}
