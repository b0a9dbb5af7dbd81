"""The tab Test: what an event would become, what became of it, and what to keep of it."""

import base64
import gzip
import json
import re
import shlex
import time
import uuid
from datetime import datetime, timezone

from tools import ROOT, Failure

SAMPLES = ROOT / "events"
KINDS = ("identify", "track", "group", "page", "screen", "alias", "delete")
RULES = {"api": "an SDK's call", "webhook": "Segment's webhook"}
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Of what became of it: more tries may follow.
UNSETTLED = ("queued", "waiting", "lost")
WAIT_SECONDS = 120
VOLATILE = ("sentAt", "receivedAt", "originalTimestamp", "timestamp", "writeKey", "_metadata", "projectId")


def samples():
    """An event of each kind: those of events/, and what the kinds without a file need."""
    found = {}
    for kind in KINDS:
        for name in (f"rest-{kind}.json", f"webhook-{kind}.json"):
            file = SAMPLES / name
            if file.is_file():
                found[kind] = event_of(json.loads(file.read_text()), kind)
                break
        else:
            found[kind] = {"type": kind, "userId": "u-1"}
    return found


def event_of(payload, kind):
    """The event in a payload of API Gateway, without its times, so that it counts as sent now."""
    body = payload["body"]
    if payload.get("isBase64Encoded"):
        body = base64.b64decode(body)
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    event = {"type": kind, **json.loads(body)}
    return {name: value for name, value in event.items() if name not in VOLATILE}


def page(console, asked):
    kind = asked.query.get("kind", "identify")
    event = dict(samples().get(kind, samples()["identify"]))
    event["messageId"] = asked.query.get("id") or fresh_id()
    console_missing = console.missing()
    return ("test.html", {"tab": "test", "kinds": KINDS, "kind": kind, "rules": RULES, "missing": console_missing,
                          "text": json.dumps(event, indent=2, ensure_ascii=False)})


def sample(console, asked):
    kind = asked.query.get("kind", "")
    event = samples().get(kind)
    if event is None:
        raise Failure("there is no sample of that kind")
    event["messageId"] = fresh_id()
    return ("part_editor.html", {"text": json.dumps(event, indent=2, ensure_ascii=False)},
            {"HX-Trigger-After-Settle": "preview"})


def fresh_id():
    return f"console-{uuid.uuid4()}"


def preview(console, asked):
    """What would be sent, with warnings beside what they are about."""
    text = asked.form.get("event", "")
    if not text.strip():
        return ("part_preview.html", {"results": [], "problem": None, "line": None})
    try:
        events = parse(text)
    except NotJson as problem:
        return ("part_preview.html", {"results": [], "problem": str(problem), "line": problem.line})
    results = invoke_preview(console.stack, events, asked.form.get("rules", "api"))
    lines = text.splitlines()
    for result in results:
        result["beside"] = [(line_of(warning, lines), warning) for warning in result.get("warnings", [])]
    return ("part_preview.html", {"results": results, "problem": None, "line": None})


class NotJson(Failure):
    def __init__(self, text, line=None):
        super().__init__(text)
        self.line = line


def parse(text):
    try:
        value = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise NotJson(f"Line {line}, column {getattr(error, 'colno', '?')}: {getattr(error, 'msg', error)}", line) \
            from None
    except RecursionError:
        raise NotJson("It is nested too deeply.") from None
    events = value if isinstance(value, list) else value.get("batch", [value]) if isinstance(value, dict) else None
    if not events or not all(isinstance(event, dict) for event in events):
        raise NotJson("An event is a JSON object: {…}.")
    return events


def line_of(warning, lines):
    """The line of the text that has the key that a warning names first; None without one."""
    named = QUOTED.search(warning)
    if not named:
        return None
    try:
        key = json.loads(f'"{named[1]}"')
    except ValueError:
        key = named[1]
    for part in (key, re.split(r"[.\[]", key)[-1], re.split(r"[.\[]", key)[0]):
        for place, line in enumerate(lines, 1):
            if part and re.match(rf"\s*{re.escape(json.dumps(part, ensure_ascii=False))}\s*:", line):
                return place
    return None


