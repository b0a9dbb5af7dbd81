"""What the function logs while `make run` is up: each line into a file, each event's also on the terminal."""

import json
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from environment import LOGS
from printable import printable

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
    """The lines logged since then (Unix milliseconds) that were not seen before."""
    lines = {(event["timestamp"], event["message"]): event for event in stack.log_events(since)}
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
    # Type, messageId and reason can be whatever a sender sent.
    return printable(": ".join([text, "; ".join(filter(None, details))]) if any(details) else text)
