"""What becomes of events: delivered, waiting, rejected, returned; and whether somebody is told."""

import json
import time
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from letter_queues import LetterQueues
from letters import Selection

EVENT = "Segment Intercom Verify"
# Twelve of them are more than Lambda takes in one batch (6 MB).
LARGE_BYTES, LARGE_COUNT, LARGE_PER_INVOCATION = 700_000, 12, 4


def verify(stack, table):
    run = uuid.uuid4().hex[:12]
    known, unknown = (f"segment-intercom-verify-{run}-{name}" for name in ("known", "unknown"))
    try:
        delivered(stack, table, known)
        waiting = None
        if why := why_nobody_waits(stack):
            table.leave_out("an event of an unknown user", why)
        else:
            waiting = event("track", unknown, event=EVENT)
            stack.send(waiting)
        refused_token(stack, table, known)
        update(stack, table)
        if waiting:
            rejected(stack, table, waiting)
        alarm_ends(stack, table)
        recursion(stack, table)
    finally:
        for user in (known, unknown):
            stack.invoke(event("delete", user))


def event(kind, user, **fields):
    return {"type": kind, "userId": user, "messageId": str(uuid.uuid4()), **fields}


def delivered(stack, table, user):
    identify = event("identify", user)
    status = stack.send(identify).status
    table.row("an identify", "200, delivered", f"{status}, {outcome(stack, identify, 120)}")
    line = next(iter(stack.log_lines(identify["messageId"])), {})
    # Without a timestamp Lambda adds one of its own and takes the line for INFO.
    keys = [key for key in ("timestamp", "level", "requestId", "fields") if key in line]
    table.row("its log line", "timestamp, level, requestId, fields", ", ".join(keys))


def outcome(stack, sent, seconds):
    """`delivered` once the event is, else what the log has of it when the time is up."""
    stack.wait_for(lambda: stack.statuses(sent["messageId"])[-1:] == ["delivered"], seconds)
    return (stack.statuses(sent["messageId"]) or ["no line in the log"])[-1]


def why_nobody_waits(stack):
    """Why no event waits for its user on this stack; None when it does."""
    if stack.parameter["UnknownUser"] != "wait":
        return f"UnknownUser is {stack.parameter['UnknownUser']}"
    if stack.parameter["EventFilter"]:
        return "EventFilter may leave it out"
    if stack.unknown_user_seconds > 3600:
        return f"it waits for UnknownUserSeconds={stack.unknown_user_seconds}, over an hour"
    return None


# Intercom refuses the token


def refused_token(stack, table, user):
    """Events wait while Intercom refuses the token, an alarm says so, and all of them arrive afterwards."""
    with wrong_token(stack):
        line = stack.wait_for(lambda: alarm_line(stack, user), 120)
        table.row("Intercom refuses the token", "a line for the alarm", "a line for the alarm" if line else "no line")
        ids = queue_large(stack, user)
        table.row("large events of one user meanwhile", f"{LARGE_COUNT} queued", f"{len(ids)} queued")
        if stack.is_emulated:
            table.leave_out("its alarm goes off", "the emulator counts no lines")
        else:
            state = stack.wait_for(lambda: alarm_state(stack) == "ALARM", 600)
            table.row("its alarm goes off", "ALARM", "ALARM" if state else alarm_state(stack))
    # As late as RetryMaxSeconds.
    seconds = 120 + int(stack.parameter["RetryMaxSeconds"])
    stack.wait_for(lambda: len(delivered_of(stack, ids)) == len(ids), seconds)
    order = delivered_of(stack, ids)
    table.row("those, 8 MB together", "all delivered, in order",
              f"{len(order)} of {len(ids)}{', in order' if order == ids else ', not in order'}", order == ids != [])


def queue_large(stack, user):
    """Has the function queue large events of a user; returns their messageIds."""
    queued = []
    # An instance that still has the right token delivers them at once, so it takes some more.
    for _ in range(10):
        events = [event("identify", user, context={"padding": "x" * LARGE_BYTES}) for _ in range(LARGE_PER_INVOCATION)]
        answer, error = stack.invoke(events)
        results = [] if error else answer["results"]
        queued += [result["messageId"] for result in results if result["status"] == "queued"]
        if len(queued) >= LARGE_COUNT:
            break
    return queued[:LARGE_COUNT]