def invoke_preview(stack, events, rules):
    """What the function says that it would do: one result for each event."""
    payload = {"preview": events, "source": rules if rules in RULES else "api"}
    return invoke(stack, payload)["results"]


def invoke(stack, payload):
    answer = stack.call("lambda:InvokeFunction", FunctionName=stack.outputs()["FunctionName"],
                        Payload=json.dumps(payload).encode())
    body = json.loads(answer["Payload"].read())
    if answer.get("FunctionError") or "results" not in (body or {}):
        raise Failure(f"the function says: {(body or {}).get('errorMessage', 'nothing that can be read')}")
    return body


def send(console, asked):
    """Sends it by direct invocation, and follows what becomes of it."""
    events = parse(asked.form.get("event", ""))
    for event in events:
        event.setdefault("messageId", fresh_id())
        event.setdefault("timestamp", datetime.now(timezone.utc).isoformat(timespec="milliseconds"))
    results = invoke(console.stack, events if len(events) > 1 else events[0])["results"]
    sent = [{"id": str(event["messageId"]), "user": user_of(event), **result}
            for event, result in zip(events, results, strict=False)]
    return ("part_sent.html", {"sent": sent, "since": int(time.time())})


def user_of(event):
    user = event.get("userId")
    return user if isinstance(user, str) else ""


def outcome(console, asked):
    """The tries of an event so far; asks again until nothing more is to come."""
    console.log.refresh()
    event = console.log.events.get(asked.query.get("id", ""))
    age = int(time.time()) - int(asked.query.get("since", "0") or 0)
    is_over = age > WAIT_SECONDS or (event is not None and event.status not in UNSETTLED)
    return ("part_outcome.html", {
        "event": event, "is_over": is_over, "id": asked.query.get("id", ""), "since": asked.query.get("since", "0"),
        "user": asked.query.get("user", "")})


def contact(console, asked):
    """Where Intercom's own app shows the contact."""
    token = console.stack.token()
    account = console.stack.intercom()
    workspace = console.stack.fresh("workspace", lambda: account.workspace(token)) if token else None
    url = account.contact_url(token, asked.query.get("user", ""), workspace) if token else None
    return ("part_contact.html", {"url": url})


def test_case(console, asked):
    """The event and what it becomes, as a case of tests/mapping/cases."""
    (event, *rest) = parse(asked.form.get("event", ""))
    if rest:
        raise Failure("a test case is of one event")
    (result,) = invoke_preview(console.stack, [event], asked.form.get("rules", "api"))
    expected = {name: result[name] for name in ("status", "reason", "actions", "warnings") if result.get(name)}
    name = f"{event.get('type', 'an event')} {event.get('event') or event.get('name') or ''}".strip()
    case = {"name": name, "event": event, "expect": expected}
    return ("part_copy.html", {"title": "A case for tests/mapping/cases", "field": "test-case",
                               "text": json.dumps([case], indent=2, ensure_ascii=False)})


def curl(console, asked):
    """The same as a command; the key is whatever the terminal's WRITE_KEY is."""
    events = parse(asked.form.get("event", ""))
    kind = events[0].get("type") if len(events) == 1 else "batch"
    path = kind if kind in (*KINDS[:-1], "batch") else "batch"
    body = {"batch": events} if path == "batch" else events[0]
    text = (f'curl -u "$WRITE_KEY:" {shlex.quote(console.stack.outputs()["EndpointUrl"] + "/v1/" + path)} \\\n'
            f"  -H 'content-type: application/json' \\\n  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    return ("part_copy.html", {"title": "For a terminal, with WRITE_KEY set", "field": "curl", "text": text})


ROUTES = (
    ("GET", "/test", page), ("GET", "/test/sample", sample), ("POST", "/test/preview", preview),
    ("POST", "/test/send", send), ("GET", "/test/outcome", outcome), ("GET", "/test/contact", contact),
    ("POST", "/test/case", test_case), ("POST", "/test/curl", curl),
)
