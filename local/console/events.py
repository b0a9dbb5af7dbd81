"""The tab Events: what became of each, as the log has it."""

import time

from starlette.responses import Response

from console.event_log import HOUR, SPANS
from console.overview import STATUSES
from tools import Failure

ROWS = 100


def page(console, asked):
    return ("events.html", {"tab": "events", "statuses": STATUSES, **listed(console, asked)})


def rows(console, asked):
    values = listed(console, asked)
    # Nothing new: the table stays, and with it what is focused or marked in it.
    if asked.query.get("shown") == values["mark"]:
        return Response(status_code=204)
    return ("part_events.html", values)


def listed(console, asked):
    query = asked.query
    span = SPANS.get(query.get("span"), HOUR)
    wanted = {name: query.get(name, "").strip() for name in ("status", "kind", "message_id", "user", "reason")}
    problem = None
    try:
        console.log.refresh(span)
    except Failure as failure:
        problem = str(failure)
    found = console.log.found(since=int(time.time() * 1000) - span, **wanted)
    limit = min(int(query["limit"]) if query.get("limit", "").isdecimal() else ROWS, 20_000)
    return {"found": found[:limit], "count_found": len(found), "limit": limit, "wanted": wanted, "spans": SPANS,
            "kinds": console.log.kinds(), "span": query.get("span") or "1 hour", "problem": problem,
            "mark": f"{console.log.version}-{len(found)}-{limit}", "more": limit + 400, "is_cut": console.log.is_cut}


def one(console, asked):
    console.log.refresh()
    event_id = asked.query.get("id", "")
    event = console.log.events.get(event_id)
    if event is None:
        raise Failure("the log of this time has no such event: choose a longer time under Events")
    return ("event.html", {"tab": "events", "event": event})


ROUTES = (("GET", "/events", page), ("GET", "/events/rows", rows), ("GET", "/events/one", one))
