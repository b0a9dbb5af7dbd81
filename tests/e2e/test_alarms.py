"""Each alarm goes off for its cause, tells the topic, and ends.

The emulator evaluates alarms whenever a metric comes in, but counts no lines of a log and publishes next to no metrics
of its own. So that is done here: lines that the function really wrote are counted by the deployed metric filters, and
figures of AWS's metrics are read off the deployed resources and published under these resources' own names.
"""

import json
import re
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

from calls import call
from refusals import no_queueing
from stack import STACK_NAME
from tools import ROOT

TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
ALARMS = {name: each["Properties"] for name, each in TEMPLATE.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
EVENT = json.loads((ROOT / "events" / "eventbridge-track.json").read_text())
EVENT_SOURCE = EVENT["source"]


@pytest.fixture(scope="module")
def topic(running_stack):
    """What the alarms' topic was told. EventBridge is on, which has an alarm of its own."""
    sns, sqs, events = (running_stack.aws(service) for service in ("sns", "sqs", "events"))
    arn = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                 "Resource": queue_arn, "Condition": {"ArnEquals": {"aws:SourceArn": arn}}}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    events.create_event_bus(Name=EVENT_SOURCE, EventSourceName=EVENT_SOURCE)
    running_stack.update(AlarmTopicArn=arn, SegmentEventSource=EVENT_SOURCE)
    failed = running_stack.outputs["FailedInvocationQueueUrl"]
    yield Topic(sqs, queue)
    running_stack.update(AlarmTopicArn="", SegmentEventSource="")
    events.delete_event_bus(Name=EVENT_SOURCE)
    for url in (queue, failed):
        sqs.delete_queue(QueueUrl=url)
    sns.delete_topic(TopicArn=arn)


