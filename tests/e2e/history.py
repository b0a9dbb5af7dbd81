"""A made-up archive, in the layouts of Segment and RudderStack, with faults of every kind in it."""

import gzip
import json
import random
from datetime import datetime, timedelta, timezone

FIRST_DAY = datetime(2026, 1, 5, tzinfo=timezone.utc)
PLANS = ("free", "team", "business")
EVENTS = ("Signed Up", "Report Opened", "Invited A Colleague", "Order Completed")
BROKEN = ('{"type":"track","userId":"cut', "not json", '{"no":"type"}', "[1,2]")


def write(folder, users, events_per_user, seed=1, ids="m"):
    """Writes `events_per_user` events for each of `users` below `folder`; gives how many lines are broken.

    The first event of each user identifies them. The same with other `ids` is the same history under other messageIds,
    for a function that still remembers the first.
    """
    chance = random.Random(seed)
    lines, broken = {}, 0
    for number in range(users):
        user = f"user-{number}"
        at = FIRST_DAY + timedelta(seconds=chance.randrange(86_400 * 3))
        for place in range(events_per_user):
            at += timedelta(seconds=chance.randrange(1, 3600))
            event = one(chance, f"{ids}-{user}-{place}", user, place, at)
            lines.setdefault(at.date(), []).append((at, json.dumps(event)))
    for of_day in lines.values():
        of_day.sort(key=lambda line: line[0] + timedelta(seconds=chance.randrange(-30, 30)))
        for _ in range(max(1, len(of_day) // 500)):
            of_day.insert(chance.randrange(len(of_day)), (None, chance.choice(BROKEN)))
            broken += 1
    for place, (day, of_day) in enumerate(sorted(lines.items())):
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp() * 1000)
        segment, rudder = f"segment-logs/source/{midnight}/1.gz", f"rudder-logs/source/{day:%m-%d-%Y}/1.json.gz"
        path = folder / (segment if place % 2 else rudder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt") as file:
            file.writelines(f"{line}\n" for _, line in of_day)
    return broken


def one(chance, message_id, user, place, at):
    """A user's event number `place`."""
    time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {
        "messageId": message_id, "userId": user, "anonymousId": f"visitor-{user}", "receivedAt": time,
        "sentAt": time, "originalTimestamp": time, "timestamp": time, "context": {"library": {"name": "analytics.js"}},
        "integrations": {"All": False, "Amazon S3": True}}
    if place == 0:
        return {**event, "type": "identify", "traits": {"email": f"{user}@example.com", "plan": "free", "seen": 0}}
    kind = chance.choices(("track", "identify", "group", "page"), (6, 2, 1, 1))[0]
    if kind == "identify":
        return {**event, "type": kind, "traits": {"plan": chance.choice(PLANS), "seen": place}}
    if kind == "group":
        company = chance.randrange(20)
        return {**event, "type": kind, "groupId": f"company-{company}", "traits": {"name": f"Company {company}"}}
    if kind == "page":
        return {**event, "type": kind, "name": "Home", "properties": {}}
    name = chance.choice(EVENTS)
    return {**event, "type": kind, "event": name, "properties": {"revenue": 19.99} if name == "Order Completed" else {}}
