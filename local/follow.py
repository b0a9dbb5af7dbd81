"""What the function logs while `make run` is up: each line into a file, each event's also on the terminal."""

import json
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from stack import LOGS

FUNCTION_LOG = LOGS / "function.log"
EVENT_LINES = ("event", "queued event")


def follow(stack):
    """Writes the log from now on to FUNCTION_LOG as long as this process lives, and prints what becomes of each
    event."""
    FUNCTION_LOG.write_text("")
    threading.Thread(target=write, args=(stack, int(time.time() * 1000)), daemon=True).start()


def write(stack, since):
    seen = set()
    while True:
        try:
            events = new_events(stack, seen, since)
        except (BotoCoreError, ClientError):  # the stack is going down
            return
        with FUNCTION_LOG.open("a") as file:
            for event in events:
                file.write(event["message"].rstrip("\n") + "\n")
                if text := told(event["message"]):
                    print(text, flush=True)
        since = max([since, *(event["timestamp"] for event in events)])
        time.sleep(0.5)


def new_events(stack, seen, since):
    """Those of this moment (milliseconds) or later that were not seen before. The emulator gives at most 10,000."""
    pages = stack.aws("logs").get_paginator("filter_log_events").paginate(
        logGroupName=stack.outputs["LogGroupName"], startTime=since)
    # The emulator gives its lines no ids.
    lines = {(event["timestamp"], event["message"]): event for page in pages for event in page["events"]}
    events = [event for key, event in lines.items() if key not in seen]
    seen.update(lines)
    return events


def told(line):
    """A line of the log as `track m-1 → waiting: …`; None when it is no event's."""
    try:
        fields = json.loads(line)["fields"]
    except (ValueError, KeyError, TypeError):
        return None
    if fields.get("message") not in EVENT_LINES:
        return None
    text = f"{fields.get('kind', '?')} {fields.get('message_id', '')} → {fields['status']}"
    details = [fields.get("reason"), fields.get("waits")]
    return ": ".join([text, "; ".join(filter(None, details))]) if any(details) else text