def delivered_of(stack, message_ids):
    """Those of the events that were delivered, in their order."""
    fields = [line["fields"] for line in stack.log_lines("delivered") if "fields" in line]
    return [each["message_id"] for each in fields
            if each.get("status") == "delivered" and each.get("message_id") in message_ids]


def alarm_line(stack, user):
    # It reads the secret anew before it refuses a key, though not more often than every 10 s.
    stack.call("POST", "/v1/page", b"{}", write_key="verify-wrong-key")
    stack.send(event("identify", user))
    return stack.log_lines("account_refused")


def alarm_state(stack):
    (alarm,) = stack.aws("cloudwatch").describe_alarms(
        AlarmNames=[stack.resource("AccountRefusedAlarm")])["MetricAlarms"]
    return alarm["StateValue"]


def alarm_ends(stack, table):
    what = "the alarm ends"
    if stack.is_emulated:
        table.leave_out(what, "the emulator counts no lines")
        return
    stack.wait_for(lambda: alarm_state(stack) == "OK", 900)
    table.row(what, "OK", alarm_state(stack))


@contextmanager
def wrong_token(stack):
    """Intercom refuses the access token; afterwards the secret is at its old version."""
    client, secret = stack.aws("secretsmanager"), {"SecretId": stack.output["SecretArn"]}
    before = client.get_secret_value(**secret)["VersionId"]
    wrong = client.put_secret_value(
        **secret, SecretString=json.dumps({**stack.secret, "access_token": "verify-wrong-token"}))["VersionId"]
    try:
        yield
    finally:
        client.update_secret_version_stage(
            **secret, VersionStage="AWSCURRENT", MoveToVersionId=before, RemoveFromVersionId=wrong)
        time.sleep(0 if stack.is_emulated else 10)
        stack.call("POST", "/v1/page", b"{}", write_key="verify-wrong-key")


# An update


def update(stack, table):
    """The log's retention there and back: an update leaves the secret alone."""
    days = stack.parameter["LogRetentionDays"]
    before = current_secret(stack)
    try:
        set_parameter(stack, "LogRetentionDays", "7" if days != "7" else "14")
    finally:
        set_parameter(stack, "LogRetentionDays", days)
    table.row("the secret, after two updates", before, current_secret(stack))


def current_secret(stack):
    return stack.aws("secretsmanager").get_secret_value(SecretId=stack.output["SecretArn"])["VersionId"]


def set_parameter(stack, name, value):
    client = stack.aws("cloudformation")
    client.update_stack(
        StackName=stack.name, UsePreviousTemplate=True, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value}, *(
            {"ParameterKey": other, "UsePreviousValue": True} for other in stack.parameter if other != name)])
    wait = {"Delay": 1, "MaxAttempts": 60} if stack.is_emulated else {"Delay": 5, "MaxAttempts": 120}
    client.get_waiter("stack_update_complete").wait(StackName=stack.name, WaiterConfig=wait)


# A user whom Intercom doesn't know


def rejected(stack, table, waiting):
    """It is rejected with its reason, and delivered when it is returned once the user is known."""
    seconds = stack.unknown_user_seconds + 180
    reason = stack.wait_for(lambda: why_rejected(stack, waiting), seconds)
    seen = reason or f"not there after {seconds} s"
    table.row("an event of an unknown user", "rejected with its reason", seen, bool(reason))
    if reason is None:
        return
    stack.send(event("identify", waiting["userId"]))
    with dead_letters(stack, waiting) as held:
        held.retry(held.letters)
    table.row("the dead letter, retried", "delivered", outcome(stack, waiting, 300))


def dead_letters(stack, event):
    queues = LetterQueues(stack.aws("sqs"), stack.aws("lambda"), stack.output)
    return queues.hold(Selection(ids=frozenset({event["messageId"]})))


def why_rejected(stack, event):
    """The reason of the event's dead letter; None when there is none."""
    with dead_letters(stack, event) as held:
        return held.letters[0].reason if held.letters else None


def recursion(stack, table):
    what = "events dropped as recursive"
    if stack.is_emulated:
        table.leave_out(what, "the emulator has no such metric")
        return
    now = datetime.now(timezone.utc)
    points = stack.aws("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="RecursiveInvocationsDropped", Statistics=["Sum"], Period=300,
        Dimensions=[{"Name": "FunctionName", "Value": stack.output["FunctionName"]}],
        StartTime=now - timedelta(hours=1), EndTime=now)["Datapoints"]
    table.row(what, 0, int(sum(point["Sum"] for point in points)))
