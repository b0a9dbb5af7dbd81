// A page without a browser: what the Messenger is told in it, a storage that outlives it, and a stand-in for the widget.

/** Opens a page. `storage` is that of the page before; with `own` the page has Intercom already. */
export function open({ storage = new Map(), own = false } = {}) {
  const told = []
  const widget = (...call) => void told.push(call)
  const scripts = []
  globalThis.location = { href: "https://shop.example/" }
  globalThis.window = own ? { Intercom: widget } : {}
  globalThis.document = {
    createElement: () => ({}),
    querySelector: () => null,
    head: { append: (script) => scripts.push(script) },
  }
  return {
    told,
    scripts,
    storage: { get: (key) => storage.get(key) ?? null, set: (key, value) => storage.set(key, value) },
    kept: storage,
    /** The widget's script has come, with all that waited for it. */
    loadWidget() {
      const { q } = window.Intercom
      window.Intercom = widget
      q.forEach((call) => widget(...call))
      scripts[0].onload()
    },
    methods: () => told.map(([method]) => method),
  }
}
