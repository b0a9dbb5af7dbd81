// Money and whole numbers, in decimal arithmetic: 19.99 × 100 is 1999, not 1998.9999999999998.

const AMOUNT = /^(-?)[$€£¥]* *(?=[.\d])(\d{1,3}(?:,\d{3})+|\d*)(\.\d*)? *[$€£¥]*$/

/** The decimal digits of a number or of a text that is one: `"1,000.50"` and `"$1,000.50"` too. */
function digits(value: unknown): string | undefined {
  if (typeof value == "number") return `${value}`
  const match = typeof value == "string" && AMOUNT.exec(value.trim())
  return match ? match[1]! + match[2]!.replace(/,/g, "") + (match[3] || "") : undefined
}

/** The number moved left by `places` and rounded half away from zero; NaN where it is none. */
function whole(value: unknown, places: number): number {
  const [mantissa, exponent = 0] = (digits(value) || "x").split("e")
  const moved = +`${mantissa}e${+exponent + places}`
  return Math.sign(moved) * Math.round(Math.abs(moved))
}

/** The nearest whole number that Intercom stores, below 2³¹. */
export function integer(value: unknown): number | undefined {
  const number = whole(value, 0)
  return Math.abs(number) < 2 ** 31 ? number : undefined
}

/** Hundredths of an amount of money; only positive ones. */
export function cents(value: unknown): number | undefined {
  const number = whole(value, 2)
  return number > 0 && number < 2 ** 63 ? number : undefined
}

/** Whether a revenue is neither missing, empty nor 0. */
export const saysSomething = (revenue: unknown): boolean =>
  revenue != null && !(typeof revenue == "string" && !revenue.trim()) && !(+(digits(revenue) ?? NaN) == 0)
