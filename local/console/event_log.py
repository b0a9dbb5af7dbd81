"""The function's log of the last while, in memory: what became of each event, try by try.

Read by FilterLogEvents when somebody looks, so that nobody pays for it: once from the newest lines backwards, then what
is new. Nothing is stored.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SPANS = {"15 minutes": 15 * MINUTE, "1 hour": HOUR, "6 hours": 6 * HOUR, "24 hours": DAY}
# Back from now: most of what somebody looks for has just happened.
STEPS = (2 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)
MOST_LINES = 100_000
# A line may reach CloudWatch this much later than one that is younger.
LATE_MILLIS = 10_000
REFRESH_SECONDS = 1.0
EVENT_LINES = ("event", "queued event")
# All that the console shows: the metrics' own lines.
PATTERN = '{ $.fields.message = "event" || $.fields.message = "queued event" || $.fields.message = "invocation" ' \
    '|| $.fields.message = "refused request" || $.fields.alarm = "*" }'


@dataclass
class LoggedEvent:
    """An event, and its tries: each the fields of a line and `at`, in Unix milliseconds, the newest last."""

    id: str
    tries: list = field(default_factory=list)

    def __getattr__(self, name):
        return self.tries[-1].get(name)

    @property
    def first_at(self):
        return self.tries[0]["at"]


class EventLog:
    """The log of a stack, read at most once a second. `stack` is a StackOnAws."""

    def __init__(self, stack):
        self._stack, self._lock = stack, threading.Lock()
        self._seen, self._reached, self._next, self._known_since = {}, None, 0.0, None
        self.events, self.invocations, self.refused, self.alarms = {}, [], [], []
        self.version = 0
        self.is_cut = False

    def refresh(self, span=HOUR):
        """Reads what is new, and back to `span` ago if that wasn't read yet."""
        with self._lock:
            now = int(time.time() * 1000)
            if self._known_since is None:
                self._reached = self._known_since = now - LATE_MILLIS
            if time.monotonic() >= self._next:
                self._read(self._reached - LATE_MILLIS, None)
                self._next = time.monotonic() + REFRESH_SECONDS
            for step in STEPS:
                if step > span or self.is_cut:
                    break
                if now - step < self._known_since:
                    self._read(now - step, self._known_since)
                    self._known_since = now - step

    def _read(self, since, until):
        arguments = {"logGroupName": self._stack.outputs()["LogGroupName"], "startTime": max(0, since),
                     "filterPattern": PATTERN, **({"endTime": until} if until else {})}
        new = []
        while True:
            answer = self._stack.call("logs:FilterLogEvents", **arguments)
            events = answer["events"]
            for event in events:
                key = event.get("eventId") or (event["timestamp"], event["message"])
                if key not in self._seen:
                    self._seen[key] = None
                    new.append(event)
            if token := answer.get("nextToken"):
                arguments["nextToken"] = token
            elif len(events) == 10_000 and events[-1]["timestamp"] > arguments["startTime"]:
                arguments["startTime"] = events[-1]["timestamp"]  # an emulator that gives no token
            else:
                break
            if len(self._seen) > MOST_LINES:
                self.is_cut = True
                break
        for event in new:
            self._take(event)
        if new:
            self.version += 1
            if until is None:
                self._reached = max(self._reached, *(event["timestamp"] for event in new))

    def _take(self, logged):
        try:
            line = json.loads(logged["message"])
            fields = line["fields"]
            message = fields.get("message")
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        entry = {**fields, "at": logged["timestamp"], "request_id": line.get("requestId")}
        if message in EVENT_LINES:
            entry["warnings"] = listed(fields.get("warnings"))
            event_id = str(fields.get("message_id") or "")
            event = self.events.setdefault(event_id, LoggedEvent(event_id))
            event.tries.append(entry)
            event.tries.sort(key=lambda each: each["at"])
        elif message == "invocation":
            self.invocations.append(entry)
        elif message == "refused request":
            self.refused.append(entry)
        if "alarm" in fields:
            self.alarms.append(entry)

    # Asking

    def found(self, since=0, status="", kind="", message_id="", user="", reason=""):
        """The events that meet every given condition, the newest first."""
        digits = user_digits(user) if user else None
        reason = reason.lower()
        chosen = [
            event for event in self.events.values()
            if event.at >= since
            and (not status or event.status == status) and (not kind or event.kind == kind)
            and (not message_id or message_id in event.id)
            and (digits is None or event.user in digits)
            and (not reason or reason in (event.reason or event.waits or "").lower())]
        chosen.sort(key=lambda event: event.at, reverse=True)
        return chosen

    def kinds(self):
        return sorted({event.kind for event in self.events.values() if event.kind})

    def over_time(self, since, until, buckets):
        """How many events became what, in equal parts of the time: a Counter for each."""
        counts = [Counter() for _ in range(buckets)]
        width = (until - since) / buckets
        for event in self.events.values():
            if since <= event.at < until:
                counts[int((event.at - since) / width)][event.status] += 1
        return counts

    def latencies(self, since):
        """Milliseconds from the first receipt of each event until it was delivered, in rising order."""
        return sorted(event.latency_ms for event in self.events.values()
                      if event.status == "delivered" and event.at >= since and event.latency_ms is not None)

    def oldest_waiting(self, now):
        """The age in milliseconds of the oldest event that is still to be tried again; None without one."""
        ages = [now - event.at + (event.latency_ms or 0) for event in self.events.values()
                if event.status in ("queued", "waiting")]
        return max(ages, default=None)

    def rejected(self, since):
        """The reasons of events that were rejected since then, with how many, the most first."""
        return Counter(event.reason or "" for event in self.events.values()
                       if event.status == "rejected" and event.at >= since).most_common()


def percentile(rising, part):
    """The value below which `part` of the rising values are; None without any."""
    return rising[min(len(rising) - 1, int(len(rising) * part))] if rising else None


def user_digits(user):
    """What the log has of an id: its digits as they are, or the first of its SHA-256."""
    return {user.lower(), hashlib.sha256(user.encode()).hexdigest()[:16]}


def listed(value):
    """A field that the function writes as the text of a list."""
    if isinstance(value, list):
        return value
    try:
        parsed = json.loads(value or "[]")
    except (ValueError, TypeError):
        return [value]
    return parsed if isinstance(parsed, list) else [value]
