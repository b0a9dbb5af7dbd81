"""What could not be delivered, by the tool that a person types, on the deployed queues."""

import json
import os
import pty
import re
import signal
import subprocess
import uuid
from datetime import datetime, timedelta, timezone

from calls import call, events_of
from letters_tool import TOOL, environment
from stack import STACK_NAME

USERS = [f"u-{number}" for number in range(10)]


def make_a_thousand(stack):
    """Ten users' events: in turn a red one, a blue one and one of a type that nobody knows for each of them."""
    stack.send("/v1/batch", {"batch": [call("identify", user) for user in USERS]})
    assert stack.settle(60)
    for start in range(0, 1000, 100):
        batch = [numbered_event(number) for number in range(start, start + 100)]
        assert stack.send("/v1/batch", {"batch": batch}).status == 200
    assert stack.settle(60)


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
    assert "680 of 680 letters match" in listed  # one reason of one request is one letter
    for group in (("340", "track", "422"), ("330", "track", "400"), ("10", "unknown", "rejected")):
        assert any(line.split()[:3] == list(group) for line in listed.splitlines()), listed
    exported = [json.loads(line) for line in dead_letters("export").splitlines()]
    assert len({letter["messageId"] for letter in exported}) == len(exported) == 680

    stack.simulator.recover()
    refuse("Blue", 400)
    assert "340 of 680 letters would be retried" in dead_letters("retry", "--status", "422")
    assert events_of(stack, USERS[0]) == []
    assert "340 of 680 letters retried" in dead_letters("retry", "--status", "422", "--yes")
    assert stack.settle(120)
    assert "340 of 340 letters match" in dead_letters("list")
    for place, user in enumerate(USERS):
        events = [event for event in stack.simulator.state()["events"] if event["external_id"] == user]
        assert {event["name"] for event in events} == {"Red"}
        red_of_user = [n for n in range(1000) if n % 10 == place and n // 10 % 3 == 0]
        assert sorted(event["metadata"]["number"] for event in events) == red_of_user

    # Twice within five minutes: nothing is taken for a duplicate and lost.
    for _ in range(2):
        assert "330 of 340 letters retried" in dead_letters("retry", "--status", "400", "--yes", "--per-second", "1000")
        stack.wait_for(lambda: "340 of 340" in dead_letters("list"), "the blue ones rejected again", 120)
        assert stack.settle(60)
    assert "10 of 340 letters dropped" in dead_letters("drop", "--reason", "unknown type", "--yes")
    assert "330 of 330 letters match" in dead_letters("list")


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


def test_a_letter_that_was_edited_is_delivered(stack, dead_letters, tmp_path):
    event = {**call("teleport", "u-1"), "event": "Repaired"}
    stack.send("/v1/batch", {"batch": [call("identify", "u-1"), event]})
    assert stack.settle(60)
    repaired = tmp_path / "repaired.json"
    repaired.write_text(json.dumps({**event, "type": "track"}))
    words = ("edit", "--id", event["messageId"], "--event", str(repaired))
    assert "nothing changed" in dead_letters(*words)
    assert "1 of 1 letters retried" in dead_letters(*words, "--yes")
    stack.wait_for(lambda: events_of(stack, "u-1") == ["Repaired"], "the repaired event")
    assert stack.dead_letter_count() == 0


def test_what_sqs_moved_is_listed_and_retried(stack, dead_letters):
    stack.send("/v1/identify", call("identify", "u-1"))
    for number in range(12):
        event = {**call("track", "u-1", event="Moved"), "properties": {"number": number},
                 "timestamp": f"2026-11-20T10:00:{number:02}Z"}
        stack.aws("sqs").send_message(
            QueueUrl=stack.outputs["MovedBySqsQueueUrl"], MessageGroupId="u-1", MessageDeduplicationId=str(number),
            MessageBody=json.dumps({"v": 1, "source": "api", "receivedAt": event["timestamp"], "event": event}))
    assert "moved by SQS after 1,000 receives" in dead_letters("list")
    assert "12 of 12 letters retried" in dead_letters("retry", "--yes")
    assert stack.settle(60)
    events = [event for event in stack.simulator.state()["events"] if event["external_id"] == "u-1"]
    assert sorted(event["metadata"]["number"] for event in events) == list(range(12))


def put_letters(stack, count):
    sqs, url = stack.aws("sqs"), stack.outputs["DeadLetterQueueUrl"]
    for start in range(0, count, 10):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": json.dumps({
            "v": 1, "source": "api", "receivedAt": "2026-11-20T10:00:00Z",
            "event": {**call("track", f"u-{number % 7}", event="Kept"), "messageId": f"m-{number}"}})}
            for number in range(start, start + 10)])


