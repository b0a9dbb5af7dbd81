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
    assert stack.send("/v1/batch", {"batch": [call("teleport", "u-1")]}).status == 200
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
        wait_for_answer(stack, query_id)


def wait_for_answer(stack, query_id):
    logs = stack.aws("logs")
    stack.wait_for(lambda: logs.get_query_results(queryId=query_id)["status"] == "Complete", "a query's answer")


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
