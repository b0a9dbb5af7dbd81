"""What an operator sees: the dashboard, its queries, metric filters and alarms."""

import json
import re
import time
from collections import Counter
from unittest.mock import ANY

import pytest
from samtranslator.yaml_helper import yaml_parse

from calls import call
from refusals import function_with
from stack import STACK_NAME
from tools import ROOT


@pytest.fixture
def dashboard(stack):
    """The widgets of the dashboard."""
    body = stack.aws("cloudwatch").get_dashboard(DashboardName=STACK_NAME)["DashboardBody"]
    return json.loads(body)["widgets"]


def test_each_metric_of_the_dashboard_is_one_that_something_counts(stack, dashboard):
    filters = stack.aws("logs").describe_metric_filters(logGroupName=stack.outputs["LogGroupName"])["metricFilters"]
    counted = {change["metricName"] for each in filters for change in each["metricTransformations"]}
    metrics = [metric for widget in dashboard for metric in widget["properties"].get("metrics", [])]
    own = {metric[1] for metric in metrics if metric[0] == STACK_NAME}
    assert {"Delivered", "Rejected", "DeliveryLatency"} <= own <= counted
    # The top row.
    assert [widget["properties"]["title"].split()[0] for widget in dashboard if widget["y"] == 0] == [
        "Delivered", "Rejected", "Latency"]


def test_the_queries_of_the_dashboard_answer(stack, dashboard):
    since = int(time.time() * 1000)
    # One that is rejected at the door, one that Intercom refuses, and two that are skipped.
    stack.simulator.fail(kind="status", status=422, code="parameter_invalid")
    batch = [call("teleport", "u-1"), call("identify", "u-1"), call("page", "u-1"), call("page", "u-2")]
    assert stack.send("/v1/batch", {"batch": batch}).status == 200
    stack.wait_for(lambda: stack.dead_letter_count() == 2, "two dead letters")
    logged = [{f"fields.{name}": value for name, value in line.items()} for line in lines(stack, since)]
    queries = {
        widget["properties"]["title"]: widget["properties"]["query"] for widget in dashboard if widget["type"] == "log"}
    rows = {title: answer(stack, query, logged) for title, query in queries.items()}
    assert rows == {
        "Rejected, by reason": [(1, ANY, "teleport", None), (1, ANY, "identify", 422)],
        "Skipped, by kind": [(2, "page", ANY)],
        "Intercom's answers to events that failed": [(1, 422, "rejected")],
    }


def answer(stack, query, logged):
    """The rows that CloudWatch Logs Insights would give for these lines: the count, then the fields it is counted by.
    The emulator's Insights leaves conditions on a line's own fields and `stats` out, and gives all lines."""
    source, condition, stats, *rest = query.split(" | ")
    assert source == f"SOURCE '{stack.outputs['LogGroupName']}'"
    assert rest[0] == "sort events desc" and all(each.startswith("limit ") for each in rest[1:])
    if equal := re.fullmatch(r'filter (\S+) = "(\w+)"', condition):
        found = [line for line in logged if line.get(equal[1]) == equal[2]]
    else:
        present = re.fullmatch(r"filter ispresent\((\S+)\) and ispresent\((\S+)\)", condition).groups()
        found = [line for line in logged if all(field in line for field in present)]
    fields = re.fullmatch(r"stats count\(\*\) as events by (.+)", stats)[1].split(", ")
    counts = Counter(tuple(line.get(field) for field in fields) for line in found)
    return [(count, *values) for values, count in counts.most_common()]


def test_alarms_reach_whom_the_parameters_name(stack):
    arn = "arn:aws:sns:us-east-1:000000000000:own-topic"
    try:
        stack.update(AlarmEmail="on-call@example.com", AlarmTopicArn=arn)
        topic = stack.resources()["AlarmTopic"]
        alarms = stack.aws("cloudwatch").describe_alarms()["MetricAlarms"]
        assert len(alarms) >= 10
        for alarm in alarms:
            assert set(alarm["AlarmActions"]) == set(alarm["OKActions"]) == {topic, arn}, alarm["AlarmName"]
    finally:
        stack.update(AlarmEmail="", AlarmTopicArn="")
    assert all(not alarm["AlarmActions"] for alarm in stack.aws("cloudwatch").describe_alarms()["MetricAlarms"])


def test_the_endpoint_among_the_outputs_answers(stack):
    (described,) = stack.aws("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    (url,) = (each["OutputValue"] for each in described["Outputs"] if each["OutputKey"] == "EndpointUrl")
    answer = stack.request("GET", f"{url}/health")
    assert (answer.status, answer.json()["status"]) == (200, "ok")


def test_what_became_of_events_is_logged_where_only_warnings_are_to_be(stack):
    since = int(time.time() * 1000)
    with function_with(stack, LOG_LEVEL="WARN"):
        stack.send("/v1/batch", {"batch": [call("identify", "u-1"), call("page", "u-1")]})
        stack.simulator.fail(kind="status", status=503)
        stack.send("/v1/identify", call("identify", "u-1"))
        stack.wait_for(lambda: "queued event" in {line["message"] for line in lines(stack, since)}, "a retry")
        stack.simulator.recover()
        assert stack.settle(30)
    logged = lines(stack, since)
    assert {line["status"] for line in logged if line["message"] == "event"} == {"delivered", "skipped", "queued"}
    assert {line["message"] for line in logged} == {"event", "queued event", "invocation"}


def lines(stack, since):
    """The fields of the function's lines since then (Unix milliseconds)."""
    messages = [event["message"] for event in stack.log_events(since)]
    return [json.loads(message)["fields"] for message in messages if message.startswith("{")]


def test_what_the_stack_costs_a_month_is_of_what_the_template_makes():
    page = (ROOT / "docs" / "operations.md").read_text()
    resources = list(yaml_parse((ROOT / "template.yaml").read_text())["Resources"].values())
    # An alarm on an expression costs as many as it has metrics.
    expressions = [each for each in resources if "Metrics" in each.get("Properties", {})]
    analysed = sum("MetricStat" in metric for each in expressions for metric in each["Properties"]["Metrics"])
    kinds = [(each["Type"], "Condition" in each) for each in resources if each not in expressions]
    metrics, alarms = kinds.count(("AWS::Logs::MetricFilter", False)), kinds.count(("AWS::CloudWatch::Alarm", False))
    conditional = kinds.count(("AWS::CloudWatch::Alarm", True))
    alarms += analysed
    # Five long polls of 20 s each for either queue, which the pollers keep up.
    polls = 5 * 30 * 86_400 / 20
    polling = polls * (0.50 + 0.40) / 1_000_000
    assert f"{metrics} metrics at $0.30, {alarms} alarms at $0.10 ({alarms + conditional} with" in page
    assert f"{2 * polls / 1_000_000:.1f} million receives of the two event sources ${polling:.2f}" in page
    assert f"saves it): ${0.40 + metrics * 0.30 + alarms * 0.10 + 3 + polling:.2f}." in page
