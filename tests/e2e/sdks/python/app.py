"""An application with an SDK for Python, Segment's or RudderStack's, which came of it: `python app.py PACKAGE
SETTINGS`. Makes the calls that it reads, one JSON array a line such as ["track", {…}], and prints a line of JSON per
answer and per event that the SDK gives up."""

import json
import sys
from datetime import datetime
from importlib import import_module
from itertools import chain


def show(**line):
    print(json.dumps(line), flush=True)


def show_given_up(error, batch):
    for _event in batch:
        show(gave_up=str(error))


def as_the_sdk_takes_them(fields):
    """The fields under the SDK's names, and their dates, which JSON doesn't have, as dates."""
    names = {"anonymousId": "anonymous_id", "userId": "user_id", "groupId": "group_id", "previousId": "previous_id"}
    return {
        names.get(name, name): date(value) if name == "timestamp" or name.lower().endswith("at") else value
        for name, value in fields.items()
    }


def date(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def main():
    package, settings = sys.argv[1:]
    request, client = (import_module(f"{package}.{name}") for name in ("request", "client"))
    # The SDK tells nobody of an answer of 200; its HTTP library does.
    request._session.hooks["response"].append(lambda answer, **_: show(status=answer.status_code))
    # What is there at once is to go into one batch: the SDK's half second begins with the client.
    first = sys.stdin.readline()
    client = client.Client(**json.loads(settings), on_error=show_given_up)
    for line in chain([first], sys.stdin):
        method, fields = json.loads(line, object_hook=as_the_sdk_takes_them)
        getattr(client, method)(**fields)
    client.shutdown()


main()
