// Money and whole numbers, in decimal arithmetic: 19.99 × 100 is 1999, not 1998.9999999999998.

import { type Fields, filled, isText } from "./loose"

const AMOUNT = /^(-?)[$€£¥]* *(?=[.\d])(\d{1,3}(?:,\d{3})+|\d*)(\.\d*)? *[$€£¥]*$/

/** Currencies that a symbol stands for; the first where none is named. */
const CURRENCIES: { [symbol: string]: string[] } = { "€": ["eur"], "£": ["gbp"], "¥": ["jpy", "cny"] }

/** The decimal digits of a number or of a text that is one: `"1,000.50"` and `"$1,000.50"` too. */
function digits(value: unknown): string | undefined {
  if (typeof value == "number") return `${value}`
  const match = isText(value) && AMOUNT.exec(value.trim())
  return match ? match[1]! + match[2]!.replace(/,/g, "") + (match[3] || "") : undefined
}

/** The number moved left by `places` and rounded half away from zero; NaN where it is none. */
function whole(value: unknown, places: number): number {
  const [mantissa, exponent = 0] = (digits(value) || "x").split("e")
  const moved = +`${mantissa}e${+exponent + places}`
  return Math.sign(moved) * Math.round(Math.abs(moved))
}

/** The nearest whole number that Intercom stores, below 2³¹. A text such as `"1.200"` can be 1200. */
export function integer(value: unknown): number | undefined {
  const number = whole(value, 0)
  const isInDoubt = isText(value) && /^[^.,]*\.\d{3}[^.,\d]*$/.test(value)
  return Math.abs(number) < 2 ** 31 && !isInDoubt ? number : undefined
}

/** Whether this is a currency's code. */
export const isCode = (code: unknown): code is string => isText(code) && /^[a-z]{3}$/i.test(code)

/** Intercom's price: positive hundredths of an amount of money, with its currency. Undefined where either is in doubt. */
export function priceOf(value: unknown, sent: unknown): Fields | undefined {
  const amount = whole(value, 2)
  const isInDoubt = isText(value) && /^[^.,]*[.,]\d{3}[^.,\d]*$/.test(value.trim())
  if (!(amount > 0 && amount < 2 ** 63) || isInDoubt) return
  const symbol = isText(value) ? /[$€£¥]/.exec(value)?.[0] : undefined
  const ofSymbol = symbol ? CURRENCIES[symbol] : undefined
  if (sent == null || sent === "" || (isText(sent) && !sent.trim())) {
    return symbol == "¥" ? undefined : { amount, currency: ofSymbol?.[0] ?? "usd" }
  }
  const currency = filled(sent)
  const isOfSymbol = !ofSymbol || ofSymbol.includes(`${currency}`.toLowerCase())
  return isCode(currency) && isOfSymbol ? { amount, currency } : undefined
}

/** Whether a revenue is missing, empty or 0. */
export const isNothing = (revenue: unknown): boolean =>
  revenue == null || (isText(revenue) && !revenue.trim()) || +(digits(revenue) ?? NaN) == 0
