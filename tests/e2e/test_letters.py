"""What an operator's tool does with dead letters, on a model of SQS (sqs_model.py)."""

import io
import json
import random
import threading
from datetime import datetime, timedelta, timezone

import pytest

import letter_queues
from letter_queues import LetterQueues
from letters import Selection, by_reason, group_of
from printable import printable
from sqs_model import Sqs

RETRY, DEAD, MOVED, FAILED = "retry.fifo", "dead", "moved.fifo", "failed"
OUTPUTS = {"RetryQueueUrl": RETRY, "DeadLetterQueueUrl": DEAD, "MovedBySqsQueueUrl": MOVED,
           "FailedInvocationQueueUrl": FAILED, "FunctionName": "function"}
BEGINNING = datetime(2026, 11, 20, tzinfo=timezone.utc)


class Function:
    """A stand-in for a boto3 client of Lambda: the function, which rejects unknown types."""

    def __init__(self):
        self.asked = []

    def invoke(self, FunctionName, Payload):
        assert FunctionName == "function"
        payload = json.loads(Payload)
        self.asked.append(payload)
        results = [{"status": "would_reject", "reason": "unknown type"} if event["type"] == "teleport"
                   else {"status": "would_deliver"} for event in payload["preview"]]
        return {"Payload": io.BytesIO(json.dumps({"results": results}).encode())}


@pytest.fixture
def sqs(monkeypatch):
    sqs = Sqs(RETRY, DEAD, MOVED, FAILED)
    monkeypatch.setattr(letter_queues.time, "time", lambda: sqs.now)
    monkeypatch.setattr(letter_queues, "PATIENCE_SECONDS", 0.2)
    return sqs


def operator(sqs):
    queues = LetterQueues(sqs, Function(), OUTPUTS)
    queues.pause = lambda _seconds: None
    return queues


def strings(**attributes):
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def put_letter(sqs, number, user, reason="Intercom: plan must be a string", queue=DEAD, kind="track", **attributes):
    event = {"type": kind, "userId": user, "messageId": f"m-{number}", "event": "Clicked"}
    body = {"v": 1, "source": "api", "receivedAt": (BEGINNING + timedelta(seconds=number)).isoformat(), "event": event}
    sqs.put(queue, json.dumps(body), strings(reason=reason, status="422", **attributes),
            group=user if queue.endswith(".fifo") else None)


def put_letters(sqs, count, users):
    """Letters of so many users, as SQS hands them out: in no order."""
    for number in random.Random(count).sample(range(count), count):
        put_letter(sqs, number, f"u-{number % users}")


def event_of(message):
    return json.loads(message["Body"])["event"]


def ids(sqs, url):
    return [event_of(message)["messageId"] for message in sqs.messages(url)]


def assert_in_order(sqs):
    """Each user's letters are in the retry queue in the order in which their events came in."""
    of_user = {}
    for message in sqs.messages(RETRY):
        of_user.setdefault(message["group"], []).append(int(event_of(message)["messageId"].removeprefix("m-")))
    for user, numbers in of_user.items():
        assert numbers == sorted(numbers), user


def test_a_hundred_thousand_letters_are_counted_and_retried_in_each_users_order(sqs):
    put_letters(sqs, 100_000, users=700)
    with operator(sqs).hold(per_second=20_000) as held:
        (group,) = by_reason(held.letters)
        assert (len(held.letters), group.letters, held.out_of_reach) == (100_000, 100_000, 0)
        done = held.retry(held.letters, per_second=20_000)
    assert (done.retried, done.staying) == (100_000, [])
    assert not sqs.messages(DEAD)
    assert len(set(ids(sqs, RETRY))) == len(sqs.messages(RETRY)) == 100_000
    assert_in_order(sqs)


def test_looking_changes_nothing_and_gives_all_back(sqs):
    put_letters(sqs, 95, users=3)
    put_letter(sqs, 200, "u-1", queue=MOVED)
    before = [(message["Body"], message["MessageAttributes"]) for url in (DEAD, MOVED) for message in sqs.messages(url)]
    queues = operator(sqs)
    with queues.hold(Selection(user="u-1")) as held:
        assert len(held.letters) == 32 + 1
        assert [letter.received_at for letter in held.letters] == sorted(letter.received_at for letter in held.letters)
        assert not sqs.visible(DEAD)
        assert held.would_stay(held.letters) == []
    after = [(message["Body"], message["MessageAttributes"]) for url in (DEAD, MOVED) for message in sqs.messages(url)]
    assert sorted(map(str, before)) == sorted(map(str, after))
    assert len(sqs.visible(DEAD)) == 95 and not sqs.messages(RETRY)


