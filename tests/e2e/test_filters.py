"""A file of filters on the deployed stack: what a person sees of it in the preview and the log, and that an event fares
the same whichever way it comes in."""

import json
import subprocess
import time
import uuid

import pytest

from build import BOOTSTRAP
from calls import call, contact, events_of
from refusals import function_with

RULES = {
    "filters": [
        {"title": "Only customers", "if": "type = 'track' and !( properties.plan in ['pro'] )",
         "actions": [{"type": "DROP"}]},
        {"title": "None of the sampled", "if": "event = 'Sampled'",
         "actions": [{"type": "SAMPLE", "percent": 0, "path": "userId"}]},
        {"title": "No SSN", "if": "true", "actions": [{"type": "DROP_PROPERTIES", "fields": {"traits": ["ssn"]}}]},
    ],
    "transformations": [
        {"name": "plan_name is plan", "if": "type = 'identify'",
         "propertyRenames": [{"oldName": "plan_name", "newName": "plan"}]},
    ],
}


@pytest.fixture
def filtered(stack, tmp_path):
    """The stack with RULES. Its emulator runs the function on this machine, and so it sees the file."""
    file = tmp_path / "filters.json"
    file.write_text(json.dumps(RULES))
    with function_with(stack, FILTERS=str(file)):
        yield stack


def told(user):
    """One user's events: a rename and a left out trait, then one that is sent, one dropped, one sampled away."""
    def event(kind, **fields):
        return {"type": kind, "messageId": str(uuid.uuid4()), "userId": user, **fields}

    return [
        event("identify", traits={"plan_name": "pro", "ssn": "123"}),
        event("track", event="Bought", properties={"plan": "pro"}),
        event("track", event="Looked", properties={"plan": "free"}),
        event("track", event="Sampled", properties={"plan": "pro"}),
    ]


def assert_filtered(stack, user):
    assert stack.settle(30)
    assert contact(stack, user)["custom_attributes"] == {"plan": "pro"}
    assert events_of(stack, user) == ["Bought"]
    assert stack.dead_letter_count() == 0


def test_preview_says_which_rule_did_what(filtered):
    answer = filtered.send("/v1/preview", {"batch": told("u-1")})
    assert answer.status == 200
    identify, bought, looked, sampled = map(json.dumps, answer.json()["results"])
    assert "plan_name is plan" in identify and "No SSN" in identify and "123" not in identify
    assert "filter" not in bought
    assert "filter: Only customers" in looked
    assert "filter: None of the sampled" in sampled


@pytest.mark.parametrize("way", ["http", "webhook", "queue", "retry", "direct"])
def test_an_event_fares_the_same_by_every_way(filtered, way):
    events = told(f"u-{way}")
    since = int(time.time() * 1000)
    if way == "webhook":
        for event in events:
            assert filtered.send_webhook("/webhook", event).status == 200
    elif way == "direct":
        filtered.invoke(events)
    elif way == "queue":
        with function_with(filtered, DELIVERY_MODE="queue"):
            assert filtered.send("/v1/batch", {"batch": events}).status == 200
    else:
        if way == "retry":
            filtered.simulator.fail(kind="status", status=503)
        assert filtered.send("/v1/batch", {"batch": events}).status == 200
        if way == "retry":
            assert contact(filtered, f"u-{way}") is None
            filtered.simulator.recover()
    assert_filtered(filtered, f"u-{way}")

    def logged():
        lines = [json.dumps(line) for line in filtered.log_events(since)]
        return all(any(reason in line for line in lines) for reason in (
            "filter: Only customers", "filter: None of the sampled"))

    filtered.wait_for(logged, "the reasons in the log")


def test_an_event_without_consent_is_skipped(stack):
    def event(name, **context):
        return call("track", "u-1", event=name, context=context)

    with function_with(stack, CONSENT_CATEGORIES="Advertising"):
        stack.send("/v1/identify", call("identify", "u-1"))
        for name, agreed in (("Yes", True), ("No", False)):
            stack.send("/v1/track", event(name, consent={"categoryPreferences": {"Advertising": agreed}}))
        stack.send("/v1/track", event("Denied", consentManagement={"deniedConsentIds": ["Advertising"]}))
        stack.send("/v1/track", event("Unasked"))
        assert stack.settle(30)
        assert events_of(stack, "u-1") == ["Yes", "Unasked"]


@pytest.mark.parametrize(("text", "said"), [
    ("", "it is empty"),
    ("{", "line 1"),
    ("[1]", "something else than objects"),
    ('{"filter": []}', '"filter"'),
    ('{"filters": [{"title": "A", "if": "a ==  1", "actions": [{"type": "DROP"}]}]}', "at character 4"),
    ('{"filters": [{"title": "A", "if": "true", "actions": [{"type": "KEEP"}]}]}', "KEEP"),
    ('{"filters": [{"title": "A", "if": "true", "action": [{"type": "DROP"}]}]}', "action"),
    ('{"filters": [{"title": "A", "if": "true", "actions": [{"type": "SAMPLE", "percent": 5}]}]}', "from 0 to 1"),
    ('{"filters": [{"title": "A", "if": "true", "actions": [{"type": "DROP_PROPERTIES"}]}]}', "fields"),
    ('{"transformations": [{"name": "A", "if": "true"}]}', "does nothing"),
    ('{"data": {"filters": [], "pagination": {"next": "x"}}}', "first page"),
])
def test_a_wrong_file_is_refused_before_anything_is_deployed(tmp_path, text, said):
    """By the very check of `make deploy` and `make run`."""
    file = tmp_path / "wrong.json"
    file.write_text(text)
    checked = subprocess.run([str(BOOTSTRAP), "--check-filters", str(file)], capture_output=True, text=True)
    assert checked.returncode != 0
    assert said in checked.stderr and str(file) in checked.stderr
    assert len(checked.stderr.strip().splitlines()) == 1
