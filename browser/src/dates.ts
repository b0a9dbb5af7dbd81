// Dates as JSON has them, in ISO 8601 or as a number, read as the function reads them.

// Year, month, day; hour, minute, second; hours of the offset with its sign, and minutes.
const DATE =
  /^(\d{4})(?:([-/]?)(\d\d?)(?:\2(\d\d?)(?:[t ](\d\d?):?([0-5]\d)(?::?([0-5]\d)(?:\.\d+)?)?(?:[ utcgmz]*([-+]\d\d):?(\d\d)?)?[ utcgmz]*)?)?)?$/

// In milliseconds. Date.UTC takes the years up to 99 for those of the 20th century, and 400 years are whole weeks.
const FOUR_CENTURIES = 126_227_808e5

/** Unix seconds of a written date, UTC where it names no zone; NaN where it is none. */
export function secondsOf(written: string): number {
  const [, year, , month = 1, day = 1, hour = 0, minute = 0, second = 0, hours = "+0", minutes = 0] =
    DATE.exec(written.toLowerCase().replace(/ +/g, " ")) ?? []
  const date = new Date(Date.UTC(+year! + 400, +month - 1, +day) - FOUR_CENTURIES)
  const isDate = date.getUTCMonth() == +month - 1 && +hour < 24
  return isDate ? +date / 1e3 + (+hour * 60 + +minute - +hours * 60 - +(hours[0]! + minutes)) * 60 + +second : NaN
}

const until2100 = (seconds: number, from: number): number | undefined =>
  seconds >= from && seconds <= 4_102_444_800 ? Math.floor(seconds) : undefined

/** Unix seconds of what must be a date, from 1970 to 2100: a zero date is none, nor is a number below 100,000,000. */
export function timestamp(value: unknown): number | undefined {
  const written = `${value}`.trim()
  const isNumber = typeof value == "number" || /^\d{9,}$/.test(written)
  const number = isNumber ? +written : 0
  // Its size says whether it counts milliseconds or seconds.
  const unit = number >= 31_557_600_000 ? 1e3 : 1
  const isWritten = isNumber ? /^\d{8}$/.test(written) : typeof value == "string"
  return until2100(number >= 1e8 ? number / unit : isWritten ? secondsOf(written) : 0, 1)
}

/** Unix seconds of a text that is unmistakably a date, from 1900 to 2100: it starts with YYYY-MM-DD. */
export const isoTimestamp = (text: string): number | undefined =>
  /^\d{4}-\d\d-\d\d[^a-su-y]*$/i.test(text) ? until2100(secondsOf(text), -2_208_988_800) : undefined
