// The metadata of an event: its properties, the price first.

import type { SegmentEvent } from "./event"
import type { Settings } from "./settings"
import { canonical, type Fields, filled, isObject, isText, loosely } from "./loose"
import { cents, saysSomething } from "./numbers"
import { add, insert } from "./values"

/** Whether an event of this name is sent at all: `*` in the filter stands for any characters or none. */
export function passesFilter(name: unknown, { eventFilter = [] }: Settings): boolean {
  const matches = (pattern: string) =>
    RegExp(`^${pattern.replace(/[^*\w\s]/g, "\\$&").replace(/\*/g, "[^]*")}$`).test(name as string)
  return !!filled(name) && (!eventFilter.length || eventFilter.some(matches))
}

/** Intercom's `{amount, currency}` in hundredths: of the revenue, else of a completed order's total. */
function priceOf(event: unknown, { revenue, total, currency, price }: Fields): [Fields?, RegExp?] {
  const hasRevenue = saysSomething(revenue)
  const isOrder = /^(ordercompleted|completedorder)$/.test(canonical(`${event}`))
  const amount = cents(revenue) ?? (!hasRevenue && isOrder ? cents(total) : undefined)
  if (amount) return [{ amount, currency: filled(currency) ? currency : "usd" }, /^(revenue|currency)$/]
  const isPrice =
    !hasRevenue && isObject(price) && Object.keys(price).length == 2 && !!filled(price.currency) &&
    Number.isInteger(price.amount) && (price.amount as number) > 0
  return isPrice ? [price] : []
}

/** The properties that the settings keep, in the order in which they stand. */
export function metadataOf({ event, properties }: SegmentEvent, settings: Settings): Fields {
  const { richLinkProperties = [], metadataLimit = 10 } = settings
  const metadata: Fields = {}
  if (!isObject(properties)) return metadata
  const [price, spokenFor] = metadataLimit ? priceOf(event, loosely(properties)) : []
  if (price) metadata.price = price
  for (const key in properties) {
    const value = properties[key]
    const name = canonical(key)
    if (value == price || (value != null && spokenFor?.test(name))) continue
    const { url, value: text } = isObject(value) && Object.keys(value).length == 2 ? value : ({} as Fields)
    if (isText(url) && (isText(text) || typeof text == "number") && richLinkProperties.some((link) => canonical(link) == name)) {
      insert(metadata, key, { url, value: `${text}` }, metadataLimit)
    } else {
      add(metadata, key, value, settings, metadataLimit)
    }
  }
  return metadata
}
