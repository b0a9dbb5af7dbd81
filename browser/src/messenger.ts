// Intercom's Messenger in this page: loading the widget, and which call tells it what.

import type { Fields } from "./loose"
import type { Settings } from "./settings"

interface Intercom {
  (...call: unknown[]): void
  /** Calls that wait for the widget: only the stand-in that is there until then has this. */
  q?: unknown[][]
  c?(call: unknown[]): void
}

declare global {
  interface Window {
    Intercom?: Intercom
  }
}

/** The Messenger takes 20 updates in 30 minutes: ten at once, then one in every three minutes. */
const INTERVAL_MILLIS = 180_000
const NINE_INTERVALS_MILLIS = 9 * INTERVAL_MILLIS

/** Loads the widget's script: now, when the browser is idle, or once the visitor does something. */
function loadWidget({ appId, load, nonce }: Settings, onload: () => void): void {
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

/** The Messenger of these settings. Nothing is called and nothing loaded before the first user is reported. */
export function messengerOf(settings: Settings) {
  const { bootVisitors = true } = settings
  let user: Fields = {}
  let isHidden: boolean | undefined
  let isStarted = false
  let isBooted = false
  let isLoaded = false
  let hasWarned = false
  let sent: string
  let url: string
  /** When all ten of the updates that may be sent at once are available again. */
  let allowanceFullAt = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const call = (...args: unknown[]): true => (window.Intercom!(...args), true)

  /** Makes calls of the Messenger possible. Returns the one that reports the first user. */
  function start(): string {
    isStarted = true
    // A page that has Intercom keeps it.
    if (window.Intercom) {
      call("reattach_activator")
      return "update"
    }
    const standIn: Intercom = (...args) => standIn.c!(args)
    standIn.q = []
    standIn.c = (args) => standIn.q!.push(args)
    window.Intercom = standIn
    loadWidget(settings, () => (isLoaded = true))
    return "boot"
  }

  /** Boots, or updates where something is new and the allowance has room for it. Says whether the Messenger is up to date. */
  function send(isPage?: boolean): boolean {
    const json = JSON.stringify({
      ...user,
      app_id: settings.appId,
      api_base: settings.apiBase,
      custom_launcher_selector: settings.customLauncherSelector,
      session_duration: settings.sessionDuration,
      hide_default_launcher: isHidden,
    })
    let method = "update"
    if (isBooted) {
      if (json == sent && (!isPage || url == location.href)) return true
      const now = Date.now()
      const wait = allowanceFullAt - now - NINE_INTERVALS_MILLIS
      if (wait > 0) {
        timer ??= setTimeout(() => ((timer = undefined), send(true)), wait)
        return false
      }
      allowanceFullAt = Math.max(allowanceFullAt, now) + INTERVAL_MILLIS
    } else {
      isBooted = true
      method = isStarted ? "boot" : start()
    }
    sent = json
    url = location.href
    return call(method, JSON.parse(json))
  }

  const isUser = ({ user_id, email }: Fields) => (user.user_id ? user.user_id == user_id : user.email == email)

  /** Ends the conversation of a user, or of a visitor. */
  function shutDown(): void {
    if (isBooted) call("shutdown")
    clearTimeout(timer)
    user = {}
    timer = undefined
    isBooted = false
  }

  return {
    /** Whether the widget takes calls: it isn't blocked, and has finished loading. */
    isUp: () => isBooted && (isLoaded || !window.Intercom!.q),

    /** Whether these fields name the user whom the Messenger knows. */
    isUser,

    /** Reports who is there, in place of whoever was before. Says whether the Messenger is up to date. */
    tell(fields: Fields, isPage: boolean, hide?: boolean): boolean {
      if ((user.user_id || user.email) && !isUser(fields)) shutDown()
      // A page call shows what an earlier one hid; the other calls leave it as it is.
      isHidden = hide ?? (isPage ? undefined : isHidden) ?? settings.hideDefaultLauncher ?? (isHidden && false)
      if (fields.company || fields.companies) user.company = user.companies = undefined
      for (const key in fields) user[key] = fields[key] ?? user[key]
      if (!user.user_id && !user.email) return bootVisitors && send(isPage)
      if (!settings.requireUserHash || user.user_hash || user.intercom_user_jwt) return send(isPage)
      if (!hasWarned) console.warn("Intercom: no user_hash or intercom_user_jwt")
      hasWarned = true
      return false
    },

    track: (name: unknown, metadata: Fields) => call("trackEvent", name, metadata),

    /** Logout: the user has signed out. What follows is a visitor's. */
    reset(): void {
      const wasBooted = isBooted
      shutDown()
      if (wasBooted && bootVisitors) send()
    },
  }
}