def test_two_operators_at_once_lose_nothing_and_retry_nothing_twice(sqs):
    put_letters(sqs, 5_000, users=50)
    failures = []

    def work(what):
        try:
            for _ in range(3):
                with operator(sqs).hold(per_second=1000) as held:
                    getattr(held, what)(held.letters)
        except Exception as error:
            failures.append(error)

    dropped = set(range(0, 5_000, 2))
    operators = [threading.Thread(target=work, args=("retry",)) for _ in range(2)]
    for each in operators:
        each.start()
    for each in operators:
        each.join()
    assert not failures and dropped
    found = ids(sqs, RETRY) + ids(sqs, DEAD)
    assert sorted(found) == sorted(f"m-{number}" for number in range(5_000))


@pytest.mark.parametrize("what", ["retry", "drop"])
def test_a_ctrl_c_at_any_call_loses_nothing(sqs, what):
    for after in range(0, 70, 3):
        sqs.queues = {url: type(queue)() for url, queue in sqs.queues.items()}
        put_letters(sqs, 100, users=5)
        queues = operator(sqs)
        left, deleted = iter(range(after)), []

        def before(name, queues=queues, left=left):
            if next(left, None) is None:
                queues.stop()

        sqs.before = before
        with queues.hold(per_second=10) as held:
            # No call for what is stopped is under way here.
            deleted = getattr(held, what)(held.letters, **({"per_second": 10} if what == "retry" else {}))
        sqs.before = lambda _name: None
        assert len(sqs.visible(DEAD)) == len(sqs.messages(DEAD)), "all was given back"
        if what == "retry":
            assert sorted(ids(sqs, RETRY) + ids(sqs, DEAD)) == sorted(f"m-{number}" for number in range(100))
            assert_in_order(sqs)
        else:
            assert len(sqs.messages(DEAD)) == 100 - deleted.dropped


@pytest.mark.parametrize("seed", range(20))
def test_whatever_sqs_refuses_nothing_is_lost_or_out_of_order(sqs, seed, monkeypatch):
    monkeypatch.setattr(letter_queues.time, "sleep", lambda _seconds: None)
    sqs._random.seed(seed)
    put_letters(sqs, 300, users=7)
    sqs.refusing, sqs.failing = 0.3, 0.01
    try:
        with operator(sqs).hold(per_second=50) as held:
            held.retry(held.letters, per_second=50)
    except ConnectionError:
        pass
    in_retry = ids(sqs, RETRY)
    # What was sent and not deleted is there twice.
    assert set(in_retry) | set(ids(sqs, DEAD)) == {f"m-{number}" for number in range(300)}
    assert len(set(in_retry)) == len(in_retry)
    assert_in_order(sqs)


def test_what_would_be_rejected_again_stays(sqs):
    put_letter(sqs, 1, "u-1")
    put_letter(sqs, 2, "u-1", kind="teleport", reason='unknown type "teleport"')
    sqs.put(DEAD, "not ours", strings(reason="the message is not ours"))
    queues = operator(sqs)
    with queues.hold() as held:
        staying = {letter.message_ids: why for letter, why in held.would_stay(held.letters)}
    assert staying.keys() == {("m-2",), ()}
    assert staying["m-2",] == "unknown type" and "not ours" in staying[()]
    (asked,) = queues.lambda_.asked
    assert asked["source"] == "api" and len(asked["preview"]) == 2


def test_a_letter_goes_back_as_it_came_with_its_sender(sqs):
    body = ('{"v":1,"source":"api","receivedAt":"2026-11-20T10:00:00Z",'
            '"event":{"type":"track","userId":"u","n":1.50,"big":12345678901234567890.25}}')
    sqs.put(DEAD, body, strings(reason="x", status="422", channel="public", userHash="verified"))
    with operator(sqs).hold() as held:
        held.retry(held.letters)
    (message,) = sqs.messages(RETRY)
    assert message["Body"] == body
    assert message["MessageAttributes"] == strings(channel="public", userHash="verified")


def test_events_that_share_a_letter_become_messages_of_their_users(sqs):
    events = [{"type": "track", "userId": user, "messageId": f"m-{place}"} for place, user in enumerate("abab")]
    body = {"v": 1, "source": "api", "receivedAt": "2026-11-20T10:00:00Z", "events": events}
    sqs.put(DEAD, json.dumps(body), strings(reason="the same for all"))
    with operator(sqs).hold() as held:
        (group,) = by_reason(held.letters)
        assert (group.letters, group.events) == (1, 4)
        assert held.retry(held.letters).retried == 1
    assert not sqs.messages(DEAD)
    assert sorted(ids(sqs, RETRY)) == ["m-0", "m-1", "m-2", "m-3"]
    assert_in_order(sqs)


