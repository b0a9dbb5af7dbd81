"""What a replay would do, asked of the function's own preview: nothing is sent to Intercom."""

import json
import re
import time
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor

from connection import NotTaken, Throttled, TooLarge
from ledger import LEFT_OUT, TO_SEND

AT_ONCE = 4
ARRAY_EVENTS = 200
ARRAY_BYTES = 2 << 20
ATTEMPTS = 6
MOST_EVENT_NAMES = 120
# What differs from event to event in one kind of warning.
QUOTED = re.compile(r'"[^"]*"|\'[^\']*\'|`[^`]*`')
NUMBER = re.compile(r"\d+")


class Forecast:
    """Sums up what preview says of the events of a ledger."""

    def __init__(self):
        self.statuses = Counter()
        self.reasons = {"would_skip": Counter(), "would_reject": Counter()}
        self.warnings = Counter()
        self.calls = 0
        self.attributes = {"contact": OrderedDict(), "company": OrderedDict()}
        self.event_names = OrderedDict()  # as first written, by name_key

    def add(self, result):
        """Adds one result of preview."""
        self.statuses[result["status"]] += 1
        if result["status"] in self.reasons:
            self.reasons[result["status"]][result.get("reason", "no reason")] += 1
        self.warnings.update({kind_of(warning) for warning in result.get("warnings", [])})
        for action in result["actions"]:
            self.calls += 1
            match action["action"]:
                case "upsert_contact":
                    self.attributes["contact"].update(dict.fromkeys(custom(action["contact"])))
                case "upsert_company":
                    self.attributes["company"].update(dict.fromkeys(custom(action["company"])))
                case "create_event":
                    name = action["event"]["event_name"]
                    self.event_names.setdefault(name_key(name), name)

    def new_event_names(self, known):
        """The event names that a workspace with these ones lacks, in the order in which they would come."""
        keys = {name_key(name) for name in known}
        return [name for key, name in self.event_names.items() if key not in keys]

    def names_over_the_limit(self, known):
        """Those of the new event names for which Intercom has no room beside the known ones."""
        return self.new_event_names(known)[max(0, MOST_EVENT_NAMES - len({name_key(name) for name in known})):]


def name_key(name):
    """What Intercom tells event names apart by: it ignores case, and keeps `.` and `$` as `-`."""
    return name.replace(".", "-").replace("$", "-").lower()


def custom(body):
    return body.get("custom_attributes") or {}


def kind_of(warning):
    """A warning without the names and values in it."""
    return NUMBER.sub("…", QUOTED.sub("…", warning))


def forecast(ledger, connection, condition, advance):
    """Previews every event to send that wasn't previewed yet, and marks those that would not be delivered as left out.

    `advance(events)` is told how many more are done.
    """
    total = Forecast()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while items := ledger.unseen(AT_ONCE * ARRAY_EVENTS):
            arrays = [items[start:start + ARRAY_EVENTS] for start in range(0, len(items), ARRAY_EVENTS)]
            answers = pool.map(lambda array: preview(array, connection, condition), arrays)
            for array, results in zip(arrays, answers, strict=True):
                ledger.note_previews([noted(item, result) for item, result in zip(array, results, strict=True)])
                for result in results:
                    total.add(result)
                advance(len(array))
    return total


def noted(item, result):
    calls = len(result["actions"])
    if result["status"] == "would_deliver":
        return calls, TO_SEND, None, None, item.id
    return calls, LEFT_OUT, result["status"], result.get("reason"), item.id


def preview(items, connection, condition=None):
    """What would become of these items, by the function's own mapping and settings."""
    events = ",".join(item.body for item in items)
    if len(items) > 1 and len(events.encode()) > ARRAY_BYTES:
        return halves(items, connection, condition)
    options = f',"if":{json.dumps(condition)}' if condition else ""
    for attempt in range(ATTEMPTS):
        try:
            # From Segment itself, as an archive's events are: routed by `integrations` already, with its own times.
            answer = connection.invoke(f'{{"preview":[{events}],"source":"webhook"{options}}}')
            return answer["results"]
        except TooLarge:
            if len(items) == 1:
                return [{"status": "would_reject", "reason": "too large for preview", "actions": []}]
            return halves(items, connection, condition)
        except (Throttled, NotTaken):
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(2 ** attempt / 4)
    raise AssertionError("the last attempt returns or raises")


def halves(items, connection, condition):
    middle = len(items) // 2
    return preview(items[:middle], connection, condition) + preview(items[middle:], connection, condition)
