// Dates in every form that Segment's sources send, read as the function reads them.

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"

// Year, month, day; hour, minute, second, a or p; hours of the offset with its sign, and minutes.
const DATE =
  /^(\d{4})(?:([-/]?)(\d\d?)(?:\2(\d\d?)(?:[t ](\d\d?):?([0-5]\d)(?::?([0-5]\d)(?:\.\d+)?)?(?: ([ap])m)?(?:[ utcgmz]*([-+]\d\d):?(\d\d)?)?[ utcgmz]*)?)?)?$/

// In milliseconds. Date.UTC takes the years up to 99 for those of the 20th century, and 400 years are whole weeks.
const FOUR_CENTURIES = 126_227_808e5

/** Unix seconds of a written date, UTC where it names no zone; NaN where it is none. */
function secondsOf(written: string): number {
  let weekday: string | undefined
  const [, year, , month = 1, day = 1, hour = 0, minute = 0, second = 0, half, hours = "+0", minutes = 0] =
    DATE.exec(
      written
        .toLowerCase()
        // JavaScript names the zone in brackets, Go appends its monotonic clock.
        .replace(/ (\(|m=).*/, "")
        .replace(/[ ,]+/g, " ")
        .replace(/^([a-z]{3})[a-z]* (?=[a-z]|\d+ [a-z]|\d{4})/, (_, name) => ((weekday = name), ""))
        // `24 mar 2016 …` and Unix's `mar 24 17:46:45 utc 2016` become `mar 24 2016 …`, then `2016-3-24 …`.
        .replace(/^(\d\d?) ([a-z]+)/, "$2 $1")
        .replace(/^([a-z]+ \d\d? )(\S*:.*) (\d{4})$/, "$1$3 $2")
        .replace(/^([a-z]{3})[a-z]* (\d\d?) (\d{4})/, (_, name, day, year) => `${year}-${MONTHS.indexOf(name) / 3 + 1}-${day}`),
    ) ?? []
  const clock = half ? (+hour % 12) + +(half == "p") * 12 : +hour
  const date = new Date(Date.UTC(+year! + 400, +month - 1, +day) - FOUR_CENTURIES)
  const isDate =
    date.getUTCMonth() == +month - 1 && clock < 24 &&
    (!weekday || date.toUTCString().toLowerCase().startsWith(weekday))
  return isDate ? +date / 1e3 + (clock * 60 + +minute - +hours * 60 - +(hours[0]! + minutes)) * 60 + +second : NaN
}

const until2100 = (seconds: number, from: number): number | undefined =>
  seconds >= from && seconds <= 4_102_444_800 ? Math.floor(seconds) : undefined

/** Unix seconds of what must be a date, from 1970 to 2100: a zero date is none. */
export function timestamp(value: unknown): number | undefined {
  const written = `${value}`.trim()
  const number = typeof value == "number" || !/\D|^(.{4}|.{8})?$/.test(written) ? +written : 0
  // Its size says whether it counts nanoseconds, microseconds, milliseconds or seconds.
  const unit = number >= 1e18 ? 1e9 : number >= 1e15 ? 1e6 : number >= 31_557_600_000 ? 1e3 : 1
  return until2100(number ? number / unit : typeof value == "string" ? secondsOf(written) : 0, 1)
}

/** Unix seconds of a text that is unmistakably a date, from 1900 to 2100: it starts with YYYY-MM-DD. */
export const isoTimestamp = (text: string): number | undefined =>
  /^\d{4}-\d\d-\d\d[^a-su-y]*$/i.test(text) ? until2100(secondsOf(text), -2_208_988_800) : undefined
