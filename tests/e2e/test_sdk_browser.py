"""Segment's SDK for browsers, @segment/analytics-next, in Chromium on a page of another origin than the endpoint."""

import hmac
from urllib.parse import urlsplit

import pytest

from application import NODE_MODULES, SDKS, Application
from calls import contact, events_of
from refusals import PADDING, function_with, nowhere_to_put_events
from story import CALLS, VISITOR, assert_told
from tools import browser, why_no_javascript

NEWEST = "@segment/analytics-next"
# Sends its write key in the body alone, so that browsers don't ask beforehand.
OLD = "@segment/analytics-next-before-1.84"
BATCHES_OF_TWO = {"strategy": "batching", "config": {"size": 2}}
ONE_BATCH = {"strategy": "batching", "config": {"size": len(CALLS), "timeout": 24 * 60 * 60 * 1000}}
KEPT_ALIVE = {"strategy": "standard", "config": {"keepalive": True}}
EACH_SDK = pytest.mark.parametrize("sdk", [NEWEST, OLD], ids=["newest", "old"])


@pytest.fixture
def start(stack):
    """Starts a shop whose pages have the SDK, and a browser that has opened one."""
    if reason := why_no_javascript():
        pytest.skip(reason)
    if not browser():
        pytest.skip("Chromium is missing: install it (Debian: `apt install chromium`, which `make test` does as root)")
    endpoint = urlsplit(stack.endpoint)

    def start(sdk=NEWEST, delivery=None, write_key=stack.write_key):
        to_us = {"apiHost": f"{endpoint.netloc}{endpoint.path}/v1", "protocol": endpoint.scheme}
        if delivery:
            to_us["deliveryStrategy"] = delivery
        # As Segment has it for each of its sources. Ours must win.
        settings_of_source = {"Segment.io": {"apiKey": write_key, "apiHost": "api.segment.io/v1"}}
        application = Application(stack, ["node", SDKS / "javascript" / "browser.cjs"], {
            "executablePath": browser(),
            "sdk": sdk,
            "load": [
                {"writeKey": write_key, "cdnSettings": {"integrations": settings_of_source}},
                {"integrations": {"Segment.io": to_us}},
            ],
        }, NODE_MODULES)
        application.do("visit")
        return application

    return start


def as_made(call):
    """The SDK's call of a call: it knows who the user is."""
    kind, options = call["type"], {"timestamp": call["timestamp"]}
    if kind == "identify":
        return [kind, *([call["userId"]] if "userId" in call else []), call["traits"], options]
    if kind == "alias":
        return [kind, call["userId"]]
    if kind == "group":
        return [kind, call["groupId"], call["traits"], options]
    if kind == "track":
        return [kind, call["event"], call.get("properties", {}), options]
    return [kind, None, call["name"], {}, options]


def wait_for_answers(application, count):
    application.wait_for(lambda: len(application.statuses()) >= count, f"answer {count}")


def leave(application):
    """Leaves the shop; gives the events that the SDK keeps for the next visit."""
    times = len(application.printed("kept"))
    application.do("leave")
    return application.wait_for(lambda: application.printed("kept")[times:], "the shop left")[0]


@pytest.mark.parametrize(
    ("sdk", "delivery"), [(NEWEST, None), (NEWEST, ONE_BATCH), (OLD, None)], ids=["newest", "newest, batching", "old"])
def test_every_kind_of_call(stack, start, sdk, delivery):
    with start(sdk, delivery) as application:
        application.do("setAnonymousId", VISITOR)
        for number, call in enumerate(CALLS, 1):
            application.do(*as_made(call))
            if not delivery:
                wait_for_answers(application, number)
        wait_for_answers(application, 1)
        assert leave(application) == []
        application.end()
    routes = ["/v1/b"] if delivery else [f"/v1/{call['type'][0]}" for call in CALLS]
    assert application.printed("path") == routes
    assert set(application.statuses()) == {200}
    assert set(application.printed("preflight")) == (set(routes) if sdk == NEWEST else set())
    assert_told(stack)


@EACH_SDK
def test_calls_made_at_once(stack, start, sdk):
    """The SDK sends them side by side, so that an event can be there before its user."""
    with start(sdk) as application:
        application.do("identify", "u-1", {"plan": "paid"})
        application.do("track", "First")
        application.do("group", "acme")
        application.do("track", "Second")
        wait_for_answers(application, 4)
        application.end()
    assert application.statuses() == [200] * 4
    assert stack.settle(30)
    assert contact(stack, "u-1")["custom_attributes"] == {"plan": "paid"}
    assert contact(stack, "u-1")["companies"] == ["acme"]
    assert sorted(events_of(stack, "u-1")) == ["First", "Second"]
    assert stack.dead_letter_count() == 0


