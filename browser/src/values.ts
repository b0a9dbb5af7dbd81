// From a trait or property to custom attributes or metadata: flat and bounded.

import { isoTimestamp } from "./dates"
import { anyTimestamp } from "./library-dates"
import type { Settings } from "./settings"
import { cut, type Fields, isText } from "./loose"

/** The key as Intercom takes it. In metadata keys are free, and Intercom knows dates by `_date`. */
function nameOf(key: string, isDate: boolean, isMetadata: boolean): string {
  const name = isMetadata ? key : cut(key, 190).replace(/[.$]/g, "_")
  if (!isDate || (isMetadata ? /_date$/ : /(_at|At)$/).test(name)) return name
  const stem = name.replace(/(_at|At| at)$/, "")
  return isMetadata ? stem + "_date" : cut(stem, 187) + "_at"
}

/** The date of a value whose key says that it is one, or that is one beyond doubt. */
function dateOf(key: string, value: unknown, isMetadata: boolean): number | undefined {
  const saysDate = (isMetadata ? /(_at|At| at|_date)$/ : /([ _.$]at|At)$/).test(key)
  return (saysDate ? anyTimestamp(value) : undefined) ?? (isText(value) ? isoTimestamp(value) : undefined)
}

/** Adds a value under a key, by the rules of custom attributes; with a `limit`, by those of metadata. */
export function add(into: Fields, key: string, value: unknown, settings: Settings, limit?: number): void {
  const isMetadata = limit != null
  if (value == null) return
  const seconds = dateOf(key, value, isMetadata)
  if (seconds == null && typeof value == "object") {
    if (settings.nested == "flatten" && key.length <= 1e3) {
      for (const inner in value) add(into, `${key}_${inner}`, (value as Fields)[inner], settings, limit)
    }
    if (settings.nested != "stringify") return
    value = JSON.stringify(value)
  }
  if (isText(value)) value = cut(value)
  else if (isMetadata && typeof value == "boolean") value = `${value}`
  insert(into, nameOf(key, seconds != null, isMetadata), seconds ?? value, limit)
}

/** Inserts what is as Intercom takes it, unless an earlier key has the name or there is no room. */
export function insert(into: Fields, name: string, value: unknown, limit = Infinity): void {
  const names = Object.keys(into)
  if (name && !names.includes(name) && names.length < limit) into[name] = value
}
