"""What an operator sees: the dashboard, its queries, metric filters and alarms."""

import json
import time

import pytest

from calls import call
from stack import STACK_NAME


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
    # One that is rejected at the door, and one that Intercom refuses.
    stack.simulator.fail(kind="status", status=422, code="parameter_invalid")
    batch = [call("teleport", "u-1"), call("identify", "u-1")]
    assert stack.send("/v1/batch", {"batch": batch}).status == 200
    stack.wait_for(lambda: stack.dead_letter_count() == 2, "two dead letters")
    queries = [widget["properties"]["query"] for widget in dashboard if widget["type"] == "log"]
    assert len(queries) == 2
    logs = stack.aws("logs")
    for query in queries:
        source, _, rest = query.partition(" | ")
        assert source == f"SOURCE '{stack.outputs['LogGroupName']}'"
        now = int(time.time())
        query_id = logs.start_query(
            logGroupName=stack.outputs["LogGroupName"], startTime=now - 3600, endTime=now + 60,
            queryString=rest)["queryId"]
        assert answer(stack, query_id)


def answer(stack, query_id):
    """The rows of a query, once it is through."""
    logs = stack.aws("logs")
    return stack.wait_for(
        lambda: (done := logs.get_query_results(queryId=query_id))["status"] == "Complete" and done["results"],
        "a query's rows")


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