class Topic:
    """Who is subscribed to the alarms' topic."""

    def __init__(self, sqs, queue):
        self.sqs, self.queue = sqs, queue
        self.told = set()

    def forget(self):
        """Forgets what it was told."""
        self.sqs.purge_queue(QueueUrl=self.queue)
        self.told.clear()

    def has_told(self, alarm, state):
        """Whether it has said so by now."""
        messages = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            said = json.loads(json.loads(message["Body"])["Message"])
            self.told.add((said["AlarmName"], said["NewStateValue"]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return (alarm["AlarmName"], state) in self.told


# Causes of the alarms on metrics of the log


def latency(stack):
    put_back(stack, "identify", minutes=10, count=20)


def old_event(stack):
    stack.simulator.fail(kind="status", status=503)
    put_back(stack, "identify", minutes=5 * 60, count=1)


def account_refused(stack):
    stack.simulator.fail(kind="status", status=401, code="unauthorized")
    stack.send("/v1/identify", call("identify", "u-1"))


def busy_user(stack):
    put_back(stack, "page", minutes=10, count=200)


def lost(stack):
    stack.simulator.fail(kind="status", status=503)
    with no_queueing(stack):
        assert stack.send("/v1/identify", call("identify", "u-1")).status == 503


def dead_letter(stack):
    assert stack.send("/v1/batch", {"batch": [call("teleport", "u-1")]}).status == 200


# The latency's comes first: a percentile of what all of them deliver.
CAUSES_IN_THE_LOG = {
    "LatencyAlarm": latency, "OldEventAlarm": old_event, "AccountRefusedAlarm": account_refused,
    "BusyUserAlarm": busy_user, "LostAlarm": lost, "DeadLetterAlarm": dead_letter,
}


# Causes of the alarms on AWS's metrics. Each gives the figure that AWS would publish, and under which name: namespace,
# metric, dimension and its value, which is read off what is deployed.


def function_error(stack):
    before = errors(stack)
    _, error = stack.invoke({"foo": 1})
    assert error
    return ("AWS/Lambda", "Errors", "FunctionName", stack.outputs["FunctionName"]), errors(stack) - before


def throttle(stack):
    # boto3 would try for seconds.
    client = stack.aws("lambda", Config(retries={"max_attempts": 0}))
    function = {"FunctionName": stack.outputs["FunctionName"]}
    client.put_function_concurrency(**function, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(**function, Payload=json.dumps(call("identify", "u-1")).encode())
    finally:
        client.delete_function_concurrency(**function)
    return ("AWS/Lambda", "Throttles", "FunctionName", function["FunctionName"]), 1


def api_error(stack):
    stack.simulator.fail(kind="status", status=503)
    with no_queueing(stack):
        statuses = [stack.send("/v1/identify", call("identify", f"u-{number}")).status for number in range(5)]
    return ("AWS/ApiGateway", "5XXError", "ApiName", api_name(stack)), sum(status >= 500 for status in statuses)


def refused_requests(stack):
    """API Gateway's own, which never reach the function."""
    stack.update(ThrottlingRateLimit="1", ThrottlingBurstLimit="1")
    try:
        statuses = [stack.request("GET", f"{stack.endpoint}/health").status for _ in range(130)]
    finally:
        stack.update(ThrottlingRateLimit="500", ThrottlingBurstLimit="1000")
    return ("AWS/ApiGateway", "4XXError", "ApiName", api_name(stack)), statuses.count(429)


def api_name(stack):
    return stack.aws("apigateway").get_rest_api(restApiId=stack.resources()["Api"])["name"]


def moved_by_sqs(stack):
    stack.aws("sqs").send_message(
        QueueUrl=stack.outputs["MovedBySqsQueueUrl"], MessageBody="{}", MessageGroupId="u-1",
        MessageDeduplicationId=str(uuid.uuid4()))
    return visible_messages(stack, "MovedBySqsQueueUrl")


def failed_invocation(stack):
    stack.simulator.fail(kind="status", status=503)
    client, function = stack.aws("lambda"), stack.outputs["FunctionName"]
    event = {**EVENT, "detail": {**EVENT["detail"], "messageId": str(uuid.uuid4())}}
    with no_queueing(stack):
        client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
        (namespace, _, *queue), sent = stack.wait_for(
            lambda: (seen := visible_messages(stack, "FailedInvocationQueueUrl"))[1] and seen, "the failed invocation")
    return (namespace, "NumberOfMessagesSent", *queue), sent


CAUSES_ON_AWS = {
    "FunctionErrorAlarm": function_error, "ThrottleAlarm": throttle, "ApiErrorAlarm": api_error,
    "RefusedRequestsAlarm": refused_requests, "MovedBySqsAlarm": moved_by_sqs,
    "FailedInvocationAlarm": failed_invocation,
}


def put_back(stack, kind, minutes, count):
    """Puts events of one user into the retry queue, as if they had come in so long ago."""
    received_at = (datetime.now(timezone.utc) - timedelta(minutes=minutes)).isoformat()
    user = f"u-{uuid.uuid4()}"
    for start in range(0, count, 10):
        events = [call(kind, user) for _ in range(start, min(count, start + 10))]
        sent = stack.aws("sqs").send_message_batch(QueueUrl=stack.outputs["RetryQueueUrl"], Entries=[
            {"Id": event["messageId"], "MessageGroupId": user, "MessageDeduplicationId": event["messageId"],
             "MessageBody": json.dumps({"v": 1, "source": "api", "receivedAt": received_at, "event": event})}
            for event in events])
        assert not sent.get("Failed"), sent["Failed"]


def visible_messages(stack, output):
    """The metric of a queue by its URL, and its figure now."""
    url = stack.outputs[output]
    count = stack.aws("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]["ApproximateNumberOfMessages"]
    return ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", url.rsplit("/", 1)[1]), int(count)


def errors(stack):
    """How many of the function's invocations have failed, by the emulator's own count."""
    name = {"Name": "FunctionName", "Value": stack.outputs["FunctionName"]}
    return total(stack, {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [name], "Statistic": "Sum"})


# From the cause to the alarm


@pytest.mark.parametrize("name", CAUSES_IN_THE_LOG)
def test_an_alarm_of_the_logs_metrics_goes_off_and_ends(stack, topic, name):
    since = int(time.time() * 1000)
    CAUSES_IN_THE_LOG[name](stack)
    wanted = ALARMS[name]["MetricName"]
    enough = ALARMS[name]["Threshold"] if ALARMS[name].get("Statistic") == "Sum" else 1
    values = stack.wait_for(
        lambda: len(found := counted(stack, since)[wanted]) >= enough and found, f"lines for {name}")
    assert_goes_off_and_ends(stack, topic, name, {"Namespace": STACK_NAME, "MetricName": wanted}, values)


@pytest.mark.parametrize("name", CAUSES_ON_AWS)
def test_an_alarm_of_awss_metrics_goes_off_and_ends(stack, topic, name):
    (namespace, metric, dimension, value), figure = CAUSES_ON_AWS[name](stack)
    assert_goes_off_and_ends(
        stack, topic, name,
        {"Namespace": namespace, "MetricName": metric, "Dimensions": [{"Name": dimension, "Value": value}]}, [figure])


def assert_goes_off_and_ends(stack, topic, name, metric, values):
    alarm = described(stack, name)
    # Of two alarms on queues, the one's metric sets off the other's here: see below.
    stack.aws("cloudwatch").set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="a new test")
    topic.forget()
    # A moment ago, so that they are out of a period of one second.
    publish(stack, metric, values, at=time.time() - 2)
    # The emulator's alarms go by the metric's name, whatever its dimensions.
    assert total(stack, alarm) >= alarm["Threshold"]
    assert described(stack, name)["StateValue"] == "ALARM"
    stack.wait_for(lambda: topic.has_told(alarm, "ALARM"), f"what {name} says when it begins", 5)

    # Nobody waits for minutes here, and the emulator's clock can't be put forward.
    settable = ("AlarmName", "Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic", "Threshold",
                "ComparisonOperator", "TreatMissingData", "AlarmActions", "OKActions")
    stack.aws("cloudwatch").put_metric_alarm(
        **{key: alarm[key] for key in settable if key in alarm}, Period=1, EvaluationPeriods=1)
    stack.wait_for(
        lambda: publish(stack, metric, [0]) or described(stack, name)["StateValue"] == "OK", f"{name} to end", 5)
    stack.wait_for(lambda: topic.has_told(alarm, "OK"), f"what {name} says when it ends", 5)


def publish(stack, metric, values, at=None):
    data = {key: metric[key] for key in ("MetricName", "Dimensions") if key in metric}
    # In what CloudWatch takes at once.
    for start in range(0, len(values), 100):
        stack.aws("cloudwatch").put_metric_data(Namespace=metric["Namespace"], MetricData=[
            {**data, "Values": values[start:start + 100], "Timestamp": at or time.time()}])


def total(stack, alarm):
    """What the metric that an alarm names, by its dimensions, comes to of late: its sum, or its highest value."""
    stat = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    metric = {key: alarm.get(key, []) for key in ("Namespace", "MetricName", "Dimensions")}
    now = time.time()
    (found,) = stack.aws("cloudwatch").get_metric_data(
        StartTime=now - 3600, EndTime=now + 60,
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}],
    )["MetricDataResults"]
    return sum(found["Values"]) if stat == "Sum" else max(found["Values"], default=0)


def described(stack, name):
    (alarm,) = stack.aws("cloudwatch").describe_alarms(AlarmNames=[stack.resources()[name]])["MetricAlarms"]
    return alarm


def counted(stack, since):
    """The values of each metric that CloudWatch would count in the lines since then."""
    logs, group = stack.aws("logs"), stack.outputs["LogGroupName"]
    messages = [event["message"] for event in stack.log_events(since)]
    lines = [json.loads(message) for message in messages if message.startswith("{")]
    values = {}
    for each in logs.describe_metric_filters(logGroupName=group)["metricFilters"]:
        (change,) = each["metricTransformations"]
        found = [line for line in lines if sees(each["filterPattern"], line)]
        value = change["metricValue"]
        values[change["metricName"]] = [
            at(line, value) if value.startswith("$") else float(value) for line in found]
    return values


def sees(pattern, line):
    """Whether a filter pattern sees the line, as CloudWatch documents the two forms that the template uses. The
    emulator takes patterns but matches nothing with them, so this stands in for it. Any other form fails here."""
    if is_true := re.fullmatch(r"\{ (\S+) IS TRUE \}", pattern):
        return at(line, is_true[1]) is True
    path, text = re.fullmatch(r'\{ (\S+) = "(.*)" \}', pattern).groups()
    return at(line, path) == text


def at(line, path):
    for key in path.split(".")[1:]:
        line = line.get(key) if isinstance(line, dict) else None
    return line


def test_a_queue_that_nobody_works_on_goes_off(stack):
    """The emulator has no alarms on expressions, so this works out what the alarm's says of the queue's figures."""
    alarm = ALARMS["IdleQueueAlarm"]
    (expression,) = (each["Expression"] for each in alarm["Metrics"] if "Expression" in each)

    def value(**figures):
        functions = {"IF": lambda condition, yes, no: yes if condition else no,
                     "FILL": lambda figure, missing: missing if figure is None else figure}
        return eval(expression, {"__builtins__": {}}, {**functions, **figures})

    client = stack.aws("lambda")
    sources = client.list_event_source_mappings(FunctionName=stack.outputs["FunctionName"])["EventSourceMappings"]
    for source in sources:
        client.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        put_back(stack, "identify", minutes=0, count=1)
        _, visible = visible_messages(stack, "RetryQueueUrl")
        # CloudWatch has no figure of a metric that nothing adds to.
        idle = {"visible": visible, "received": None, "waiting_visible": 0, "waiting_received": None}
        assert value(**idle) >= alarm["Threshold"]
        assert value(**{**idle, "received": 3}) < alarm["Threshold"]
        assert value(**{**idle, "received": 3, "waiting_visible": 1}) >= alarm["Threshold"]
    finally:
        for source in sources:
            client.update_event_source_mapping(UUID=source["UUID"], Enabled=True)
    assert stack.settle(60)
    _, visible = visible_messages(stack, "RetryQueueUrl")
    assert value(**{**idle, "visible": visible}) < alarm["Threshold"]


def test_each_alarm_has_a_cause_here_and_a_row_in_the_runbook():
    assert CAUSES_IN_THE_LOG.keys() | CAUSES_ON_AWS.keys() | {"IdleQueueAlarm"} == ALARMS.keys()
    rows = set(re.findall(r"^\| `(\w+Alarm)` \|", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    assert rows == set(ALARMS)
