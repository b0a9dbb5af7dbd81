"""Segment's SDK for Node.js, @segment/analytics-node, set up as docs/sources.md says."""

from urllib.parse import urlsplit

import pytest

from application import NODE_MODULES, SDKS, Application
from calls import contact, events_of
from refusals import PADDING, nowhere_to_put_events, without_write_keys
from story import CALLS, assert_told, identify, in_one_object, track
from tools import why_no_javascript


@pytest.fixture
def start(stack):
    """Starts an application with the SDK."""
    if reason := why_no_javascript():
        pytest.skip(reason)
    endpoint = urlsplit(stack.endpoint)

    def start(**settings):
        return Application(stack, ["node", SDKS / "javascript" / "node.cjs"], {
            "writeKey": stack.write_key,
            "host": f"{endpoint.scheme}://{endpoint.netloc}",
            "path": f"{endpoint.path}/v1/batch",
            **settings,
        }, NODE_MODULES)

    return start


@pytest.mark.parametrize("flush_at", [1, 15], ids=["one by one", "in one batch"])
def test_every_kind_of_call(stack, start, flush_at):
    with start(flushAt=flush_at) as application:
        for call in CALLS:
            application.do(*in_one_object(call))
            if flush_at == 1:
                application.do("flush")
        application.end()
    assert application.statuses() == [200] * (len(CALLS) if flush_at == 1 else 1)
    assert application.printed("gave_up") == []
    assert_told(stack)


def test_a_wrong_write_key_is_not_tried_again(stack, start):
    with start(writeKey="wrong") as application:
        application.do(*identify("u-1"))
        application.do(*track("u-1", "Signed Up"))
        application.end()
    assert application.statuses() == [401]
    assert len(application.printed("gave_up")) == 2
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


def test_a_request_too_large_is_not_tried_again(stack, start):
    """The SDK counts 480 KB to a batch, but wrongly: it takes these for a few bytes."""
    with start(flushAt=20) as application:
        for number in range(20):
            application.do(*track("u-1", f"Large {number}", text="x" * 30 * 1024))
        application.end()
    assert application.statuses() == [400]
    assert len(application.printed("gave_up")) == 20
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


def test_an_event_too_large_does_not_take_its_batch_with_it(stack, start):
    with start() as application:
        application.do(*identify("u-1"))
        application.do(*track("u-1", "Large", text="x" * 33 * 1024))
        application.do(*track("u-1", "Small"))
        application.end()
    assert application.statuses() == [200]
    assert events_of(stack, "u-1") == ["Small"]
    (letter,) = stack.dead_letters()
    assert letter["body"]["event"]["event"] == "Large"
    assert "32 KB" in letter["attributes"]["reason"]


def test_after_a_503_nothing_is_lost_and_nothing_is_there_twice(stack, start):
    with start() as application:
        with nowhere_to_put_events(stack):
            application.do(*identify("u-1", plan="paid"))
            application.do(*track("u-1", "First", text=PADDING))
            application.do(*track("u-1", "Second", text=PADDING))
            application.do("flush")
            application.wait_for(application.statuses, "an answer")
            assert contact(stack, "u-1"), "what comes before the refused event is delivered"
        application.end()
    *refused, taken = application.statuses()
    assert taken == 200
    assert refused and set(refused) == {503}
    assert application.printed("retry_after") == ["10"] * len(refused)
    assert application.printed("gave_up") == []
    assert stack.settle(30)
    assert contact(stack, "u-1")["custom_attributes"] == {"plan": "paid"}
    assert events_of(stack, "u-1") == ["First", "Second"]
    assert stack.dead_letter_count() == 0


def test_nothing_is_lost_before_the_secret_is_filled(stack, start):
    with start() as application:
        with without_write_keys(stack):
            for call in CALLS:
                application.do(*in_one_object(call))
            application.do("flush")
            application.wait_for(application.statuses, "an answer")
            assert stack.simulator.requests() == []
        application.end()
    first, *_, last = application.statuses()
    assert (first, last) == (503, 200)
    assert application.printed("gave_up") == []
    assert_told(stack)
