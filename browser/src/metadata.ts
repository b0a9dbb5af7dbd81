// The metadata of an event: its properties, the price first.

import type { SegmentEvent } from "./event"
import type { Settings } from "./settings"
import { canonical, cut, type Fields, idText, isObject, isText, loosely } from "./loose"
import { isCode, isNothing, priceOf } from "./numbers"
import { add, insert } from "./values"

/** Whether an event of this name is sent at all: `*` in the filter stands for any characters or none. */
export function passesFilter(event: unknown, { eventFilter = [] }: Settings): boolean {
  const name = isText(event) && idText(event)
  const matches = (pattern: string) =>
    RegExp(`^${pattern.replace(/[^*\w\s]/g, "\\$&").replace(/\*/g, "[^]*")}$`).test(name as string)
  return !!name && (!eventFilter.length || eventFilter.some(matches))
}

/** The price of the revenue, else of a completed order's total, else one that is Intercom's own; and which keys it takes. */
function price(event: unknown, { revenue, total, currency, price }: Fields): [Fields?, RegExp?] {
  const ofRevenue = priceOf(revenue, currency)
  if (ofRevenue) return [ofRevenue, /^(revenue|currency)$/]
  const isOrder = /^(ordercompleted|completedorder)$/.test(canonical(`${event}`))
  const ofTotal = isOrder ? priceOf(total, currency) : undefined
  if (ofTotal) return [ofTotal, isNothing(revenue) ? /^(revenue|currency)$/ : /^currency$/]
  const isPrice =
    isObject(price) && Object.keys(price).length == 2 && isCode(price.currency) &&
    Number.isInteger(price.amount) && (price.amount as number) > 0
  return isPrice ? [price] : []
}

/** The properties that the settings keep, in the order in which they stand. */
export function metadataOf({ event, properties }: SegmentEvent, settings: Settings): Fields {
  const { richLinkProperties = [], metadataLimit = 10 } = settings
  const metadata: Fields = {}
  if (!isObject(properties)) return metadata
  const [made, spokenFor] = metadataLimit ? price(event, loosely(properties)) : []
  if (made) metadata.price = made
  for (const key in properties) {
    const value = properties[key]
    const name = canonical(key)
    if (value == made || (value != null && spokenFor?.test(name))) continue
    const { url, value: text } = isObject(value) && Object.keys(value).length == 2 ? value : ({} as Fields)
    if (isText(url) && (isText(text) || typeof text == "number") && richLinkProperties.some((link) => canonical(link) == name)) {
      const isLink = [...url].length <= 255 && /^[a-z][-+.a-z\d]*:\/\/[^/\s]\S*$/i.test(url)
      if (isLink) insert(metadata, key, { url, value: cut(`${text}`) }, metadataLimit)
    } else {
      add(metadata, key, value, settings, metadataLimit)
    }
  }
  return metadata
}
