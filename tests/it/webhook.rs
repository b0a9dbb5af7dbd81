//! Segment's webhooks, classic and Actions.

use intercom_simulator::Fault;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http::{Answer, Call, signature, signed, webhook};
use crate::support::World;

fn identify(user_id: &str) -> Value {
    json!({"type": "identify", "messageId": format!("m-{user_id}"), "userId": user_id})
}

async fn send(world: &World, events: &Value) -> Answer {
    signed(&events.to_string()).send(world).await
}

#[tokio::test]
async fn each_event_of_a_webhook_has_its_result() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("u2"));
    let page = json!({"type": "page", "userId": "u1", "messageId": "p"});
    let unknown = json!({"type": "teleport", "userId": "u1", "messageId": "t"});
    let events = json!([identify("u1"), identify("u2"), page, unknown, {"type": "track"}]);
    let answer = send(&world, &events).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["success"], true);
    let results = answer.body["results"].as_array().expect("results");
    // It came without one: the results name the event's SHA-256.
    let given = json!(hex::encode(Sha256::digest(r#"{"type":"track"}"#)));
    for (result, (id, kind, status)) in results.iter().zip([
        (json!("m-u1"), "identify", "delivered"),
        (json!("m-u2"), "identify", "queued"),
        (json!("p"), "page", "skipped"),
        (json!("t"), "teleport", "rejected"),
        (given, "track", "rejected"),
    ]) {
        let seen = (&result["messageId"], &result["type"], &result["status"]);
        assert_eq!(seen, (&id, &json!(kind), &json!(status)), "{result}");
        let has_reason = result["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty());
        assert_eq!(has_reason, status != "delivered", "{result}");
    }
    assert_eq!(results.len(), 5);
}

#[tokio::test]
async fn an_array_is_signed_as_a_whole_or_over_its_first_element() {
    let elements = [
        r#"{ "type":"identify", "userId" : "u1"}"#,
        r#"{"type":"page"}"#,
    ];
    let array = format!("[ {} , {} ]", elements[0], elements[1]);
    for (strict, signed, status) in [
        ("false", &*array, 200),
        ("false", elements[0], 200),
        ("false", elements[1], 401),
        ("true", &array, 200),
        ("true", elements[0], 401),
    ] {
        let world = World::new(&[("STRICT_WEBHOOK_SIGNATURE", strict)]).await;
        let answer = webhook(&array, signed).send(&world).await;
        assert_eq!(answer.status, status, "strict: {strict}, signed: {signed}");
        let is_delivered = !world.intercom.state().contacts.is_empty();
        assert_eq!(is_delivered, status == 200);
    }
}

#[tokio::test]
async fn a_single_event_is_signed_over_its_raw_bytes() {
    let world = World::new(&[]).await;
    let body = "{\"type\":\"identify\", \"userId\":\"u1\"}\n";
    assert_eq!(webhook(body, body).send(&world).await.status, 200);
    let upper_case = Call::post("/webhook").bytes(body.as_bytes());
    let upper_case = upper_case.header("X-Signature", &signature(body).to_uppercase());
    assert_eq!(upper_case.send(&world).await.status, 200);
}

#[tokio::test]
async fn a_webhook_without_the_right_signature_is_refused() {
    let world = World::new(&[]).await;
    let body = identify("u1").to_string();
    let call = || Call::post("/webhook").bytes(body.as_bytes());
    for call in [
        call(),
        call().header("X-Signature", ""),
        call().header("X-Signature", "not hex"),
        call().header("X-Signature", &signature("{}")),
        call().header("X-Signature", &signature(&body)[..38]),
        webhook("{", "}"),
        webhook("[]", "{}"),
        webhook("[]", ""),
    ] {
        call.send(&world).await.assert_error(401, "unauthorized");
    }
    assert!(world.intercom.requests().is_empty());
}

#[tokio::test]
async fn broken_json_in_a_signed_webhook_is_answered_400() {
    let world = World::new(&[]).await;
    for body in ["{", "", "[{}"] {
        let answer = webhook(body, body).send(&world).await;
        answer.assert_error(400, "invalid_json");
    }
}

#[tokio::test]
async fn webhooks_may_be_put_and_patched() {
    let world = World::new(&[]).await;
    for method in ["POST", "PUT", "PATCH"] {
        let body = identify(method).to_string();
        let call = Call::new(method, "/webhook/").bytes(body.as_bytes());
        let answer = call
            .header("X-Signature", &signature(&body))
            .send(&world)
            .await;
        assert_eq!(answer.status, 200, "{method}");
    }
    assert_eq!(world.intercom.state().contacts.len(), 3);
}

#[tokio::test]
async fn when_every_event_is_rejected_the_senders_log_shows_the_reason() {
    let world = World::new(&[]).await;
    let events = json!([{"type": "teleport", "messageId": "m1"}, 7]);
    let answer = send(&world, &events).await;
    answer.assert_error(400, "rejected");
    let reason = &answer.body["results"][0]["reason"];
    assert!(
        reason
            .as_str()
            .is_some_and(|reason| reason.contains("teleport"))
    );
    assert_eq!(&answer.body["message"], reason);
    assert_eq!(answer.body["results"][1]["status"], "rejected");
    assert_eq!(world.aws().dead_letter.len(), 2);
    assert_eq!(world.aws().dead_letter[0].body["source"], "webhook");
}

#[tokio::test]
async fn an_empty_array_and_skipped_events_are_fine() {
    let world = World::new(&[]).await;
    for (events, results) in [
        (json!([]), 0),
        (json!([{"type": "page", "userId": "u1"}]), 1),
    ] {
        let answer = send(&world, &events).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body["results"].as_array().map(Vec::len),
            Some(results)
        );
    }
}

#[tokio::test]
async fn segment_keeps_a_webhook_that_can_be_neither_delivered_nor_queued() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    world.aws().sqs_fails = true;
    let answer = send(&world, &json!([identify("u1")])).await;
    answer.assert_error(503, "unavailable");
    assert!(
        answer.body.get("results").is_none(),
        "there is no status for a lost event"
    );
}

/// Segment's Actions webhook sends up to 4,000 events at once, and doesn't try a 400 again.
#[tokio::test]
async fn a_webhook_is_not_held_to_the_limits_of_the_tracking_api() {
    let world = World::new(&[]).await;
    let page = json!({"type": "page", "userId": "u1", "filler": "x".repeat(200)});
    let answer = send(&world, &json!(vec![page; 4_000])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["results"].as_array().map(Vec::len), Some(4_000));
}

#[tokio::test]
async fn user_hashes_are_for_browsers_only() {
    let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
    let answer = send(&world, &identify("u1")).await;
    assert_eq!(answer.body["results"][0]["status"], "delivered");
}
