"""The tab Overview: which workspace, what contradicts the settings, what became of events, queues, alarms."""

import time

import http_call
from console.event_log import HOUR, SPANS, percentile
from console.stack_on_aws import Denied
from tools import Failure

STATUSES = ("delivered", "skipped", "queued", "waiting", "rejected", "lost")
BARS = 48
CHART_HEIGHT = 150
# Said of the function as a whole, above all others.
FILTERS = ("EVENT_FILTER", "FILTERS", "CONSENT_CATEGORIES")
VERSION_SECONDS = 300


def page(console, _asked):
    return ("overview.html", {"tab": "overview", "spans": SPANS})


def traffic(console, asked):
    span = SPANS.get(asked.query.get("span"), HOUR)
    console.log.refresh(span)
    now = int(time.time() * 1000)
    since = now - span
    counts = console.log.over_time(since, now + 1, BARS)
    latencies = console.log.latencies(since)
    totals = {status: sum(each[status] for each in counts) for status in STATUSES}
    return ("part_traffic.html", {
        "bars": bars(counts, since, span), "totals": totals, "total": sum(totals.values()), "since": since, "now": now,
        "p50": percentile(latencies, 0.5), "p95": percentile(latencies, 0.95), "height": CHART_HEIGHT,
        "reasons": console.log.rejected(since)[:5], "is_cut": console.log.is_cut})


def bars(counts, since, span):
    """The rectangles of the chart: x in 0 to 100 %, y from the top."""
    most = max((sum(each.values()) for each in counts), default=0) or 1
    drawn = []
    for place, each in enumerate(counts):
        y = CHART_HEIGHT
        for status in STATUSES:
            if each[status]:
                height = max(2, round(each[status] / most * (CHART_HEIGHT - 10), 1))
                y -= height
                drawn.append({"x": place * 10, "y": round(y, 1), "height": height, "status": status,
                              "count": each[status], "at": since + span * place // BARS})
    return drawn


def workspace(console, _asked):
    stack = console.stack
    variables, secret = stack.variables(), stack.secret().read()
    token, found = secret.get("access_token"), None
    contradictions = []
    if token:
        account = stack.intercom()
        found = stack.fresh("workspace", lambda: account.workspace(token))
        page_app = variables.get("INTERCOM_APP_ID")
        if found.region != account.region_name:
            contradictions.append(f"The workspace is in {found.region}, but INTERCOM_REGION is {account.region}.")
        if page_app and page_app != found.app_id:
            contradictions.append(f"INTERCOM_APP_ID is {page_app}, so pages show the Messenger of another workspace "
                                  f"than the token's, {found.app_id}.")
        if found.asks_for_user_hash and not secret.get("api_secret"):
            contradictions.append("The workspace asks for identity verification, but the secret has no api_secret.")
        contradictions += [f"The token lacks Intercom's permission “{name}”."
                           for name in stack.fresh("lacking", lambda: account.lacking(token), 300)]
    if not (secret.get("write_keys") or secret.get("public_write_keys")):
        contradictions.append("The secret has no write key: the tracking routes answer 503, so that senders wait.")
    return ("part_workspace.html", {"workspace": found, "contradictions": contradictions})


def queues(console, _asked):
    console.log.refresh()
    stack, outputs = console.stack, console.stack.outputs()
    names = (("Retry queue", "RetryQueueUrl"), ("Waiting queue", "WaitingQueueUrl"),
             ("Dead letters", "DeadLetterQueueUrl"), ("Moved by SQS", "MovedBySqsQueueUrl"),
             ("Failed invocations", "FailedInvocationQueueUrl"))
    depths = [(name, stack.messages(output)) for name, output in names if output in outputs]
    return ("part_queues.html", {"depths": depths, "oldest": console.log.oldest_waiting(int(time.time() * 1000))})


def alarms(console, _asked):
    every = console.stack.alarms()
    return ("part_alarms.html", {"on": [each for each in every if each[1] == "ALARM"], "count_all": len(every)})


def settings(console, _asked):
    stack = console.stack
    variables = stack.variables()
    try:
        changed = stack.changed_parameters()
    except Denied as denied:
        changed = denied
    return ("part_settings.html", {
        "changed": changed, "is_denied": isinstance(changed, Denied), "version": stack.fresh(
            "version", lambda: version(stack), VERSION_SECONDS),
        "filters": [(name, variables[name]) for name in FILTERS if variables.get(name)]})


def version(stack):
    """What the function says of itself; None when it doesn't answer."""
    try:
        answer = http_call.request("GET", f"{stack.outputs()['EndpointUrl']}/health")
        return answer.json().get("version") if answer.status == 200 else None
    except (OSError, ValueError, Failure):
        return None


ROUTES = (
    ("GET", "/overview", page), ("GET", "/overview/traffic", traffic), ("GET", "/overview/workspace", workspace),
    ("GET", "/overview/queues", queues), ("GET", "/overview/alarms", alarms), ("GET", "/overview/settings", settings),
)
