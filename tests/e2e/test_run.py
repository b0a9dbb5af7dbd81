"""What `make run` takes and prints beyond the stack itself."""

import json
import time

import pytest

import settings
from calls import call
from follow import new_events, told
from tools import Failure


def test_every_setting_is_a_variable(monkeypatch):
    given = {"NESTED": "flatten", "RETRY_HOURS": "5", "EVENT_FILTER": "Order *,Sign*", "UNRELATED": "x"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    parameters = settings.from_environment()
    assert parameters.items() >= {"Nested": "flatten", "RetryHours": "5", "EventFilter": "Order *,Sign*"}.items()
    assert not {"x", None} & set(parameters.values())


@pytest.mark.parametrize(("name", "value", "allowed"), [
    ("NESTED", "flat", "drop or flatten or stringify"),
    ("RETRY_HOURS", "0", "a whole number from 1 to 312"),
    ("RETRY_HOURS", "soon", "a whole number from 1 to 312"),
    ("INTERCOM_VERSION", "1.0", "2.13 or newer"),
])
def test_a_wrong_setting_is_refused_with_what_is_allowed(monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)
    with pytest.raises(Failure, match=f"^{name}={value} is not allowed: use {allowed}"):
        settings.from_environment()


def test_each_event_is_told_once(stack):
    seen, since = set(), int(time.time() * 1000)
    identify, ghost = call("identify", "u-1"), call("track", "ghost", event="E")
    assert stack.send("/v1/batch", {"batch": [identify, ghost]}).status == 200
    texts = []

    def both():
        texts.extend(filter(None, (told(event["message"]) for event in new_events(stack, seen, since))))
        return len(texts) >= 2

    stack.wait_for(both, "two lines")
    assert texts.count(f"identify {identify['messageId']} → delivered") == 1, texts
    start = f"track {ghost['messageId']} → waiting: Intercom does not know the event's user"
    assert any(text.startswith(start) and "until 2" in text for text in texts), texts


def test_what_is_no_line_of_an_event_is_not_told():
    for line in ("START", "[]", json.dumps({"fields": {"message": "invocation"}})):
        assert told(line) is None