def test_an_edited_letter_is_retried_as_it_was_edited(sqs):
    put_letter(sqs, 1, "u-1", channel="public")
    with operator(sqs).hold(Selection(ids=frozenset({"m-1"}))) as held:
        (letter,) = held.letters
        (event,) = held.events(letter)
        held.retry([letter], edited={letter.id: [{**event, "userId": "u-2"}]})
    (message,) = sqs.messages(RETRY)
    assert event_of(message)["userId"] == "u-2" and not sqs.messages(DEAD)
    assert json.loads(message["Body"])["receivedAt"] == "2026-11-20T00:00:01Z"
    assert message["MessageAttributes"] == strings(channel="public")


def test_what_sqs_moved_is_shown_and_retried_however_many_one_user_has(sqs):
    for number in range(35):
        put_letter(sqs, number, "u-1", queue=MOVED)
    sqs.put(MOVED, json.dumps({"v": 1, "source": "api", "receivedAt": "2026-11-20T10:00:00Z",
                               "event": {"type": "track", "userId": "u-2", "messageId": "m-99"}}), group="u-2")
    queues = operator(sqs)
    with queues.hold() as held:
        assert held.out_of_reach == 25
        (moved,) = (letter for letter in held.letters if letter.users == ("u-2",))
        assert moved.code == "moved_by_sqs" and "1,000 receives" in moved.reason
    sqs.now += 100
    assert queues.gather() == 36
    assert not sqs.messages(MOVED)
    with queues.hold() as held:
        assert {letter.code for letter in held.letters} == {None, "moved_by_sqs"}
        assert held.retry(held.letters).retried == 36
    assert_in_order(sqs)


def test_what_aws_could_not_hand_over_is_retried_as_its_events(sqs):
    def event(name):
        return {"type": "track", "userId": "u-1", "messageId": name}

    bridge = {"detail-type": "track", "detail": event("m-1"), "time": "2026-11-20T10:00:00Z"}
    sqs.put(FAILED, json.dumps({
        "requestContext": {"requestId": "r-1"}, "requestPayload": bridge,
        "responsePayload": {"errorType": "NotConfigured", "errorMessage": "no access_token"}}))
    sqs.put(FAILED, json.dumps({**bridge, "detail": event("m-0"), "time": "2026-11-20T09:00:00Z"}), strings(
        ERROR_CODE="THROTTLING", ERROR_MESSAGE="Rate exceeded"))
    sqs.put(FAILED, json.dumps({"requestPayload": [event("m-2"), event("m-3")]}))
    with operator(sqs).hold(failed_invocations=True) as held:
        assert [letter.code for letter in held.letters] == ["THROTTLING", "NotConfigured", None]
        assert {letter.reason for letter in held.letters} == {"no access_token", "Rate exceeded", "AWS names no reason"}
        assert held.retry(held.letters).retried == 3
    bodies = {json.loads(message["Body"])["event"]["messageId"]: json.loads(message["Body"])
              for message in sqs.messages(RETRY)}
    assert {name: body["source"] for name, body in bodies.items()} == {
        "m-0": "eventbridge", "m-1": "eventbridge", "m-2": "direct", "m-3": "direct"}
    assert bodies["m-1"]["receivedAt"] == "2026-11-20T10:00:00Z"
    assert not sqs.messages(FAILED)


def test_a_letter_that_was_held_too_long_is_left_alone(sqs):
    put_letter(sqs, 1, "u-1")
    with operator(sqs).hold() as held:
        sqs.now += 3600
        done = held.retry(held.letters)
        done.staying += held.drop(held.letters).staying
    assert (done.retried, len(done.staying)) == (0, 2)
    assert len(sqs.messages(DEAD)) == 1 and not sqs.messages(RETRY)


def test_made_up_types_hide_no_reason(sqs):
    for number in range(240):
        put_letter(sqs, number, "u-1", kind=f"made-up-{number}", reason=f'unknown type "made-up-{number}": send …')
    put_letter(sqs, 240, "u-2")
    with operator(sqs).hold() as held:
        groups = by_reason(held.letters)
    assert [(group.letters, group.kind) for group in groups] == [(240, "unknown"), (1, "track")]


def test_what_would_move_a_terminals_cursor_is_an_escape():
    assert printable("plan é 日本 ✓") == "plan é 日本 ✓"
    assert printable("a\x1b[2Jb\r\n\x9b\u202e\u2028\ud83d\U000e0001") == (
        "a\\u001b[2Jb\\u000d\\u000a\\u009b\\u202e\\u2028\\ud83d\\udb40\\udc01")
    assert printable("x" * 10, 3) == "xxx…"


def test_the_group_of_an_event_without_a_user_is_its_own(sqs):
    put_letter(sqs, 1, None)
    with operator(sqs).hold() as held:
        (letter,) = held.letters
        assert group_of(letter, {"messageId": "m-1"}) != group_of(letter, {"messageId": "m-2"})
