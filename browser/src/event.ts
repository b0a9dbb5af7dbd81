// What an event says of itself: whether it is for Intercom, with which options, and about whom.

import type { Settings } from "./settings"
import { type Fields, idText, isObject, loosely } from "./loose"

/** A Segment event as it would be sent: JSON. */
export type SegmentEvent = Fields & { type: string }

const NAMES = ["Intercom", "Intercom Cloud Mode (Actions)"]

export const isBoolean = (value: unknown): value is boolean => value === !!value

/** Whether `integrations`, else `context.Intercom`, lets the event through to Intercom. */
export function isAddressed({ integrations, context }: SegmentEvent): boolean {
  if (!isObject(integrations)) return loosely(context).intercom !== false
  const own = NAMES.map((name) => integrations[name]).find((choice) => isBoolean(choice) || isObject(choice))
  const all = Object.keys(integrations).find((key) => key.toLowerCase() == "all")
  return (own ?? (all && integrations[all])) !== false
}

/** The first option of this canonical name that `is` accepts: in `integrations`, else in `context.Intercom`. */
export const option = <T>(event: SegmentEvent, name: string, is: (value: unknown) => value is T): T | undefined =>
  [...NAMES.map((of) => (event.integrations as Fields | null)?.[of]), loosely(event.context).intercom]
    .map((options) => loosely(options)[name])
    .find(is)

/** `traits`, as they were sent; where they are missing or empty, `context.traits`. */
export const traitsOf = ({ traits, context }: SegmentEvent): unknown =>
  isObject(traits) && Object.keys(traits)[0] != null ? traits : loosely(context).traits

/** The userId, unless it stands for nobody. */
export function userIdOf(event: SegmentEvent, { ignoredUserIds = [] }: Settings): string | undefined {
  const id = idText(event.userId)
  return id && !ignoredUserIds.includes(id.trim().toLowerCase()) ? id : undefined
}

/** An id that looks like an email address is one. */
export const asEmail = (id?: string): string | undefined =>
  id && /^[^@\s]+@[^@\s]+\.[^@\s.]+$/.test(id) ? id : undefined
