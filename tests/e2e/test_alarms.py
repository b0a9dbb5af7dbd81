"""Each alarm goes off for its cause. The emulator evaluates alarms but doesn't count lines, so that is done here, by
the deployed metric filters, on the lines that the function really wrote."""

import json
import re
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from samtranslator.yaml_helper import yaml_parse

from calls import call
from stack import STACK_NAME
from tools import ROOT

TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
ALARMS = {name: each["Properties"] for name, each in TEMPLATE.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
OWN_NAMESPACE = {"Ref": "AWS::StackName"}
# What AWS publishes by these dimensions.
AWS_METRICS = {
    ("AWS/Lambda", "FunctionName"): {"Errors", "Throttles"},
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible"},
    ("AWS/ApiGateway", "ApiName"): {"5XXError"},
}


# Metrics of the log


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
    iam, role = stack.aws("iam"), {"RoleName": stack.resources()["FunctionRole"], "PolicyName": "no-queue"}
    deny = {"Effect": "Deny", "Action": "sqs:SendMessage*", "Resource": "*"}
    iam.put_role_policy(**role, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    try:
        assert stack.send("/v1/identify", call("identify", "u-1")).status == 503
    finally:
        iam.delete_role_policy(**role)


def refused_requests(stack):
    for _ in range(100):
        assert stack.request("POST", f"{stack.endpoint}/v1/no-such-call", b"{}").status == 404


# The latency's comes first: a percentile of what all of them deliver.
CAUSES = {
    "LatencyAlarm": latency, "OldEventAlarm": old_event, "AccountRefusedAlarm": account_refused,
    "BusyUserAlarm": busy_user, "LostAlarm": lost, "RefusedRequestsAlarm": refused_requests,
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


@pytest.mark.parametrize("name", CAUSES)
def test_an_alarm_of_the_logs_metrics_goes_off(stack, name):
    assert state(stack, name) != "ALARM"
    since = int(time.time() * 1000)
    CAUSES[name](stack)
    wanted = ALARMS[name]["MetricName"]
    enough = ALARMS[name]["Threshold"] if ALARMS[name].get("Statistic") == "Sum" else 1
    values = stack.wait_for(
        lambda: len(found := counted(stack, since)[wanted]) >= enough and found, f"lines for {name}")
    # In what CloudWatch takes at once.
    for start in range(0, len(values), 100):
        stack.aws("cloudwatch").put_metric_data(Namespace=STACK_NAME, MetricData=[
            {"MetricName": wanted, "Values": values[start:start + 100]}])
    stack.wait_for(lambda: state(stack, name) == "ALARM", f"{name} to go off", 5)


def test_each_alarm_of_the_logs_metrics_has_a_cause_here():
    assert set(CAUSES) == {name for name, alarm in ALARMS.items() if alarm["Namespace"] == OWN_NAMESPACE}


def state(stack, name):
    (alarm,) = stack.aws("cloudwatch").describe_alarms(AlarmNames=[stack.resources()[name]])["MetricAlarms"]
    return alarm["StateValue"]


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
    """Whether a filter pattern, of the two forms that the template uses, sees the line."""
    if is_true := re.fullmatch(r"\{ (\S+) IS TRUE \}", pattern):
        return at(line, is_true[1]) is True
    path, text = re.fullmatch(r'\{ (\S+) = "(.*)" \}', pattern).groups()
    return at(line, path) == text


def at(line, path):
    for key in path.split(".")[1:]:
        line = line.get(key) if isinstance(line, dict) else None
    return line


# Metrics of AWS


def test_a_failed_invocation_sets_off_the_functions_alarm(stack):
    _, error = stack.invoke({"foo": 1})
    assert error
    # The emulator evaluates alarms when a metric comes in, whichever.
    stack.aws("cloudwatch").put_metric_data(Namespace="any", MetricData=[{"MetricName": "any", "Value": 1}])
    assert state(stack, "FunctionErrorAlarm") == "ALARM"


def test_each_alarm_of_aws_metrics_looks_at_what_the_stack_has():
    of_aws = {name: alarm for name, alarm in ALARMS.items() if alarm["Namespace"] != OWN_NAMESPACE}
    assert len(of_aws) >= 5
    for name, alarm in of_aws.items():
        (dimension,) = alarm["Dimensions"]
        assert alarm["MetricName"] in AWS_METRICS[alarm["Namespace"], dimension["Name"]], name
        match dimension["Name"], dimension["Value"]:
            case "FunctionName", {"Ref": resource}:
                assert TEMPLATE[resource]["Type"] == "AWS::Serverless::Function", name
            case "QueueName", {"Fn::GetAtt": [resource, "QueueName"]}:
                assert TEMPLATE[resource]["Type"] == "AWS::SQS::Queue", name
                assert TEMPLATE[resource].get("Condition") == TEMPLATE[name].get("Condition"), name
            case "ApiName", value:
                assert value == TEMPLATE["Api"]["Properties"]["Name"], name
            case other:
                pytest.fail(f"{name}: {other}")


def test_each_alarm_has_a_row_in_the_runbook():
    rows = set(re.findall(r"^\| `(\w+Alarm)` \|", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    assert rows == set(ALARMS)
