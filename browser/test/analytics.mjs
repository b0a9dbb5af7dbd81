// analytics.js as far as a plugin sees it: who the user is, and the phases of an event.

/** `integrations` are the options of its load. */
export function analyticsOf(storage, integrations = {}) {
  const user = { id: null, anonymousId: "a-1" }
  const resets = []
  const queue = { plugins: [] }
  let count = 0
  const analytics = {
    integrations,
    storage,
    queue,
    user: () => ({ id: () => user.id, anonymousId: () => user.anonymousId }),
    on: (event, callback) => event == "reset" && resets.push(callback),
  }
  const sent = []
  const hooks = (type, event) => queue.plugins.filter((plugin) => plugin.type == type && plugin[event.type])

  /** Whether the event goes to a destination: by its name, by another of its names, else by All. */
  function isFor({ name, alternativeNames = [] }, options) {
    const other = alternativeNames.map((each) => options[each]).find((choice) => choice !== undefined)
    return (options[name] ?? other ?? options.All) !== false
  }

  /** Makes an event of this moment; gives what carries it through the phases. */
  function make(event) {
    if (event.type == "identify" && event.userId) user.id = event.userId
    const made = { messageId: `m-${++count}`, anonymousId: user.anonymousId, userId: user.id ?? undefined, integrations: {}, context: {}, ...event }
    return async () => {
      const ctx = { event: made }
      for (const type of ["before", "enrichment"]) for (const plugin of hooks(type, made)) await plugin[made.type](ctx)
      sent.push(structuredClone(ctx.event))
      for (const plugin of hooks("destination", made)) if (isFor(plugin, ctx.event.integrations)) await plugin[made.type]({ event: structuredClone(ctx.event) })
    }
  }

  return {
    analytics,
    make,
    call: (event) => make(event)(),
    /** What goes to the function, in the order in which it was sent. */
    sent,
    register: async (plugin) => (queue.plugins.push(plugin), plugin.load(undefined, analytics)),
    middleware: (change) => queue.plugins.push({ name: "middleware", type: "before", ...Object.fromEntries(
      ["page", "identify", "group", "track"].map((type) => [type, async (ctx) => void (await change(ctx.event))])) }),
    signOut({ isSilent = false } = {}) {
      Object.assign(user, { id: null, anonymousId: `a-${++count}` })
      if (!isSilent) resets.forEach((callback) => callback())
    },
  }
}
