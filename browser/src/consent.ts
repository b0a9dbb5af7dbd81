// Whether the visitor's consent, as an event carries it, covers Intercom.

import { isObject, loosely } from "./loose"
import type { SegmentEvent } from "./event"

/**
 * Whether every one of these categories is consented to: by Segment's `context.consent`, and by RudderStack's
 * `context.consentManagement`. An event without either is let through.
 */
export function isConsented({ context }: SegmentEvent, categories: string[] = []): boolean {
  const { consent, consentmanagement } = loosely(context)
  const { categorypreferences: given } = loosely(consent)
  const { deniedconsentids, resolutionstrategy } = loosely(consentmanagement)
  const denied = [deniedconsentids].flat()
  const isRefused = categories[resolutionstrategy == "or" ? "every" : "some"]((category) => denied.includes(category))
  return !categories[0] || (!isRefused && (!isObject(given) || categories.every((category) => given[category] === true)))
}
