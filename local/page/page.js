// The calls of the buttons, a stand-in for Intercom's Messenger, and what the simulator holds.
const { writeKey, cdnURL, delivery, isReal } = SETTINGS
const $ = (id) => document.getElementById(id)

const CALLS = [
  ["page", "", () => analytics.page()],
  ["identify", "Ada", () => analytics.identify("page-ada", { name: "Ada Lovelace", email: "ada@page.example", createdAt: "2024-03-01", seats: 12 })],
  ["identify", "Charles", () => analytics.identify("page-charles", { name: "Charles Babbage", email: "charles@page.example" })],
  ["group", "Acme", () => analytics.group("page-acme", { name: "Acme Ltd", plan: "Business", employees: 48 })],
  ["track", "Order Completed", () => analytics.track("Order Completed", { revenue: 19.99, currency: "eur", gift: true })],
  ["page", "launcher hidden", () => analytics.page(undefined, undefined, {}, { integrations: { Intercom: { hideDefaultLauncher: true } } })],
  ["reset", "signed out", () => analytics.reset()],
]

const element = (tag, text = "", name = "") => Object.assign(document.createElement(tag), { textContent: text, className: name })

function fields(values) {
  const list = element("dl", "", "fields")
  for (const [name, value] of Object.entries(values)) {
    if (value == null || value === "") continue
    list.append(element("dt", name), element("dd", typeof value == "object" ? JSON.stringify(value) : String(value)))
  }
  return list
}

function show(method, data, more) {
  const item = element("li", "", method)
  item.append(element("b", method))
  if (data && typeof data == "object") item.append(fields(data))
  else if (data) item.append(` ${data}`, fields(more ?? {}))
  $("told").prepend(item)
}

// In place of the widget: the launcher in the corner, and a list of what it is told.
function standIn(method, data, more) {
  show(method, data, more)
  const launcher = $("messenger")
  if (method == "shutdown") launcher.hidden = true
  if (method == "boot" || method == "update") {
    launcher.hidden = data.hide_default_launcher === true
    launcher.lastChild.textContent = data.name ? `Hi ${data.name.split(" ")[0]}` : data.user_id ?? "Hello"
    $("who").textContent = data.user_id ?? data.email ?? "a visitor"
  }
}

const SHOWN = ["external_id", "email", "name", "signed_up_at", "last_seen_at", "company_id", "plan", "size", "companies", "custom_attributes", "metadata"]

async function showState() {
  const state = await (await fetch("/state")).json().catch(() => ({}))
  const ofPage = (text) => String(text ?? "").startsWith("page-")
  const cards = [
    ...(state.contacts ?? []).filter(({ external_id }) => ofPage(external_id)).map((each) => [each.name ?? each.external_id, each]),
    ...(state.companies ?? []).filter(({ company_id }) => ofPage(company_id)).map((each) => [each.name ?? each.company_id, each]),
    ...(state.events ?? []).filter(({ external_id }) => ofPage(external_id)).map((each) => [`${each.name}, of ${each.external_id}`, each]),
  ].map(([title, values]) => {
    const card = element("div", "", "card")
    card.append(element("h3", title), fields(Object.fromEntries(SHOWN.map((name) => [name, values[name]]))))
    return card
  })
  $("state").replaceChildren(...(cards.length ? cards : [element("p", "nothing of this page yet", "none")]))
}

function start() {
  $("mode").textContent = delivery == "device"
    ? "Device delivery: the Messenger takes traits, groups and events."
    : "The Messenger learns who is there, the function delivers."
  if (!isReal) window.Intercom = standIn
  window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL })
  for (const [method, what, call] of CALLS) {
    const button = element("button", method)
    button.append(element("small", what))
    button.onclick = async () => {
      $("code").textContent = call.toString().replace("() => ", "")
      await call()
      setTimeout(showState, 400)
    }
    $("buttons").append(button)
  }
  if (isReal) $("told").append(element("li", "The real Messenger is in the corner.", "none"))
  showState()
}
