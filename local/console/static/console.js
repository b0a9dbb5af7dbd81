// What htmx leaves: the session's token, a second click for what can't be taken back, copying, and word of failures.
const proof = document.querySelector("meta[name=console]").content
const notice = document.getElementById("notice")
const ARMED_MILLIS = 5000

function say(text) {
  notice.textContent = text
  clearTimeout(say.timer)
  say.timer = setTimeout(() => { notice.textContent = "" }, 6000)
}

document.addEventListener("htmx:configRequest", ({ detail }) => { detail.headers["x-console"] = proof })

document.addEventListener("htmx:confirm", (event) => {
  const asking = event.detail.elt.closest("[data-confirm]")
  if (!asking) return
  event.preventDefault()
  const button = asking.matches("button") ? asking : asking.querySelector("button")
  if (button.dataset.armed) {
    disarm(button)
    event.detail.issueRequest(true)
    return
  }
  button.dataset.armed = button.textContent
  button.textContent = asking.dataset.confirm
  button.timer = setTimeout(() => disarm(button), ARMED_MILLIS)
})

function disarm(button) {
  if (!button.dataset.armed) return
  clearTimeout(button.timer)
  button.textContent = button.dataset.armed
  delete button.dataset.armed
}

document.addEventListener("htmx:sendError", () => say("The console doesn’t answer: is it still running in its terminal?"))
document.addEventListener("htmx:responseError", ({ detail }) => {
  if ([401, 403].includes(detail.xhr.status)) say("The console was started anew: open it by its new link.")
  else say(`The console failed (${detail.xhr.status}): its terminal says why.`)
})

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]")
  if (!button) return
  const field = document.getElementById(button.dataset.copy)
  await navigator.clipboard.writeText(field.value ?? field.textContent)
  say("Copied.")
})

document.addEventListener("change", ({ target }) => {
  const name = target.dataset?.all
  if (!name) return
  for (const box of target.form.querySelectorAll(`input[name="${name}"]`)) box.checked = target.checked
})
