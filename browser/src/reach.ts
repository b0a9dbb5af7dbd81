// Whether the Messenger's API can be reached from this page: ad blockers stop it, a network ends, Intercom refuses.

import type { Settings } from "./settings"

const AGAIN_MILLIS = 60_000

/** Starts to look; gives whether the API is within reach, as far as is known now. Not known is no. */
export function reachOf({ apiBase = "https://api-iam.intercom.io" }: Settings): () => boolean {
  let isReached = false
  let isRefused = false
  let lookedAt = 0

  function look(): void {
    lookedAt = Date.now()
    // Whatever the answer is: a request that is blocked has none.
    fetch(apiBase, { mode: "no-cors", credentials: "omit" }).then(() => (isReached = true), () => (isReached = false))
  }

  // What the Messenger itself was answered, where it asks from this window. Old browsers give no status.
  new PerformanceObserver((list) => {
    for (const { name, responseStatus } of list.getEntries() as PerformanceResourceTiming[]) {
      if (name.startsWith(`${apiBase}/messenger/`) && responseStatus) isRefused = responseStatus >= 400
    }
  }).observe({ type: "resource", buffered: true })
  addEventListener("offline", () => (isReached = false))
  addEventListener("online", look)
  look()

  return () => {
    if (!isReached && Date.now() - lookedAt > AGAIN_MILLIS) look()
    return isReached && !isRefused && navigator.onLine
  }
}
