"""Segment's SDK for Python, segment-analytics-python, set up as docs/sources.md says: the last version that sends its
write key in the body alone, and the first that sends it in a header."""

import pytest

from application import python_application
from calls import contact, events_of
from refusals import PADDING, nowhere_to_put_events, without_write_keys
from story import CALLS, assert_told, identify, in_one_object, tell, track
from tools import PYTHON_SDKS


@pytest.fixture(params=PYTHON_SDKS)
def start(stack, request):
    """Starts an application with the SDK, which sends what it is given within half a second at once."""
    def start(**settings):
        return python_application(stack, f"python-sdk-{request.param}", "segment.analytics", settings)

    return start


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("upload_size", [1, 100], ids=["one by one", "in a batch"])
def test_every_kind_of_call(stack, start, gzip, upload_size):
    with start(gzip=gzip, upload_size=upload_size) as application:
        tell(application)
    assert_told(stack)


def test_a_wrong_write_key_is_not_tried_again(stack, start):
    with start(write_key="wrong") as application:
        application.do(*identify("u-1"))
        application.end()
    assert application.statuses() == [401]
    assert application.printed("gave_up") == ["[Segment] unauthorized: the write key is missing or wrong: send one of "
                                              "the secret's write_keys (401)"]
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


def test_what_is_not_json_is_not_tried_again(stack, start):
    """Python's json writes a float that is no number as NaN, which JSON doesn't know."""
    with start() as application:
        application.do(*track("u-1", "Measured", score=float("nan")))
        application.end()
    assert application.statuses() == [400]
    (reason,) = application.printed("gave_up")
    assert "invalid_json" in reason
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


def test_after_a_503_nothing_is_lost_and_nothing_is_there_twice(stack, start):
    with start() as application:
        with nowhere_to_put_events(stack):
            application.do(*identify("u-1", plan="paid"))
            application.do(*track("u-1", "First", text=PADDING))
            application.do(*track("u-1", "Second", text=PADDING))
            application.wait_for(lambda: 503 in application.statuses(), "a refusal")
            assert contact(stack, "u-1"), "what comes before the refused event is delivered"
        application.end()
    *earlier, last = application.statuses()
    assert 503 in earlier and last == 200
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
            application.wait_for(application.statuses, "an answer")
            assert stack.simulator.requests() == []
        application.end()
    first, *_, last = application.statuses()
    assert (first, last) == (503, 200)
    assert application.printed("gave_up") == []
    assert_told(stack)
