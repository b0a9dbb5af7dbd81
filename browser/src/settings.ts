/** What `cdnURL` brings by itself, from the settings of the function. */
export interface Settings {
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
