// How often the Messenger takes an update.

/** The Messenger takes 20 updates in 30 minutes: ten at once, then one in every three minutes. */
const INTERVAL_MILLIS = 180_000
const NINE_INTERVALS_MILLIS = 9 * INTERVAL_MILLIS

/** A full allowance. */
export function allowanceOf() {
  /** When all ten of the updates that may be sent at once are available again. */
  let fullAt = 0

  /** Milliseconds until there is room for one more update; not positive where there is now. */
  const waitMillis = () => fullAt - Date.now() - NINE_INTERVALS_MILLIS

  return {
    waitMillis,
    /** Takes room for one update; false where there is none. */
    take(): boolean {
      if (waitMillis() > 0) return false
      fullAt = Math.max(fullAt, Date.now()) + INTERVAL_MILLIS
      return true
    },
  }
}
