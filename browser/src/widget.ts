// Intercom's widget in this page: its script, and a stand-in that keeps calls until that is there.

import type { Fields } from "./loose"
import type { Settings } from "./settings"
import type { IntercomMessenger } from "./window"

/** Until the widget is there, `window.Intercom` keeps the calls for it in `q`. */
type StandIn = IntercomMessenger & { q?: unknown[][] }

/** Loads the widget's script: now, when the browser is idle, or once the visitor does something. */
function loadScript({ appId, load, nonce }: Settings, onload: () => void): void {
  const script = document.createElement("script")
  // A script runs once, however often it is put into the page.
  const append = () => document.head.append(script)
  script.onload = onload
  script.nonce = nonce ?? document.querySelector<HTMLElement>("script[nonce]")?.nonce ?? ""
  script.src = `https://widget.intercom.io/widget/${appId}`
  if (load == "interaction") {
    for (const event of ["pointerdown", "keydown", "scroll"]) addEventListener(event, append, { once: true, capture: true })
  } else if (load) {
    ;(window.requestIdleCallback ?? setTimeout)(append)
  } else {
    append()
  }
}

/** Makes `window.Intercom` callable, and loads nothing yet. `onUp` is called when the script has run. */
export function widgetOf(settings: Settings, onUp: () => void) {
  let isLoaded = false
  const standIn = ((...call: unknown[]) => void standIn.q!.push(call)) as StandIn
  standIn.q = []
  // A page that has Intercom keeps it.
  window.Intercom ??= standIn

  const current = () => window.Intercom as StandIn
  const call = (...args: unknown[]): unknown => current()(...args)

  return {
    call,

    /** Whether calls are taken: the script isn't blocked, and has run. */
    isUp: () => isLoaded || !current().q,

    /** The first boot. `isLeft`: the last page's session is that of somebody else. */
    start(user: Fields, isLeft: unknown): void {
      const isOurs = current() == standIn
      const calls: unknown[][] = isLeft ? [["shutdown"], ["boot", user]]
        : isOurs ? [["boot", user]] : [["reattach_activator"], ["update", user]]
      // What the page has called already, such as a button's `show`, needs the boot.
      current().q?.unshift(...calls) ?? calls.forEach((each) => call(...each))
      if (isOurs) loadScript(settings, () => ((isLoaded = true), onUp()))
    },
  }
}
