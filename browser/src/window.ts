// The type of `window.Intercom`, for pages that call the Messenger themselves.

/** Intercom's Messenger, or what keeps calls until it is there. */
export interface IntercomMessenger {
  (method: "show" | "hide" | "showMessages" | "hideNotifications" | "shutdown"): void
  (method: "showSpace", space: "home" | "messages" | "help" | "news" | "tasks" | "tickets"): void
  (method: "showNewMessage", text?: string): void
  (method: "showArticle" | "showNews" | "showTicket" | "showConversation", id: string | number): void
  (method: "startTour" | "startSurvey" | "startChecklist", id: string | number): void
  (method: "onShow" | "onHide", callback: () => void): void
  (method: "onUnreadCountChange", callback: (count: number) => void): void
  (method: "trackEvent", name: string, metadata?: object): void
  (method: "boot" | "update", fields?: object): void
  (method: "getVisitorId"): string | undefined
  (...call: unknown[]): unknown
}

declare global {
  interface Window {
    Intercom?: IntercomMessenger
  }
}
