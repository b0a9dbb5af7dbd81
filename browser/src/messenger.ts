// Who is there, as Intercom's Messenger has been told:
//
//   new page ────────┐
//                    boot ───▶ visitor ──update──▶ user
//   signed out ──────┘             │                 │
//        ▲                         │                 │
//        └──────── shutdown ───────┴─────────────────┘
//
// A user who is reported in place of another, a logout and a withdrawn consent all go by "signed out". A new page may
// still have the session of the page before.

import { allowanceOf } from "./allowance"
import type { Fields } from "./loose"
import type { Settings } from "./settings"
import { widgetOf } from "./widget"

type State = "new page" | "signed out" | "visitor" | "user"

/** What events have said of who is there. */
interface Person {
  fields: Fields
  anonymousId?: unknown
  /** The companies of the last identify, as JSON. */
  identified?: string
}

/** What an event says of who is there. */
export interface Said {
  fields: Fields
  anonymousId: unknown
  type: string
  /** What the Messenger delivers of it: the fields too, or the metadata of a `trackEvent`. */
  more?: Fields
}

/** What is kept for the next page: by analytics.js, as it keeps its own user. */
export interface Storage {
  get(key: string): unknown
  set(key: string, value: unknown): unknown
}

/** Under this key, whose session the Messenger has: their user id, else their anonymousId; blank for a visitor's. */
const KEY = "intercom_session"

/** Somebody whom no id equals: a session that is to be ended. */
const SOMEBODY = "?"

/** Adds what an event says. Nothing known is forgotten because an event doesn't repeat it. */
function withSaid({ fields, identified }: Person, { fields: said, anonymousId, type }: Said): Person {
  const { company, companies, ...rest } = said
  const isIdentify = type == "identify"
  const json = JSON.stringify([company, companies])
  fields = { ...fields }
  // analytics.js repeats all traits with each identify. A group may have come since.
  if ((company || companies) && !(isIdentify && json == identified)) {
    Object.assign(fields, { company, companies })
    if (isIdentify) identified = json
  }
  for (const name in rest) if (rest[name] != null) fields[name] = rest[name]
  return { fields, identified, anonymousId }
}

/** The Messenger of these settings. Nothing is loaded before somebody is reported. */
export function messengerOf(settings: Settings, storage: Storage) {
  const { bootVisitors = true } = settings
  const takeRoom = allowanceOf()
  const widget = widgetOf(settings, remember)
  let state: State = "new page"
  let person: Person = { fields: {} }
  let hasWarned = false
  /** What was told last, as JSON, and on which page. */
  let told: string
  let url: string
  /** Runs while an update waits for room. */
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Keeps for the next page whose session this is, once the widget has really taken it. */
  function remember(): void {
    const { fields, anonymousId } = person
    if (widget.isUp()) storage.set(KEY, state == "user" ? fields.user_id ?? anonymousId : "")
  }

  /** Whether this names the person who is there. A visitor may become anybody. */
  function isSame({ fields: { user_id, email }, anonymousId }: Said): boolean {
    const known = person.fields
    if (known.user_id) return known.user_id == user_id
    return !known.email || ((email ?? known.email) == known.email && person.anonymousId == anonymousId)
  }

  const next = (said: Said): Person => withSaid(isSame(said) ? person : { fields: {} }, said)

  const isUser = ({ fields }: Pick<Person, "fields">): unknown => fields.user_id || fields.email

  const isProven = ({ fields }: Person) => !settings.requireUserHash || fields.user_hash || fields.intercom_user_jwt

  const toTell = ({ fields }: Person): string =>
    JSON.stringify({
      ...settings.appearance,
      hide_default_launcher: settings.hideDefaultLauncher,
      ...fields,
      app_id: settings.appId,
      api_base: settings.apiBase,
      custom_launcher_selector: settings.customLauncherSelector,
      session_duration: settings.sessionDuration,
    })

  /** To "visitor" or "user", unless neither is allowed: boots, or updates where something is new and there is room. */
  function enter(isPage?: boolean, hasRoom?: boolean): void {
    const isKnown = isUser(person)
    if (!isKnown && !bootVisitors) return
    if (isKnown && !isProven(person)) {
      if (!hasWarned) console.warn("Intercom: no user_hash or intercom_user_jwt")
      hasWarned = true
      return
    }
    const json = toTell(person)
    const fields = JSON.parse(json)
    if (state == "new page") {
      const last = storage.get(KEY)
      widget.start(fields, last && last != fields.user_id && last != person.anonymousId)
    } else if (state == "signed out") {
      widget.call("boot", fields)
    } else {
      if (json == told && (!isPage || url == location.href)) return
      const waitMillis = !hasRoom && takeRoom()
      if (waitMillis) {
        clearTimeout(timer)
        timer = setTimeout(enter, waitMillis, true)
        return
      }
      widget.call("update", fields)
    }
    told = json
    url = location.href
    state = isKnown ? "user" : "visitor"
    remember()
  }

  const isThere = () => state == "visitor" || state == "user"

  /** To "signed out": ends the conversation. That of the page before is ended by the first boot. */
  function shutDown(): void {
    clearTimeout(timer)
    person = { fields: {} }
    if (state == "signed out") return
    storage.set(KEY, SOMEBODY)
    if (isThere() || widget.isUp()) {
      widget.call("shutdown")
      state = "signed out"
      remember()
    }
  }

  return {
    /** Whether the widget takes calls. */
    isUp: widget.isUp,

    call: widget.call,

    shutDown,

    /** The email of a person who is known by nothing else, so that a further event of theirs names them. */
    emailOf: (anonymousId: unknown): unknown =>
      !person.fields.user_id && person.anonymousId == anonymousId ? person.fields.email : undefined,

    /** Whether the Messenger has been told of the user whom these fields name. */
    isTold: (said: Said): unknown => state == "user" && isUser(said) && isSame(said),

    /** Whether a report of this would be told at once. Keeps the room that it needs. */
    keepsRoomFor(said: Said): unknown {
      const them = next(said)
      const isBoot = !isThere() || !isSame(said)
      return isUser(them) && isProven(them) && (isBoot || toTell(them) == told || !takeRoom())
    },

    /** Reports who is there, in place of whoever was before. Room was kept for what the Messenger delivers. */
    report(said: Said): void {
      const them = next(said)
      if (!isSame(said)) shutDown()
      person = them
      enter(said.type == "page", !!said.more)
    },

    /** Logout: the user has signed out. What follows is a visitor's. */
    reset(): void {
      const wasThere = isThere()
      shutDown()
      if (wasThere) enter()
    },
  }
}

export type Messenger = ReturnType<typeof messengerOf>
