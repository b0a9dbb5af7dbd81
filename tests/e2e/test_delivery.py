"""Events into the endpoint, changes out at Intercom, and what happens to those that fail."""

import gzip
import json

import pytest

from calls import SUCCESS, call, contact, events_of, visitor_call


def assert_delivered(answer, stack):
    assert (answer.status, answer.json()) == (200, SUCCESS)
    assert stack.waiting() == 0
    assert stack.dead_letter_count() == 0


# Every kind of call


def test_identify_with_a_company(stack):
    traits = {"email": "ada@example.com", "seats": 12, "company": {"id": "acme", "name": "Acme Ltd"}}
    assert_delivered(stack.send("/v1/identify", call("identify", "u-1", traits=traits)), stack)
    ada = contact(stack, "u-1")
    assert ada["email"] == "ada@example.com"
    assert ada["custom_attributes"] == {"seats": 12}
    assert ada["companies"] == ["acme"]
    assert stack.simulator.state()["companies"][0]["name"] == "Acme Ltd"


def test_group(stack):
    # A user of an earlier test, whom the function still remembers, would only be made by a retry.
    event = call("group", "u-group", groupId="acme", traits={"employees": 48})
    assert_delivered(stack.send("/v1/group", event), stack)
    assert contact(stack, "u-group")["companies"] == ["acme"]
    assert stack.simulator.state()["companies"][0]["size"] == 48


def test_track_with_revenue(stack):
    stack.send("/v1/identify", call("identify", "u-1"))
    properties = {"revenue": 19.99, "currency": "eur", "plan": "Business"}
    assert_delivered(stack.send("/v1/track", call("track", "u-1", event="Upgraded", properties=properties)), stack)
    (event,) = stack.simulator.state()["events"]
    assert event["name"] == "Upgraded"
    assert event["metadata"] == {"price": {"amount": 1999, "currency": "eur"}, "plan": "Business"}


def test_batch_of_several_kinds(stack):
    batch = [
        call("identify", "u-1", traits={"name": "Ada Lovelace"}),
        call("group", "u-1", groupId="acme"),
        call("track", "u-1", event="Signed Up"),
    ]
    assert_delivered(stack.send("/v1/batch", {"batch": batch}), stack)
    assert contact(stack, "u-1")["name"] == "Ada Lovelace"
    assert contact(stack, "u-1")["companies"] == ["acme"]
    assert events_of(stack, "u-1") == ["Signed Up"]


def test_alias_merges_the_lead_into_the_user(stack):
    stack.send("/v1/identify", visitor_call("identify", "visitor", traits={"seen": "Pricing"}))
    (lead,) = stack.simulator.state()["contacts"]
    assert lead["role"] == "lead"
    stack.send("/v1/identify", call("identify", "u-1"))
    assert_delivered(stack.send("/v1/alias", call("alias", "u-1", previousId="visitor")), stack)
    user = contact(stack, "u-1")
    assert stack.simulator.state()["merged_contacts"] == [{"id": lead["id"], "into": user["id"]}]


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_page_and_screen_are_skipped(stack, kind):
    assert_delivered(stack.send(f"/v1/{kind}", call(kind, "u-1", name="Pricing")), stack)
    assert stack.simulator.requests() == []


def test_delete(stack):
    stack.send("/v1/identify", call("identify", "u-1"))
    assert stack.send_webhook("/webhook", call("delete", "u-1")).status == 200
    assert contact(stack, "u-1") is None
    assert stack.simulator.state()["deleted_contacts"][0]["external_id"] == "u-1"


def test_direct_invocation(stack):
    answer, error = stack.invoke(call("identify", "u-1"))
    assert error is None
    assert [result["status"] for result in answer["results"]] == ["delivered"]
    assert contact(stack, "u-1")


# Preview


