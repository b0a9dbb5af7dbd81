// Dates in words, and in the forms of various libraries. The pages' first file goes without them.

import { secondsOf, timestamp } from "./dates"
import { type Fields, isObject, isText } from "./loose"

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"

/** A date in words as `2016-3-24 …`; empty where its weekday is another's. */
function inDigits(written: string): string {
  let weekday: string | undefined
  const date = written
    .toLowerCase()
    // JavaScript names the zone in brackets, Go appends its monotonic clock.
    .replace(/ (\(|m=).*/, "")
    .replace(/[ ,]+/g, " ")
    .replace(/^([a-z]{3})[a-z]* (?=[a-z]|\d+ [a-z]|\d{4})/, (_, name) => ((weekday = name), ""))
    .replace(/(\d\d?)((?::[0-5]\d)+) ([ap])m/, (_, hour, rest, half) => `${+hour > 12 ? 99 : (hour % 12) + (half == "p" ? 12 : 0)}${rest}`)
    // `24 mar 2016 …` and Unix's `mar 24 17:46:45 utc 2016` become `mar 24 2016 …`, then `2016-3-24 …`.
    .replace(/^(\d\d?) ([a-z]+)/, "$2 $1")
    .replace(/^([a-z]+ \d\d? )(\S*:.*) (\d{4})$/, "$1$3 $2")
    .replace(/^([a-z]{3})[a-z]* (\d\d?) (\d{4})/, (_, name, day, year) => `${year}-${MONTHS.indexOf(name) / 3 + 1}-${day}`)
  const day = new Date(secondsOf(date.split(" ")[0]!) * 1e3).toUTCString()
  return !weekday || day.toLowerCase().startsWith(weekday) ? date : ""
}

/** The date in an object: MongoDB's, Firestore's and PHP's. */
function scalarOf(value: Fields): unknown {
  const { $date, _seconds, seconds = _seconds, date, timezone, timezone_type } = value
  const keys = Object.keys(value).join()
  if (keys == "$date") return isObject($date) ? $date.$numberLong : $date
  if (/^_?seconds(,_?nano(second)?s)?$/.test(keys)) return seconds
  return timezone_type && timezone && date ? `${date} ${timezone}` : undefined
}

/** Unix seconds of a date in any form that the function reads. */
export function anyTimestamp(value: unknown): number | undefined {
  const date = isObject(value) ? scalarOf(value) : value
  // Its size says whether a number counts nanoseconds or microseconds.
  const number = typeof date == "number" || (isText(date) && /^\s*\d{16,}\s*$/.test(date)) ? +date : 0
  if (number >= 1e15) return timestamp(number / (number >= 1e18 ? 1e6 : 1e3))
  if (!isText(date)) return timestamp(date)
  const plain = date
    .trim()
    // .NET's form, then a fraction of seconds, a zone in brackets, a comma before the fraction.
    .replace(/^[/\\]*Date\((\d+)([-+]\d+)?\)[/\\]*$/, "$1")
    .replace(/^(\d{9,})\.\d+$/, "$1")
    .replace(/\[(UTC|GMT|Z)\]$/, "")
    .replace(/(Z|[-+]\d\d:?\d\d)\[.*\]$/i, "$1")
    .replace(/(:\d\d),(?=\d)/, "$1.")
  return timestamp(inDigits(plain))
}
