"""An application with RudderStack's SDK for Python: `python rudderstack_app.py SETTINGS`. It makes the calls that it
reads, and prints as app.py does."""

import json
import sys
from datetime import datetime
from itertools import chain

from rudderstack.analytics import request
from rudderstack.analytics.client import Client

NAMES = {"anonymousId": "anonymous_id", "userId": "user_id", "groupId": "group_id", "previousId": "previous_id"}


def show(**line):
    print(json.dumps(line), flush=True)


def show_given_up(error, batch):
    for _event in batch:
        show(gave_up=str(error))


def as_the_sdk_takes_it(call):
    """The call under the SDK's names, and its time as a date."""
    call = {NAMES.get(name, name): value for name, value in call.items()}
    if "timestamp" in call:
        call["timestamp"] = datetime.fromisoformat(call["timestamp"].replace("Z", "+00:00"))
    return call


def main():
    request._session.hooks["response"].append(lambda answer, **_: show(status=answer.status_code))
    # What is there at once is to go into one batch: the SDK's half second begins with the client.
    first = sys.stdin.readline()
    client = Client(**json.loads(sys.argv[1]), on_error=show_given_up)
    for line in chain([first], sys.stdin):
        method, call = json.loads(line)
        getattr(client, method)(**as_the_sdk_takes_it(call))
    client.shutdown()


main()