def test_preview_shows_the_actions_of_every_kind_and_sends_nothing(stack):
    traits = {"email": "ada@example.com", "company": {"id": "acme"}}
    events = {
        "identify": call("identify", "u-1", traits=traits),
        "group": call("group", "u-1", groupId="acme"),
        "track": call("track", "u-1", event="Signed Up"),
        "page": call("page", "u-1", name="Pricing"),
        "screen": call("screen", "u-1", name="Home"),
        "alias": call("alias", "u-1", previousId="visitor"),
        "delete": call("delete", "u-1"),
        "teleport": call("teleport", "u-1"),
    }
    expected = {
        "identify": ("would_deliver", ["upsert_contact", "upsert_company", "attach_company"]),
        "group": ("would_deliver", ["upsert_contact", "upsert_company", "attach_company"]),
        "track": ("would_deliver", ["create_event"]),
        "page": ("would_skip", []),
        "screen": ("would_skip", []),
        "alias": ("would_deliver", ["merge_contact"]),
        # Segment itself may, and what it sends is seen here too.
        "delete": ("would_deliver", ["delete_contact"]),
        "teleport": ("would_reject", []),
    }
    answer = stack.send("/v1/preview", list(events.values()))
    assert answer.status == 200
    results = answer.json()["results"]
    assert [result["messageId"] for result in results] == [event["messageId"] for event in events.values()]
    seen = {
        result["type"]: (result["status"], [action["action"] for action in result["actions"]]) for result in results
    }
    assert seen == expected
    for kind, event in events.items():
        single = stack.send("/v1/preview", event).json()["results"]
        assert [(result["type"], result["status"]) for result in single] == [(kind, expected[kind][0])]
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0


# Bytes and keys


def test_gzip_under_a_text_type_arrives_whole(stack):
    body = gzip.compress(json.dumps({"batch": [call("identify", "u-1", traits={"name": "Žofie 🎉"})]}).encode())
    headers = {"content-type": "text/plain", **stack.authorization()}
    answer = stack.request("POST", stack.endpoint + "/v1/b", body, headers)
    assert_delivered(answer, stack)
    assert contact(stack, "u-1")["name"] == "Žofie 🎉"


def test_a_wrong_write_key_is_refused(stack):
    body = json.dumps(call("identify", "u-1")).encode()
    for headers in ({}, stack.authorization("wrong")):
        answer = stack.request("POST", stack.endpoint + "/v1/identify", body, headers)
        assert answer.status == 401
        assert {"code", "message", "error"} <= answer.json().keys()
    assert stack.simulator.requests() == []


def test_broken_json_is_refused(stack):
    answer = stack.request("POST", stack.endpoint + "/v1/identify", b'{"userId":', stack.authorization())
    assert answer.status == 400
    assert {"code", "message", "error"} <= answer.json().keys()


def test_a_browser_is_answered_with_cors_headers(stack):
    origin = {"origin": "https://shop.example"}
    asked = stack.request("OPTIONS", stack.endpoint + "/v1/track", headers=origin)
    assert asked.status in (200, 204)
    refused = stack.request("POST", stack.endpoint + "/v1/track", b"{}", origin)
    assert refused.status == 401
    for answer in (asked, refused):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_health(stack):
    answer = stack.request("GET", stack.endpoint + "/health")
    assert (answer.status, answer.json()["status"]) == (200, "ok")


def test_a_signed_webhook_is_taken_and_an_unsigned_one_is_not(stack):
    event = call("identify", "u-1")
    unsigned = stack.request("POST", stack.endpoint + "/webhook", json.dumps(event).encode())
    assert unsigned.status == 401
    assert contact(stack, "u-1") is None
    signed = stack.send_webhook("/webhook", event)
    assert signed.status == 200
    assert [result["status"] for result in signed.json()["results"]] == ["delivered"]
    assert contact(stack, "u-1")


# When something fails


def test_an_outage_loses_nothing_and_keeps_the_order(stack):
    users = ["u-1", "u-2"]
    names = [f"Step {number}" for number in range(5)]
    stack.simulator.fail(kind="status", status=503)
    for user in users:
        assert stack.send("/v1/identify", call("identify", user, traits={"plan": "free"})).json() == SUCCESS
    for name in names:
        for user in users:
            assert stack.send("/v1/track", call("track", user, event=name)).json() == SUCCESS
    for user in users:
        assert stack.send("/v1/identify", call("identify", user, traits={"plan": "paid"})).json() == SUCCESS
    assert stack.waiting() == len(users) * (len(names) + 2)
    assert stack.simulator.state()["contacts"] == []

    stack.simulator.recover()
    assert stack.settle(90)
    for user in users:
        # Tracks have their own time, so they are sent side by side.
        assert sorted(events_of(stack, user)) == names
        assert contact(stack, user)["custom_attributes"] == {"plan": "paid"}
    assert stack.dead_letter_count() == 0


