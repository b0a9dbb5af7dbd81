// What a page can set, and say. Types rather than interfaces: analytics.js takes records.

/** Settings of the Messenger's looks, under Intercom's own names. */
export type Appearance = {
  /** The side of the page on which the launcher is; left in languages that are written from right to left. */
  alignment?: "left" | "right"
  /** Distance from the side, in pixels; at least 20. */
  horizontal_padding?: number
  /** Distance from the bottom, in pixels; at least 20. */
  vertical_padding?: number
  z_index?: number
  theme_mode?: "light" | "dark" | "system"
  /** Colour of buttons and links, such as `#1f6feb`. */
  action_color?: string
  /** Colour of the launcher and the head of the Messenger. */
  background_color?: string
}

/** The settings of the plugin: what `cdnURL` brings by itself, from the settings of the function. */
export type Settings = {
  /** Intercom's App ID. */
  appId: string
  /** The Messenger's API where the workspace is hosted, such as `https://api-iam.eu.intercom.io`; by default in the US. */
  apiBase?: string
  /** `messenger` (the default): the Messenger learns who is there. `device`: traits, groups and events go by it too. */
  delivery?: "messenger" | "device"
  /** Whether the Messenger is there for visitors who aren't identified; true by default. */
  bootVisitors?: boolean
  /** Whether Intercom's launcher is hidden, where an event doesn't say. */
  hideDefaultLauncher?: boolean
  /** CSS selector of launchers of your own. */
  customLauncherSelector?: string
  /** How long the cookies of a visitor's session last, in milliseconds. */
  sessionDuration?: number
  /** Where the launcher is, and how the Messenger looks. */
  appearance?: Appearance
  /** Categories of consent without which the Messenger isn't told anything, and is shut down. */
  consentCategories?: string[]
  /** When the widget (about 340 KB) is loaded: `idle`, `interaction`, or at once, the default. */
  load?: "idle" | "interaction"
  /** Nonce of the Content-Security-Policy; by default that of a script of the page. */
  nonce?: string
  /** Whether the workspace refuses users without `user_hash` or `intercom_user_jwt`, who then aren't reported to the Messenger. */
  requireUserHash?: boolean
  /** userIds that are nobody, in lower case. */
  ignoredUserIds?: string[]
  /** Id of a company known only by its name: its SHA-256 (the default), or the classic destination's hash. */
  companyIdHash?: "sha256" | "segment"
  /** With device delivery, what becomes of nested traits and properties: left out (the default), flat, or JSON. */
  nested?: "drop" | "flatten" | "stringify"
  /** With device delivery, event properties kept as `{url, value}`. */
  richLinkProperties?: string[]
  /** With device delivery, how many properties of an event are kept; 10 by default. */
  metadataLimit?: number
  /** With device delivery, names of the events that are sent, `*` is a wildcard; all by default. */
  eventFilter?: string[]
}

/** What `integrations.Intercom` (or `integrations["Intercom Web (Actions)"]`) of a call can say. */
export type IntercomOptions = {
  /** The hex HMAC-SHA256 of the user id with the Messenger's secret. */
  user_hash?: string
  /** A token that your server has signed for this user. */
  intercom_user_jwt?: string
  /** Whether Intercom's launcher is hidden, until an event says otherwise. */
  hide_default_launcher?: boolean
  /** False: the event isn't activity of the user's. */
  active?: boolean
}

/** A destination middleware of analytics.js. */
export type Middleware = (parameters: {
  payload: { obj: object }
  integration: string
  next: (payload: { obj: object } | null) => void
}) => void | Promise<void>
