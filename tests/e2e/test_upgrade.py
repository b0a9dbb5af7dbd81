"""What the version before left in its queues, which keep their names: nothing of it is lost."""

import json
from datetime import datetime, timedelta, timezone

from calls import call


def put(stack, output, group, event, **attributes):
    """A message as the version before wrote it: its group was the bare id of a user."""
    received_at = (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat()
    body = {"v": 1, "source": "api", "receivedAt": received_at, "event": event}
    stack.aws("sqs").send_message(
        QueueUrl=stack.outputs[output], MessageGroupId=group, MessageDeduplicationId=event["messageId"],
        MessageBody=json.dumps(body),
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()})


def test_messages_of_the_version_before_are_delivered(stack, dead_letters):
    now = datetime.now(timezone.utc)
    waits = {**call("track", "u-2", event="Waited"), "timestamp": (now - timedelta(minutes=5)).isoformat()}
    # Retries, and an event parked in a group of its own because its user was unknown.
    put(stack, "RetryQueueUrl", "u-2#waiting", waits, waitingSince=now.isoformat())
    put(stack, "RetryQueueUrl", "u-1", call("identify", "u-1", traits={"name": "Ann"}))
    put(stack, "RetryQueueUrl", "u-1", call("track", "u-1", event="Retried"))
    put(stack, "RetryQueueUrl", "u-2", call("identify", "u-2", traits={"name": "Bob"}))
    # Rejected events, in what was the dead-letter queue then.
    put(stack, "MovedBySqsQueueUrl", "u-1", call("track", "u-1", event="Rejected"),
        reason="422 parameter_invalid: no", status="422", requestId="r-1")
    assert stack.settle(60)
    assert "422 parameter_invalid: no" in dead_letters("list")
    assert "1 of 1 letters retried" in dead_letters("retry", "--yes")
    assert stack.settle(60)
    state = stack.simulator.state()
    assert {contact["name"] for contact in state["contacts"]} == {"Ann", "Bob"}
    events = {(event["external_id"], event["name"]) for event in state["events"]}
    assert events == {("u-1", "Retried"), ("u-2", "Waited"), ("u-1", "Rejected")}
    assert stack.dead_letter_count() == 0