def test_an_event_waits_for_its_user(stack):
    assert stack.send("/v1/track", call("track", "u-1", event="Too Early")).json() == SUCCESS
    assert stack.waiting() == 1
    assert stack.send("/v1/identify", call("identify", "u-1")).json() == SUCCESS
    assert stack.settle(30)
    assert events_of(stack, "u-1") == ["Too Early"]
    assert stack.dead_letter_count() == 0


def test_an_event_whose_user_never_comes_is_rejected(stack):
    stack.send("/v1/track", call("track", "u-nobody", event="Lost"))
    assert stack.settle(60)
    (letter,) = stack.dead_letters()
    assert letter["body"]["event"]["event"] == "Lost"
    assert letter["attributes"]["status"] == "404"


def test_a_rejected_event_is_recorded_and_the_rest_of_its_batch_delivered(stack):
    batch = [call("identify", "u-1"), call("teleport", "u-2"), call("track", "u-1", event="Signed Up")]
    answer = stack.send("/v1/batch", {"batch": batch})
    assert (answer.status, answer.json()) == (200, SUCCESS)
    assert contact(stack, "u-1")
    assert events_of(stack, "u-1") == ["Signed Up"]
    (letter,) = stack.dead_letters()
    assert letter["body"]["source"] == "api"
    assert letter["body"]["event"]["type"] == "teleport"
    assert "teleport" in letter["attributes"]["reason"]
    assert "status" in letter["attributes"]


def test_an_event_too_large_is_rejected_within_a_batch_and_refused_alone(stack):
    large = call("track", "u-1", event="Large", properties={"text": "x" * 33 * 1024})
    assert stack.send("/v1/track", large).status == 400
    assert stack.send("/v1/batch", {"batch": [call("identify", "u-1"), large]}).status == 200
    assert contact(stack, "u-1")
    (letter,) = stack.dead_letters()
    assert letter["body"]["event"]["event"] == "Large"


def test_an_event_almost_as_large_as_a_request_reaches_the_dead_letter_queue(stack):
    large = call("track", "u-1", event="Large", properties={"text": "x" * 300 * 1024})
    answer = stack.send("/v1/batch", {"batch": [call("identify", "u-1"), large]})
    assert (answer.status, answer.json()) == (200, SUCCESS)
    assert contact(stack, "u-1")
    (letter,) = stack.dead_letters()
    assert letter["body"]["event"] == large
    assert "32 KB" in letter["attributes"]["reason"]


def test_one_message_that_fails_does_not_hold_up_the_others_of_its_batch(stack):
    stack.simulator.fail(kind="status", status=503, match={"body_contains": "u-stuck"})
    for user in ("u-stuck", "u-1", "u-2"):
        message = {
            "v": 1, "source": "api", "receivedAt": "2999-01-01T00:00:00Z", "event": call("identify", user),
        }
        stack.aws("sqs").send_message(
            QueueUrl=stack.outputs["RetryQueueUrl"], MessageBody=json.dumps(message),
            MessageGroupId=user, MessageDeduplicationId=message["event"]["messageId"])
    stack.wait_for(lambda: contact(stack, "u-1") and contact(stack, "u-2"), "the others of the batch delivered")
    assert contact(stack, "u-stuck") is None
    assert stack.waiting() == 1
    stack.simulator.recover()
    assert stack.settle(30)
    assert contact(stack, "u-stuck")
    assert stack.dead_letter_count() == 0


def test_no_secret_is_ever_logged(stack):
    secret = stack.secret
    stack.send("/v1/identify", call("identify", "u-1"))
    stack.simulator.fail(kind="status", status=401, times=1)
    stack.send("/v1/identify", call("identify", "u-2"))
    assert stack.settle(30)
    log = "\n".join(event["message"] for event in stack.log_events())
    assert log
    for value in (secret["access_token"], secret["api_secret"], secret["webhook_secret"], *secret["write_keys"]):
        assert value not in log
