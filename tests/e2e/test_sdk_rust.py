"""The Rust crate `segment`, set up as docs/sources.md says. It tries once, and its owner has to send again."""

import pytest

from application import Application
from calls import contact, events_of
from refusals import PADDING, nowhere_to_put_events, without_write_keys
from story import CALLS, assert_told, at
from tools import RUST_APPLICATION

# Fields that the crate's types don't go without.
ALWAYS_THERE = {
    "identify": {"traits": {}}, "group": {"traits": {}}, "alias": {},
    "track": {"properties": {}}, "page": {"properties": {}}, "screen": {"properties": {}},
}
AT_ONCE = pytest.mark.parametrize("batch", [False, True], ids=["one by one", "in one batch"])


@pytest.fixture
def send(stack):
    """Has an application with the crate make these calls; gives the statuses of the answers."""
    def send(calls, batch, **settings):
        settings = {"write_key": stack.write_key, "host": stack.endpoint, "batch": batch, **settings}
        with Application(stack, [str(RUST_APPLICATION)], settings) as application:
            for call in calls:
                application.do({**ALWAYS_THERE[call["type"]], "timestamp": None, **call})
            application.end()
        return application.statuses()

    return send


def identify(user, **traits):
    return {"type": "identify", "userId": user, "traits": traits}


def track(user, event, **properties):
    return {"type": "track", "userId": user, "event": event, "properties": properties}


@AT_ONCE
def test_every_kind_of_call(stack, send, batch):
    assert send(CALLS, batch) == [200] * (1 if batch else len(CALLS))
    assert_told(stack)


@AT_ONCE
def test_a_wrong_write_key_is_told(stack, send, batch):
    assert send([identify("u-1")], batch, write_key="wrong") == [401]
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


def test_an_event_too_large_is_told(stack, send):
    assert send([track("u-1", "Large", text="x" * 33 * 1024)], batch=False) == [400]
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


@AT_ONCE
def test_what_is_sent_again_after_a_503_is_not_there_twice(stack, send, batch):
    calls = [
        {**identify("u-1", plan="paid"), **at(0)},
        {**track("u-1", "First", text=PADDING), **at(1)},
        {**track("u-1", "Second", text=PADDING), **at(2)},
    ]
    with nowhere_to_put_events(stack):
        assert send(calls, batch) == ([503] if batch else [200, 503, 503])
        assert contact(stack, "u-1"), "what comes before the refused event is delivered"
    assert set(send(calls, batch)) == {200}
    assert stack.settle(30)
    assert contact(stack, "u-1")["custom_attributes"] == {"plan": "paid"}
    assert events_of(stack, "u-1") == ["First", "Second"]
    assert stack.dead_letter_count() == 0


@AT_ONCE
def test_nothing_is_taken_before_the_secret_is_filled(stack, send, batch):
    with without_write_keys(stack):
        assert set(send(CALLS, batch)) == {503}
        assert stack.simulator.requests() == []
    assert set(send(CALLS, batch)) == {200}
    assert_told(stack)
