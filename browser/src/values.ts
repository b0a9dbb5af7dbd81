// From a trait or property to custom attributes or metadata: flat and bounded.

import { isoTimestamp } from "./dates"
import type { Settings } from "./settings"
import type { Fields } from "./loose"

const cut = (text: string, characters: number): string =>
  text.length > characters ? [...text].slice(0, characters).join("") : text

/** The key as Intercom takes it. In metadata keys are free, and Intercom knows dates by `_at` and `_date` alone. */
function nameOf(key: string, isDate: boolean, isMetadata: boolean): string {
  const name = isMetadata ? key : cut(key, 190).replace(/[.$]/g, "_")
  if (!isDate || (isMetadata ? /_(at|date)$/ : /(_at|At)$/).test(name)) return name
  const stem = name.replace(isMetadata ? /( at|At)$/ : / at$/, "")
  return (isMetadata ? stem : cut(stem, 187)) + "_at"
}

/** Adds a value under a key, by the rules of custom attributes; with a `limit`, by those of metadata. */
export function add(into: Fields, key: string, value: unknown, settings: Settings, limit?: number): void {
  let isDate = false
  const isMetadata = limit != null
  if (value == null) return
  if (typeof value == "object") {
    if (settings.nested == "flatten" && key.length <= 1e3) {
      for (const inner in value) add(into, `${key}_${inner}`, (value as Fields)[inner], settings, limit)
    }
    if (settings.nested != "stringify") return
    value = JSON.stringify(value)
  }
  if (typeof value == "string") {
    const seconds = isoTimestamp(value)
    isDate = seconds != null
    value = isDate ? seconds : cut(value, 255)
  } else if (isMetadata && typeof value == "boolean") {
    value = `${value}`
  }
  insert(into, nameOf(key, isDate, isMetadata), value, limit)
}

/** Inserts what is as Intercom takes it, unless an earlier key has the name or there is no room. */
export function insert(into: Fields, name: string, value: unknown, limit = Infinity): void {
  const names = Object.keys(into)
  if (name && !names.includes(name) && names.length < limit) into[name] = value
}
