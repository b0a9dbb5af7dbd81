"""What API Gateway makes of requests, and what it answers itself. Nothing of this reaches Intercom."""

import concurrent.futures
import gzip
import json
import time
import uuid
from contextlib import contextmanager

from replays import REPLAYS, Request

SUCCESS = '200 {"success":true}'
ORIGIN = "https://verify.example"


def verify(stack, table):
    answer = stack.call("GET", "/health")
    table.row("health", "200 ok", f"{answer.status} {json_of(answer).get('status')}")
    preflight(stack, table)
    unknown_path(stack, table)
    wrong_key(stack, table)
    packed_bodies(stack, table)
    sdks(stack, table)
    throttling(stack, table)


def preflight(stack, table):
    answer = stack.call("OPTIONS", "/v1/t", headers={
        "origin": ORIGIN, "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type"})
    allowed = (answer.headers.get("access-control-allow-headers") or "").lower()
    seen = f"{answer.status // 100}xx, {answer.headers.get('access-control-allow-origin')}"
    table.row("preflight", f"2xx, {ORIGIN}", seen, seen == f"2xx, {ORIGIN}" and "authorization" in allowed)


def unknown_path(stack, table):
    answer = stack.call("GET", "/v1/nowhere", headers={"origin": ORIGIN})
    readable = {"code", "message", "error"} <= json_of(answer).keys()
    table.row("unknown path", "404 with code, message, error", f"{answer.status} {json_of(answer).get('code')}",
              answer.status == 404 and readable)


def wrong_key(stack, table):
    table.row("wrong write key", 401, stack.call("POST", "/v1/page", page(), write_key="verify-wrong-key").status)


def packed_bodies(stack, table):
    for what, headers in (("with its header", {"content-encoding": "gzip"}), ("without its header", {})):
        answer = stack.call("POST", "/v1/page", gzip.compress(page()), headers)
        table.row(f"gzip {what}", SUCCESS, told(answer))
    answer = stack.call("POST", "/v1/page", gzip.compress(page())[:-20], {"content-encoding": "gzip"})
    table.row("gzip that breaks off", "400, or API Gateway's own 415", answer.status, answer.status in (400, 415))


def sdks(stack, table):
    """The pages and screens of every SDK, which the function skips, over a socket as the SDK sends them."""
    for name in sorted(path.stem for path in REPLAYS.glob("*.http")):
        what = f"as the SDK for {name} sends"
        if stack.is_emulated and name == "csharp":
            table.leave_out(what, "the emulator damages packed bodies of no type")
            continue
        answer = Request(stack, name, kinds=("page", "screen")).send()
        table.row(what, SUCCESS, told(answer))


def throttling(stack, table):
    """API Gateway's own 429, in the shape of the function's errors."""
    with throttled(stack):
        # It takes AWS a while to apply that.
        answer = stack.wait_for(lambda: first_refused(stack), 90)
    if answer is None:
        table.row("more requests than allowed", 429, "none was refused within 90 s")
        return
    table.row("more requests than allowed", 429, answer.status)
    what, expected = "that answer", "THROTTLED, Retry-After 10, for any page"
    if stack.is_emulated:
        table.leave_out(what, "the emulator has its own text for it")
        return
    seen = (f"{json_of(answer).get('code')}, Retry-After {answer.headers.get('retry-after')}, for "
            f"{'any page' if answer.headers.get('access-control-allow-origin') == '*' else 'no page'}")
    table.row(what, expected, seen)


def first_refused(stack):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: stack.call("GET", "/health"), range(20)))
    return next((answer for answer in answers if answer.status == 429), None)


@contextmanager
def throttled(stack):
    """The API takes one request per second."""
    client = stack.aws("apigateway")
    stage = {"restApiId": stack.resource("Api"), "stageName": stack.parameter["StageName"]}
    parameter = stack.parameter
    limits = {"rateLimit": parameter["ThrottlingRateLimit"], "burstLimit": parameter["ThrottlingBurstLimit"]}

    def limit(values):
        client.update_stage(**stage, patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in values.items()])

    limit(dict.fromkeys(limits, "1"))
    try:
        yield
    finally:
        limit(limits)
        # Wait until the API lets requests in again.
        stack.wait_for(lambda: first_refused(stack) is None, 90)
        time.sleep(1)


def page():
    """A page view, which the function skips."""
    return json.dumps({"type": "page", "userId": "segment-intercom-verify", "messageId": str(uuid.uuid4())}).encode()


def told(answer):
    """An answer's status and body, as one line."""
    return f"{answer.status} {answer.body.decode(errors='replace')}"


def json_of(answer):
    """The body, where it is a JSON object."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
