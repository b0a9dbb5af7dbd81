// How often the Messenger takes an update.

/** The Messenger takes 20 updates in 30 minutes: ten at once, then one in every three minutes. */
const INTERVAL_MILLIS = 180_000
const NINE_INTERVALS_MILLIS = 9 * INTERVAL_MILLIS

/** A full allowance: takes room for one update; where there is none, gives the milliseconds until there is. */
export function allowanceOf(): () => number {
  /** When all ten of the updates that may be sent at once are available again. */
  let fullAt = 0

  return () => {
    const now = Date.now()
    const waitMillis = fullAt - now - NINE_INTERVALS_MILLIS
    if (waitMillis > 0) return waitMillis
    fullAt = Math.max(fullAt, now) + INTERVAL_MILLIS
    return 0
  }
}