@EACH_SDK
def test_a_wrong_write_key_is_not_tried_again(stack, start, sdk):
    with start(sdk, write_key="wrong") as application:
        application.do("identify", "u-1")
        application.do("track", "Signed Up")
        wait_for_answers(application, 2)
        assert leave(application) == []
        application.end()
    assert application.statuses() == [401, 401]
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


@EACH_SDK
def test_an_event_too_large_is_not_tried_again(stack, start, sdk):
    with start(sdk) as application:
        application.do("identify", "u-1")
        wait_for_answers(application, 1)
        application.do("track", "Large", {"text": "x" * 33 * 1024})
        wait_for_answers(application, 2)
        application.do("track", "Small")
        wait_for_answers(application, 3)
        assert leave(application) == []
        application.end()
    assert application.statuses() == [200, 400, 200]
    assert events_of(stack, "u-1") == ["Small"]
    assert stack.waiting() == stack.dead_letter_count() == 0


@pytest.mark.parametrize(
    ("sdk", "delivery"), [(NEWEST, None), (NEWEST, BATCHES_OF_TWO), (OLD, None)],
    ids=["newest", "newest, batching", "old"])
def test_after_a_503_nothing_is_lost_and_nothing_is_there_twice(stack, start, sdk, delivery):
    with start(sdk, delivery) as application:
        application.do("identify", "u-1", {"plan": "paid"})
        if not delivery:
            wait_for_answers(application, 1)
        with nowhere_to_put_events(stack):
            application.do("track", "Signed Up", {"text": PADDING})
            application.wait_for(lambda: 503 in application.statuses(), "503")
            assert contact(stack, "u-1")
        application.wait_for(lambda: application.statuses()[-1] == 200, "200")
        assert leave(application) == []
        application.end()
    *refused, taken = application.statuses() if delivery else application.statuses()[1:]
    assert (set(refused), taken) == ({503}, 200)
    assert stack.settle(30)
    assert contact(stack, "u-1")["custom_attributes"] == {"plan": "paid"}
    assert events_of(stack, "u-1") == ["Signed Up"]
    assert stack.dead_letter_count() == 0


@EACH_SDK
def test_what_was_refused_when_the_visitor_left_comes_with_the_next_visit(stack, start, sdk):
    with start(sdk) as application:
        application.do("identify", "u-1")
        wait_for_answers(application, 1)
        with nowhere_to_put_events(stack):
            application.do("track", "Signed Up", {"text": PADDING})
            application.wait_for(lambda: 503 in application.statuses(), "503")
            assert [event["event"] for event in leave(application)] == ["Signed Up"]
        assert events_of(stack, "u-1") == []
        application.do("visit")
        application.wait_for(lambda: application.statuses()[-1] == 200, "200")
        assert leave(application) == []
        application.end()
    assert stack.settle(30)
    assert events_of(stack, "u-1") == ["Signed Up"]
    assert stack.dead_letter_count() == 0


@pytest.mark.parametrize(
    ("sdk", "delivery"), [(NEWEST, None), (NEWEST, KEPT_ALIVE), (NEWEST, ONE_BATCH), (OLD, None), (OLD, KEPT_ALIVE)],
    ids=["newest", "newest, keepalive", "newest, batching", "old", "old, keepalive"])
def test_what_the_visitor_does_last_arrives_once(stack, start, sdk, delivery):
    """Sent while the page goes, or kept by the SDK and sent with the next visit, or both."""
    with start(sdk, delivery) as application:
        application.do("identify", "u-1")
        application.do("track", "Bought")
        application.do("track", "Left")
        kept = leave(application)
        answered = len(application.statuses())
        application.do("visit")
        wait_for_answers(application, answered + len(kept))
        application.wait_for(lambda: len(events_of(stack, "u-1")) == 2, "both events")
        application.end()
    assert stack.settle(30)
    assert sorted(events_of(stack, "u-1")) == ["Bought", "Left"]
    assert stack.dead_letter_count() == 0


def test_who_is_required_to_prove_who_they_are_can(stack, start):
    proof = hmac.new(stack.secret["api_secret"].encode(), b"u-1", "sha256").hexdigest()
    with start() as application, function_with(stack, REQUIRE_USER_HASH="true"):
        for user in ("u-1", "u-2"):
            application.do("identify", user, {}, {"integrations": {"Intercom": {"user_hash": proof}}})
        wait_for_answers(application, 2)
        application.end()
    assert application.statuses() == [200, 200]
    assert [each["external_id"] for each in stack.simulator.state()["contacts"]] == ["u-1"]
    (letter,) = stack.dead_letters()
    assert letter["body"]["event"]["userId"] == "u-2"
    assert "user_hash" in letter["attributes"]["reason"]
