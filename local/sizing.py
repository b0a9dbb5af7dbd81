"""The tables of docs/sizing.md, from measured figures: `python3 local/sizing.py` writes them into the page.

Needs nothing but the standard library.
"""

import re

from tools import ROOT

PAGE = ROOT / "docs" / "sizing.md"
COSTS = ROOT / "docs" / "operations.md"

# Intercom's documented limit of a private app.
CALLS_PER_MINUTE = 10_000
# Of that, what a backlog uses (docs/operations.md#calls).
USED_OF_LIMIT = 0.96
# Calls per event: the workload of the cost table, and others.
CALLS_PER_EVENT = 1.25
NEW_ACCOUNT_INSTANCES = 10
RETRY_CONCURRENCY = 5
# What SQS looks at, and holds in flight.
FIFO_LIMIT = 120_000
# A batch of ten that Intercom refuses at once, and its lines in the log.
RETRY_BATCH_SECONDS, RETRY_LOG_BYTES = 0.19, 1000
# AWS's list prices of us-east-1, as in docs/operations.md: dollars.
PER_INVOCATION, PER_GB_SECOND, PER_FIFO_REQUEST, PER_LOG_BYTE = 0.2e-6, 1.66667e-5, 0.5e-6, 0.5e-9
MEMORY_GB = 0.25
# The delays of a retry: about three quarters of 5 s plus twice the event's age, at most 900 s.
BASE_SECONDS, MAX_SECONDS, SHARE_OF_DELAY = 5, 900, 0.75


def per_second(calls_per_event=CALLS_PER_EVENT, share=1.0):
    """Events a second that Intercom's limit lets through."""
    return CALLS_PER_MINUTE / 60 * share / calls_per_event


def most_delivered():
    yield ("calls per event", "such as", "events a second", "a minute", "a day")
    for calls, what in ((0.7, "batches of identifies, groups and tracks"), (1.0, "tracks of known users"),
                        (1.25, "one identify to four tracks, singly"), (2.0, "identifies of new users"),
                        (3.0, "groups, singly")):
        events = per_second(calls)
        yield (f"{calls:g}", what, f"{events:.0f}", count(events * 60), count(events * 86_400))


def billed_times():
    """Seconds of the function per event, by mode and events per request: the cost table's measured figures."""
    rows = re.findall(r"^\| `(inline|queue)`, (\d+) \| ([\d.]+) ms", COSTS.read_text(), re.MULTILINE)
    return {(mode, int(events)): float(milliseconds) / 1000 for mode, events, milliseconds in rows}


def new_account():
    yield ("mode, events per request", "function's time per event", f"events a second with {NEW_ACCOUNT_INSTANCES}",
           f"with {NEW_ACCOUNT_INSTANCES - RETRY_CONCURRENCY}, while retries use {RETRY_CONCURRENCY}")
    for (mode, events), seconds in billed_times().items():
        yield (f"`{mode}`, {events}", f"{seconds * 1000:.1f} ms", f"{NEW_ACCOUNT_INSTANCES / seconds:.0f}",
               f"{(NEW_ACCOUNT_INSTANCES - RETRY_CONCURRENCY) / seconds:.0f}")


def backlog():
    lives = (0, 20, 100)
    yield ("events in the retry queue", *(f"beside {live} live events a second" for live in lives))
    for events in (1_000, 10_000, 100_000, 1_000_000):
        yield (count(events), *(duration(drained(events, live)) for live in lives))


def drained(events, live):
    """Seconds until a backlog is gone beside live traffic; None when it never is."""
    left = per_second(share=USED_OF_LIMIT) - live
    return events / left if left > 0 else None


def beyond_the_limit():
    yield ("events a second during an outage", f"{FIFO_LIMIT:,} are queued after")
    for rate in (20, 100, 1_000):
        yield (count(rate), duration(FIFO_LIMIT / rate))


def outage():
    hours = 6
    yield ("events a second", "queued after six hours", "tries meanwhile", "gone after, beside as much traffic", "cost")
    for rate in (20, 100, 1_000):
        events = rate * hours * 3600
        tries = min(rate * total_tries(hours * 3600), RETRY_CONCURRENCY * 10 / RETRY_BATCH_SECONDS * hours * 3600)
        yield (count(rate), count(events), count(tries), duration(drained(events, rate)),
               f"${cost(events, tries):.2f}")


def total_tries(seconds):
    """Tries in `seconds` during which one event a second comes in and none succeeds."""
    at, times = 0.0, []
    while at < seconds:
        at += SHARE_OF_DELAY * min(BASE_SECONDS + 2 * at, MAX_SECONDS)
        times.append(at)
    # An event that came in at t has had those tries whose age fits into the rest of the time.
    return sum(max(0.0, seconds - age) for age in times)


def cost(events, tries):
    batches = tries / 10
    # Sent once; a receive and a delay per batch; at its end received and deleted.
    requests = events + 2 * batches + 0.2 * events
    gb_seconds = batches * RETRY_BATCH_SECONDS * MEMORY_GB
    return (requests * PER_FIFO_REQUEST + batches * PER_INVOCATION + gb_seconds * PER_GB_SECOND
            + tries * RETRY_LOG_BYTES * PER_LOG_BYTE)


def burst():
    usual, minutes = 20, 10
    singly = billed_times()["inline", 1]
    yield (f"events a second for {minutes} minutes", "instances, one event per request", "queued meanwhile",
           f"gone after, beside {usual} a second")
    for rate in (50, 200, 500, 1_000):
        queued = max(0.0, rate - per_second(share=USED_OF_LIMIT)) * minutes * 60
        instances = rate * singly
        yield (count(rate), f"{instances:.0f}", count(queued), duration(drained(queued, usual)) if queued else "now")


def count(number):
    return f"{float(f'{number:.3g}'):,.0f}"


def duration(seconds):
    if seconds is None:
        return "never: more than Intercom's limit"
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


TABLES = {"most": most_delivered, "account": new_account, "backlog": backlog, "limit": beyond_the_limit,
          "outage": outage, "burst": burst}


def table(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * lines[0].count(" | ") + "|---|", *lines[1:]])


def written(page):
    """The page with its tables as they are computed now."""
    for name, rows in TABLES.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{PAGE.name} has no place for the table {name}")
        page = f"{before}{start}{table(rows())}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
