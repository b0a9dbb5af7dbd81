"""Sending: order, holding, resuming, and giving way."""

import json
import threading
import time

import pytest
from connection import Failure, NotTaken, Throttled, TooLarge
from ledger import SENT, TO_SEND, Ledger
from sending import LANES, LEAST_LEVEL, Pace, Sending


class StandIn:
    """The function and its retry queue, as far as sending sees them."""

    queues_in_order = False

    def __init__(self, answer=lambda events: "delivered"):
        self.function = {"Timeout": 0}
        self.answer = answer
        self.arrays = []
        self.depth = 0
        self.on = []
        self._lock = threading.Lock()

    def invoke(self, payload):
        events = json.loads(payload)
        with self._lock:
            self.arrays.append(events)
            results = self.answer(events)
        if isinstance(results, str):
            results = [results] * len(events)
        return {"results": [{"status": status} for status in results]}

    def retry_queue_depth(self):
        return self.depth

    def alarms(self):
        return self.on

    def sent(self, user):
        """The numbers of a user's events in the order in which they were sent."""
        return [event["number"] for array in self.arrays for event in array if event["userId"] == user]


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    opened.fill((float(number), f"u:{number % 20}", "track",
                 json.dumps({"userId": str(number % 20), "number": number})) for number in range(2000))
    opened.set_lanes(LANES)
    yield opened
    opened.close()


def sending(ledger, connection):
    return Sending(ledger, connection, 1e9, lambda *_: None, lambda _: None, patience=0.01)


def send(ledger, connection):
    sending(ledger, connection).run()


def test_each_users_events_are_sent_once_and_in_order(ledger):
    function = StandIn()
    send(ledger, function)
    for user in range(20):
        assert function.sent(str(user)) == list(range(user, 2000, 20))
    assert ledger.by_status(SENT) == {"delivered": 2000}


def test_a_user_with_a_queued_event_waits_until_the_queue_is_empty(ledger, monkeypatch):
    monkeypatch.setattr("sending.ARRAY_EVENTS", 10)
    function = StandIn()

    def answer(events):
        results = ["delivered"] * len(events)
        for place, event in enumerate(events):
            if event["number"] == 7:
                function.depth = 1
                results[place] = "queued"
        # The queue is empty again once everybody else is done.
        if sum(map(len, function.arrays)) >= 1900:
            function.depth = 0
        return results

    function.answer = answer
    send(ledger, function)
    assert function.sent("7") == list(range(7, 2000, 20))
    users = [{event["userId"] for event in array} for array in function.arrays]
    first = next(place for place, of_array in enumerate(users) if "7" in of_array)
    assert sum("7" in of_array for of_array in users[first + 1:-10]) == 0
    assert ledger.count(TO_SEND) == 0


def test_a_lane_goes_on_when_its_users_are_let_go_just_as_it_found_them_held(ledger, monkeypatch):
    next_array = ledger.next_array

    def next_array_then_release(*arguments):
        items = next_array(*arguments)
        if not items and ledger.has_events(arguments[0]):
            ledger.release(time.time())
        return items

    monkeypatch.setattr(ledger, "next_array", next_array_then_release)
    monkeypatch.setattr("sending.ARRAY_EVENTS", 10)
    function = StandIn(lambda events: ["queued" if event["number"] == 7 else "delivered" for event in events])
    function.depth = 1  # the watch releases nobody
    send(ledger, function)
    assert function.sent("7") == list(range(7, 2000, 20))
    assert ledger.count(TO_SEND) == 0


def test_what_fails_is_sent_again_and_nothing_after_it_before(ledger):
    function, failed = StandIn(), []

    def answer(events):
        if len(failed) < 3:
            failed.append(events)
            raise (Throttled, NotTaken("the function timed out"), Throttled)[len(failed) - 1]
        return "delivered"

    function.answer = answer
    send(ledger, function)
    delivered = [event["number"] for array in function.arrays[3:] for event in array]
    for user in range(20):
        of_user = [number for number in delivered if number % 20 == user]
        assert of_user == list(range(user, 2000, 20))
    assert ledger.by_status(SENT) == {"delivered": 2000}


def test_what_is_too_large_is_sent_in_halves(ledger):
    function = StandIn()

    def answer(events):
        if len(events) > 10:
            raise TooLarge
        return "delivered"

    function.answer = answer
    send(ledger, function)
    assert ledger.by_status(SENT) == {"delivered": 2000}


def test_what_nobody_can_repair_ends_the_run_and_the_next_goes_on(ledger):
    function = StandIn()

    def answer(events):
        if len(function.arrays) == 5:
            raise Failure("AccessDenied")
        return "delivered"

    function.answer = answer
    with pytest.raises(Failure):
        send(ledger, function)
    done = ledger.count(SENT)
    assert ledger.count(TO_SEND) == 2000 - done > 0
    function.answer = lambda events: "delivered"
    function.arrays.clear()
    send(ledger, function)
    assert sum(map(len, function.arrays)) == 2000 - done


def test_an_alarm_pauses_it_until_it_is_over(ledger):
    function = StandIn()
    notices, looks = [], []

    def alarms():
        looks.append(len(function.arrays))
        return ["stack-RejectedAlarm"] if len(looks) <= 3 else []

    function.alarms = alarms
    Sending(ledger, function, 1e9, lambda *_: None, notices.append, patience=0.01).run()
    assert notices == ["paused while these alarms are on: stack-RejectedAlarm", "the alarms are over"]
    assert ledger.by_status(SENT) == {"delivered": 2000}


def test_the_pace_is_what_was_allowed_and_slows_down_and_recovers():
    now = [0.0]
    pace = Pace(10, clock=lambda: now[0])
    assert [pace.reserve(20), pace.reserve(10), pace.reserve(1)] == [0.0, 2.0, 3.0]
    for _ in range(20):
        pace.slow_down("the retry queue grows")
    assert pace.level == LEAST_LEVEL
    for _ in range(20):
        pace.speed_up()
    assert pace.level == 1.0
    assert pace.why is None
