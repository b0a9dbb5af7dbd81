// What an event says of itself: whether it is for Intercom, with which options, and about whom.

import type { Settings } from "./settings"
import { canonical, type Fields, idText, isObject, loosely } from "./loose"

/** A Segment event as it would be sent: JSON. */
export type SegmentEvent = Fields & { type: string }

/** The name that addresses both the Messenger and the function. */
export const NAME = "Intercom"

/** The name of Segment's own destination for pages: it addresses the Messenger alone. */
export const WEB_NAME = "Intercom Web (Actions)"

/** The name of Segment's own destination for servers: it addresses the function alone. */
export const CLOUD_NAME = "Intercom Cloud Mode (Actions)"

export const isBoolean = (value: unknown): value is boolean => value === !!value

/** The value under a name, in any spelling. */
const under = (object: unknown, name: string): unknown => loosely(object)[canonical(name)]

/** What a value of `integrations` says: yes, no, or nothing that can be understood. */
function choice(value: unknown): boolean | undefined {
  const said = /^ *(?:(true|1)|false|0) *$/i.exec(`${value}`)
  return isObject(value) || (said ? !!said[1] : undefined)
}

/** Whether `integrations`, else `context.Intercom`, lets the event through to the Messenger. A false under either name wins. */
export function isAddressed({ integrations, context }: Fields): boolean {
  if (!isObject(integrations)) return choice(loosely(context).intercom) !== false
  const own = [NAME, WEB_NAME].map((name) => choice(under(integrations, name))).filter(isBoolean)
  return !own.includes(false) && (own[0] ?? choice(under(integrations, "all"))) !== false
}

/** The first option of this name that `is` accepts: in `integrations`, else in `context.Intercom`. */
export const option = <T>(event: SegmentEvent, name: string, is: (value: unknown) => value is T): T | undefined =>
  [...[NAME, CLOUD_NAME, WEB_NAME].map((of) => under(event.integrations, of)), loosely(event.context).intercom]
    .map((options) => under(options, name))
    .find(is)

/** `traits`, as they were sent; where they are missing or empty, `context.traits`. */
export const traitsOf = ({ traits, context }: SegmentEvent): unknown =>
  isObject(traits) && Object.keys(traits).length ? traits : loosely(context).traits

/** Whether an id stands for nobody. */
export const isNobody = (id: string, { ignoredUserIds = [] }: Settings): boolean => ignoredUserIds.includes(id.toLowerCase())

/** The userId, unless it stands for nobody. */
export function userIdOf(event: SegmentEvent, settings: Settings): string | undefined {
  const id = idText(event.userId)
  return id && !isNobody(id, settings) ? id : undefined
}