def messages(stack, output):
    """The messageIds of all messages of a queue."""
    sqs, url, found = stack.aws("sqs"), stack.outputs[output], []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get("Messages"):
        found += [json.loads(message["Body"])["event"]["messageId"] for message in received]
    return found


def test_a_ctrl_c_loses_nothing_and_gives_back_what_was_held(stack):
    put_letters(stack, 300)
    source, = (each for each in stack.aws("lambda").list_event_source_mappings(
        FunctionName=stack.outputs["FunctionName"])["EventSourceMappings"] if "retry" in each["EventSourceArn"])
    stack.aws("lambda").update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        tool = subprocess.Popen(
            [*TOOL, "--stack", STACK_NAME, "retry", "--yes", "--unchecked", "--per-second", "20"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(stack))
        stack.wait_for(lambda: stack.waiting() >= 40, "some that are retried")
        tool.send_signal(signal.SIGINT)
        printed, _ = tool.communicate(timeout=60)
        assert tool.returncode == 130 and "the command was stopped" in printed, printed
        assert int(stack.aws("sqs").get_queue_attributes(
            QueueUrl=stack.outputs["DeadLetterQueueUrl"], AttributeNames=["All"],
        )["Attributes"]["ApproximateNumberOfMessagesNotVisible"]) == 0
        found = messages(stack, "RetryQueueUrl") + messages(stack, "DeadLetterQueueUrl")
        # Of a FIFO queue, what is behind a user's first ten can't be seen.
        assert stack.waiting() + stack.dead_letter_count() == 300 and len(found) == len(set(found))
        stack.purge_queues()
    finally:
        stack.aws("lambda").update_event_source_mapping(UUID=source["UUID"], Enabled=True)


def test_on_a_terminal_senders_text_moves_no_cursor_and_there_is_a_progress_bar(stack):
    stack.send("/v1/batch", {"batch": [{**call("identify", "u-1"), "type": "\x1b[2J\x1b]0;owned\x07"}]})
    ours, theirs = pty.openpty()
    tool = subprocess.Popen([*TOOL, "--stack", STACK_NAME, "show"], stdout=theirs, stderr=theirs,
                            env={**environment(stack), "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:  # how a terminal of Linux ends
        pass
    os.close(ours)
    assert tool.wait(timeout=60) == 0
    assert b"\x1b[2J" not in seen and b"\x07" not in seen
    assert rb"\u001b[2J" in seen
    assert re.search(rb"reading", seen), seen


def test_without_permission_or_with_a_wrong_time_the_tool_says_what_is_wrong(stack):
    for stack_name, words, said in (
            (STACK_NAME, ["list", "--since", "yesterday"], "is invalid"), ("no-such-stack", ["list"], "no-such-stack")):
        done = subprocess.run(
            [*TOOL, "--stack", stack_name, *words], capture_output=True, text=True, env=environment(stack), timeout=60)
        assert done.returncode in (1, 2)
        assert "error: " in done.stderr and said in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_the_region_is_that_of_the_aws_cli(stack):
    """boto3 alone reads AWS_DEFAULT_REGION only."""
    variables = {**environment(stack), "AWS_REGION": "eu-west-1"}
    del variables["AWS_DEFAULT_REGION"]
    done = subprocess.run(
        [*TOOL, "--stack", "elsewhere", "list"], capture_output=True, text=True, env=variables, timeout=60)
    assert "no stack elsewhere in eu-west-1" in done.stderr
