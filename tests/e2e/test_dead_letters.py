"""What could not be delivered, by the wrapper that a person types."""

import json
import os
import subprocess
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from calls import call, events_of
from environment import CREDENTIALS
from stack import STACK_NAME

WRAPPER = Path(__file__).resolve().parents[2] / "local" / "dead_letters.py"
USERS = [f"u-{number}" for number in range(10)]


@pytest.fixture
def dead_letters(stack):
    """Calls the wrapper as against AWS; gives its output."""
    def run(*words):
        environment = {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": stack.emulator_url}
        done = subprocess.run(
            [sys.executable, str(WRAPPER), "--stack", STACK_NAME, *words],
            capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def make_a_thousand(stack):
    """Ten users' events: in turn a red one, a blue one and one of a type that nobody knows for each of them."""
    stack.send("/v1/batch", {"batch": [call("identify", user) for user in USERS]})
    assert stack.settle(60)
    for start in range(0, 1000, 100):
        batch = [numbered_event(number) for number in range(start, start + 100)]
        assert stack.send("/v1/batch", {"batch": batch}).status == 200
    assert stack.settle(60)
    assert stack.dead_letter_count() == 1000


def numbered_event(number):
    colour = ("Red", "Blue", None)[number // len(USERS) % 3]
    event = call("track" if colour else "teleport", USERS[number % len(USERS)], event=colour or "None")
    # Two of one name within a second would be one to Intercom.
    at = datetime(2026, 11, 20, tzinfo=timezone.utc) + timedelta(seconds=number)
    return {**event, "properties": {"number": number}, "timestamp": at.isoformat()}


def test_of_a_thousand_dead_letters_one_reason_is_retried_and_the_others_stay(stack, dead_letters):
    def refuse(colour, status):
        stack.simulator.fail(
            kind="status", status=status, code="parameter_invalid", match={"body_contains": f'"{colour}"'})

    refuse("Red", 422)
    refuse("Blue", 400)
    make_a_thousand(stack)
    listed = dead_letters("list")
    assert "1000 of 1000 letters match" in listed
    for group in (("340", "track", "422"), ("330", "track", "400"), ("330", "teleport", "rejected")):
        assert any(line.split()[:3] == list(group) for line in listed.splitlines()), listed
    exported = [json.loads(line) for line in dead_letters("export").splitlines()]
    assert len({letter["messageId"] for letter in exported}) == len(exported) == 1000

    stack.simulator.recover()
    refuse("Blue", 400)
    assert "340 of 1000 letters would be retried" in dead_letters("retry", "--status", "422")
    assert events_of(stack, USERS[0]) == []
    assert "340 of 1000 letters retried" in dead_letters("retry", "--status", "422", "--yes")
    assert stack.settle(120)
    assert stack.dead_letter_count() == 660
    for place, user in enumerate(USERS):
        events = [event for event in stack.simulator.state()["events"] if event["external_id"] == user]
        assert {event["name"] for event in events} == {"Red"}
        red_of_user = [n for n in range(1000) if n % 10 == place and n // 10 % 3 == 0]
        assert [event["metadata"]["number"] for event in events] == red_of_user

    # Twice within five minutes: nothing is taken for a duplicate and lost.
    for _ in range(2):
        assert "330 of 660 letters retried" in dead_letters("retry", "--status", "400", "--yes", "--per-second", "1000")
        stack.wait_for(lambda: stack.dead_letter_count() == 660, "the blue ones rejected again", 120)
        assert stack.settle(60)
    assert "330 of 660 letters dropped" in dead_letters("drop", "--reason", "unknown type", "--yes")
    assert stack.dead_letter_count() == 330


def test_a_letter_is_shown_with_what_would_be_sent_now(stack, dead_letters):
    message_id = str(uuid.uuid4())
    stack.send("/v1/batch", {"batch": [{**call("teleport", "u-1"), "messageId": message_id}]})
    shown = dead_letters("show", "--id", message_id)
    letter = json.loads(shown[:shown.rindex("}") + 1])
    assert letter["event"]["userId"] == "u-1"
    assert "unknown type" in letter["reason"]
    assert letter["now"][0]["status"] == "would_reject"
    assert "they stay" in dead_letters("retry", "--yes")
    assert stack.dead_letter_count() == 1


def test_without_permission_or_with_a_wrong_time_the_wrapper_says_what_is_wrong(stack):
    environment = {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": stack.emulator_url}
    for stack_name, words, said in (
            (STACK_NAME, ["list", "--since", "yesterday"], "invalid"), ("no-such-stack", ["list"], "no-such-stack")):
        done = subprocess.run(
            [sys.executable, str(WRAPPER), "--stack", stack_name, *words],
            capture_output=True, text=True, env=environment, timeout=60)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and said in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
