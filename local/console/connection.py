"""The tab Connection: Intercom's token, by hand or by OAuth, and the keys of our own entry points."""


import stack_secret
from console.doors import CALLBACK
from intercom_account import States
from tools import Failure

__all__ = ["ROUTES", "States"]
TITLES = {
    "write_keys": ("Write keys", "for servers"), "public_write_keys": ("Public write keys", "in pages and apps"),
    "webhook_secret": ("Webhook secrets", "with which Segment signs its webhooks"),
}


def page(console, _asked):
    return ("connection.html", {"tab": "connection", "redirect": redirect(console),
                                "region": console.stack.intercom().region, **held(console)})


def redirect(console):
    return f"http://127.0.0.1:{console.doors.port}{CALLBACK}"


def held(console, **more):
    """What the secret holds, without any of it."""
    secret = console.stack.secret().read()
    groups = [{"kind": kind, "title": title, "what": what, "keys": stack_secret.keys(secret, kind)}
              for kind, (title, what) in TITLES.items()]
    return {"has_token": bool(secret.get("access_token")), "way": stack_secret.connection(secret), "groups": groups,
            "has_api_secret": bool(secret.get("api_secret")), "missing": console.missing(), "made": None,
            "notice": None, "problem": None, **more}


def part(console, **more):
    console.stack.forget("workspace", "lacking")
    return ("part_connection.html", {"redirect": redirect(console), "region": console.stack.intercom().region,
                                     **held(console, **more)})


def attempt(act):
    """A change of the connection; what goes wrong is said above the form, which stays."""
    def make(console, asked):
        try:
            return part(console, **act(console, asked))
        except Failure as failure:
            return part(console, problem=str(failure))
    return make


def store_token(console, asked):
    token = asked.form.get("access_token", "").strip()
    if not token:
        raise Failure("paste the token first")
    workspace = console.stack.intercom().checked(token)
    console.stack.secret().change(
        lambda secret: stack_secret.connect(secret, token, "token", workspace.app_id))
    return {"notice": f"Connected to {workspace.name}. Running functions see it within 5 minutes."}


def begin_oauth(console, asked):
    """Sends the browser to Intercom's page."""
    client_id, client_secret = (asked.form.get(name, "").strip() for name in ("client_id", "client_secret"))
    if not (client_id and client_secret):
        return part(console, problem="client id and client secret are both needed")
    state = console.states.make((client_id, client_secret))
    url = console.stack.intercom().authorize_url(client_id, state, redirect(console))
    return ("part_leaving.html", {}, {"HX-Redirect": url})


def callback(console, asked):
    """Intercom's answer. The cookie doesn't come along from there, so the state says whose it is."""
    try:
        client_id, client_secret = console.states.take(asked.query.get("state", ""))
        if "code" not in asked.query:
            raise Failure("access was denied at Intercom, so nothing was changed")
        account = console.stack.intercom()
        token = account.exchange(asked.query["code"], client_id, client_secret)
        workspace = account.checked(token)
        console.stack.secret().change(
            lambda secret: stack_secret.connect(secret, token, "oauth", workspace.app_id))
        console.stack.forget("workspace", "lacking")
        return ("callback.html", {"workspace": workspace, "problem": None})
    except Failure as failure:
        return ("callback.html", {"workspace": None, "problem": str(failure)})


def disconnect(console, _asked):
    secret = console.stack.secret()
    before = secret.read()
    if stack_secret.connection(before).get("way") == "oauth":
        console.stack.intercom().revoke(before["access_token"])
    secret.change(stack_secret.disconnect)
    return {"notice": "Disconnected. Until a token is there, new events are answered 503, so that senders keep them."}


def add_key(console, asked):
    kind, name = asked.form.get("kind", ""), asked.form.get("name", "").strip()
    key = console.stack.secret().change(lambda secret: stack_secret.add_key(secret, kind, name))
    return {"made": {"kind": kind, "key": key}}


def remove_key(console, asked):
    kind, key_id = asked.form.get("kind", ""), asked.form.get("id", "")
    console.stack.secret().change(lambda secret: stack_secret.remove_key(secret, kind, key_id))
    return {"notice": "Removed. Running functions refuse it within 5 minutes."}


ROUTES = (
    ("GET", "/connection", page), ("POST", "/connection/token", attempt(store_token)),
    ("POST", "/connection/oauth", begin_oauth), ("GET", CALLBACK, callback),
    ("POST", "/connection/disconnect", attempt(disconnect)), ("POST", "/connection/keys/add", attempt(add_key)),
    ("POST", "/connection/keys/remove", attempt(remove_key)),
)
