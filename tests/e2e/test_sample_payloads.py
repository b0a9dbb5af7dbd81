"""Each file of events/, handed to the deployed function as it is."""

import json
from pathlib import Path

import pytest

import package
from calls import SUCCESS, call, visitor_call

EVENTS = Path(__file__).resolve().parents[2] / "events"

# What an HTTP answer holds, or the whole answer of the other triggers; statuses for `results`.
ANSWERS = {
    "rest-identify": SUCCESS,
    "rest-group": SUCCESS,
    "rest-track": SUCCESS,
    "rest-page": SUCCESS,
    "rest-screen": SUCCESS,
    "rest-alias": SUCCESS,
    "rest-batch": SUCCESS,
    "rest-browser-gzip-batch": SUCCESS,
    "http-identify": SUCCESS,
    "function-url-track": SUCCESS,
    "webhook-identify": ["delivered"],
    "webhook-delete": ["delivered"],
    "webhook-actions-array": ["delivered", "delivered", "skipped"],
    "sqs-retry": {"batchItemFailures": []},
    "eventbridge-track": ["delivered"],
    "direct-identify": ["delivered"],
    "direct-array": ["delivered", "delivered"],
    "preview": ["would_deliver", "would_deliver", "would_skip"],
    "health": {"status": "ok", "version": package.version()},
}
SENDS_NOTHING = {"rest-page", "rest-screen", "preview", "health"}


def test_all_are_here():
    assert ANSWERS.keys() == {file.stem for file in EVENTS.glob("*.json")}


@pytest.mark.parametrize("name", ANSWERS)
def test_sample_payload(stack, name):
    users = [call("identify", f"user-{number}") for number in range(1, 10)]
    visitor = visitor_call("identify", "visitor-7c1f", traits={"seen": "Pricing"})
    stack.send("/v1/batch", {"batch": [*users, visitor]})
    before = len(stack.simulator.requests())
    payload = json.loads((EVENTS / f"{name}.json").read_text())
    if name == "sqs-retry":
        for record in payload["Records"]:
            record["eventSourceARN"] = retry_queue_arn(stack)
    answer, error = stack.invoke(payload)
    assert error is None, answer
    assert content(answer) == ANSWERS[name]
    assert (len(stack.simulator.requests()) == before) == (name in SENDS_NOTHING)
    assert stack.waiting() == stack.dead_letter_count() == 0


def content(answer):
    if "statusCode" in answer:
        assert answer["statusCode"] == 200
        answer = json.loads(answer["body"])
    if "results" in answer:
        return [result["status"] for result in answer["results"]]
    return answer


def retry_queue_arn(stack):
    """Messages of any other queue are refused."""
    attributes = stack.aws("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["RetryQueueUrl"], AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]
