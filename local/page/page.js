// The calls of the buttons, and what comes of each: what the Messenger is told, and what changes in Intercom.
const { writeKey, cdnURL, delivery, isReal, userHash } = SETTINGS
const $ = (id) => document.getElementById(id)
const ADA = { name: "Ada Lovelace", email: "ada@page.example", createdAt: "2024-03-01", seats: 12 }

const CALLS = {
  Page: [
    ["page", "the next page", "analytics.page()", () => history.pushState(0, "", `/?page=${Date.now() % 1000}`)],
    ["page", "launcher hidden", 'analytics.page(undefined, undefined, {}, { integrations: { Intercom: { hideDefaultLauncher: true } } })'],
  ],
  People: [
    ["identify", "Ada", `analytics.identify("page-ada", ${text(ADA)})`],
    ["identify", "Ada, proven", `analytics.identify("page-ada", {}, { integrations: { Intercom: { user_hash: "${userHash}" } } })`],
    ["identify", "Charles", 'analytics.identify("page-charles", { name: "Charles Babbage", email: "charles@page.example" })'],
    ["group", "Acme", 'analytics.group("page-acme", { name: "Acme Ltd", plan: "Business", employees: 48 })'],
    ["reset", "signs out", "analytics.reset()"],
  ],
  Events: [
    ["track", "Order Completed", 'analytics.track("Order Completed", { revenue: 19.99, currency: "eur", gift: true })'],
    ["track", "not for Intercom", 'analytics.track("Secret Seen", {}, { integrations: { Intercom: false } })'],
  ],
  "Your own button": [["Intercom", "show", 'Intercom("show")']],
}

function text(value) {
  return JSON.stringify(value).replace(/"(\w+)":/g, " $1: ").replace(/,/g, ", ").replace(/}/g, " }").replace(/ +/g, " ")
}

const element = (tag, text = "", name = "") => Object.assign(document.createElement(tag), { textContent: text, className: name })

function fields(values) {
  const list = element("dl", "", "fields")
  for (const [name, value] of Object.entries(values)) {
    if (value == null || value === "" || (typeof value == "object" && !Object.keys(value).length)) continue
    list.append(element("dt", name), element("dd", typeof value == "object" ? text(value) : String(value)))
  }
  return list
}

/** The call that effects are of: the last one. */
let entry

function begin(code) {
  entry = element("li", "", "entry")
  entry.append(element("code", code), element("p", "nothing so far", "none"))
  $("timeline").prepend(entry)
}

function effect(of, name, method, values) {
  const item = element("div", "", `effect ${name}`)
  item.append(element("span", of, "of"), element("b", method), fields(values))
  entry.querySelector(".none")?.remove()
  entry.append(item)
}

const launcher = $("launcher")

/** What the stand-in for the widget is told; see widget.js. */
const demo = {
  told(method, data, more) {
    effect("Messenger", `messenger ${method}`, typeof data == "string" ? `${method} “${data}”` : method, more ?? (typeof data == "object" ? data : {}))
    if (method == "shutdown") launcher.hidden = true
    if (method == "boot" || method == "update") {
      launcher.hidden = data.hide_default_launcher === true
      launcher.lastChild.textContent = data.name ? `Hi ${data.name.split(" ")[0]}` : data.user_id ?? data.email ?? "Hello, visitor"
    }
  },
}

const SHOWN = ["external_id", "email", "name", "signed_up_at", "company_id", "plan", "size", "companies", "custom_attributes", "metadata"]
const KINDS = [
  ["contact", "contacts", "external_id", (each) => each.name ?? each.external_id],
  ["company", "companies", "company_id", (each) => each.name ?? each.company_id],
  ["event", "events", "external_id", (each) => `${each.name}, of ${each.external_id}`],
]
let known

/** Shows what Intercom holds of this page's people, and what of it is new as the effect of the last call. */
async function look() {
  const state = await (await fetch("/state")).json().catch(() => ({}))
  const held = new Map()
  for (const [kind, list, id, titleOf] of KINDS) {
    for (const [index, each] of (state[list] ?? []).entries()) {
      if (!String(each[id] ?? "").startsWith("page-")) continue
      const values = Object.fromEntries(SHOWN.map((name) => [name, each[name]]))
      held.set(kind == "event" ? `event ${index}` : `${kind} ${each[id]}`, { kind, title: titleOf(each), values })
    }
  }
  for (const [key, { kind, title, values }] of known ? held : []) {
    const before = known.get(key)
    if (text(before?.values ?? null) == text(values)) continue
    const news = Object.entries(values).filter(([name, value]) => text(before?.values[name] ?? null) != text(value ?? null))
    effect("Function", "function", `${kind} ${before ? "changed" : "made"}: ${title}`, Object.fromEntries(news))
  }
  known = held
  const cards = [...held.values()].map(({ kind, title, values }) => {
    const card = element("div", "", "card")
    const head = element("h3", title)
    head.append(element("small", kind))
    card.append(head, fields(values))
    return card
  })
  $("state").replaceChildren(...(cards.length ? cards : [element("p", "Nothing of this page yet: identify Ada.", "none")]))
}

let looking

async function run(code, before) {
  begin(code)
  before?.()
  await eval(code)
  clearTimeout(looking)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await look()
  const own = entry.querySelector(".none")
  looking = setTimeout(async () => {
    await look()
    if (own) own.textContent = "Nobody was told."
  }, 1500)
}

async function standIn() {
  const isControlled = navigator.serviceWorker.controller
  const there = isControlled || new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }))
  await navigator.serviceWorker.register("/sw.js")
  await there
}

async function start() {
  $("mode").textContent = delivery == "device"
    ? "Device delivery: the Messenger takes traits, groups and events."
    : "The Messenger learns who is there, and the function delivers."
  const load = `analytics = AnalyticsBrowser.load({\n  writeKey: "${writeKey}",\n  cdnURL: "${cdnURL}",\n})`
  $("line").textContent = load
  // The real workspace has another secret.
  if (isReal) CALLS.People.splice(1, 1)
  for (const [title, calls] of Object.entries(CALLS)) {
    const group = element("div", "", "group")
    group.append(element("h3", title))
    for (const [method, what, code, before] of calls) {
      const button = element("button", method)
      button.append(element("small", what))
      button.onclick = () => run(code, before)
      group.append(button)
    }
    $("buttons").append(group)
  }
  if (!isReal) await standIn()
  await look()
  window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL })
  await run("analytics.page()")
  if (isReal) effect("Messenger", "messenger", "The real one is in the corner.", {})
}

start()
