//! `POST /v1/preview`: what would be sent, and nothing is.

use serde_json::{Value, json};

use crate::http::Call;
use crate::support::{PUBLIC_WRITE_KEY, WRITE_KEY, World};

fn identify() -> Value {
    json!({"type": "identify", "messageId": "m1", "userId": "u1",
        "timestamp": "2026-11-23T12:00:00Z",
        "traits": {"email": "ada@example.com", "name": "Ada", "birthday": null,
            "company": {"id": "c1", "name": "Engines"}}})
}

async fn results(world: &World, body: &Value) -> Vec<Value> {
    let answer = Call::post("/v1/preview").json(body).send(world).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.body["results"].as_array().expect("results").clone();
    assert!(world.intercom.requests().is_empty(), "nothing may be sent");
    assert!(world.aws().retry.is_empty() && world.aws().dead_letter.is_empty());
    results
}

fn statuses(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .filter_map(|result| result["status"].as_str())
        .collect()
}

#[tokio::test]
async fn it_shows_every_action_and_warning() {
    let world = World::new(&[]).await;
    let results = results(&world, &identify()).await;
    assert_eq!(results.len(), 1);
    let result = &results[0];
    assert_eq!(result["messageId"], "m1");
    assert_eq!(result["type"], "identify");
    assert_eq!(result["status"], "would_deliver");
    assert!(result.get("reason").is_none());
    let identity = json!({"external_id": "u1"});
    assert_eq!(
        result["actions"],
        json!([
            {"action": "upsert_contact", "identity": identity, "contact": {"role": "user",
                "external_id": "u1", "email": "ada@example.com", "name": "Ada",
                "last_seen_at": 1_795_435_200}},
            {"action": "upsert_company", "company": {"company_id": "c1", "name": "Engines"}},
            {"action": "attach_company", "identity": identity, "company_id": "c1"},
        ])
    );
    let warnings = result["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]
            .as_str()
            .is_some_and(|line| line.contains("birthday"))
    );
}

#[tokio::test]
async fn it_takes_one_event_an_array_and_a_batch() {
    let world = World::new(&[]).await;
    let page = json!({"type": "page", "userId": "u1"});
    for (body, expected) in [
        (identify(), &["would_deliver"][..]),
        (json!([identify(), page]), &["would_deliver", "would_skip"]),
        (
            json!({"batch": [page, identify()]}),
            &["would_skip", "would_deliver"],
        ),
        (
            json!({"batch": [identify()], "integrations": {"All": false}}),
            &["would_skip"],
        ),
        (json!([]), &[]),
    ] {
        assert_eq!(statuses(&results(&world, &body).await), expected, "{body}");
    }
}

#[tokio::test]
async fn what_would_not_be_sent_has_a_reason_and_no_actions() {
    let world = World::new(&[]).await;
    let mut large = identify();
    large["filler"] = "x".repeat(33 * 1024).into();
    let body = json!([{"type": "page"}, {"type": "teleport"}, {"userId": "u1"}, 7, large]);
    let results = results(&world, &body).await;
    let expected = [
        "would_skip",
        "would_reject",
        "would_reject",
        "would_reject",
        "would_reject",
    ];
    assert_eq!(statuses(&results), expected);
    for result in results {
        assert!(
            result["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
        assert_eq!(result["actions"], json!([]));
        assert_eq!(result["warnings"], json!([]));
    }
}

#[tokio::test]
async fn a_servers_key_sees_what_segments_own_delete_does() {
    let world = World::new(&[]).await;
    let delete = json!({"type": "delete", "userId": "u1"});
    let by_server = results(&world, &delete).await;
    assert_eq!(statuses(&by_server), ["would_deliver"]);
    assert_eq!(
        by_server[0]["actions"],
        json!([{"action": "delete_contact", "identity": {"external_id": "u1"}}])
    );
    let call = Call::post("/v1/preview").with_key(PUBLIC_WRITE_KEY);
    let by_page = call.json(&delete).send(&world).await;
    assert_eq!(by_page.body["results"][0]["status"], "would_reject");
}

#[tokio::test]
async fn it_shows_what_the_settings_change() {
    let event = json!({"type": "track", "event": "e", "userId": "u1",
        "properties": {"a": {"b": 1}}});
    for (nested, metadata) in [
        ("drop", Value::Null),
        ("flatten", json!({"a_b": 1})),
        ("stringify", json!({"a": "{\"b\":1}"})),
    ] {
        let world = World::new(&[("NESTED", nested)]).await;
        let results = results(&world, &event).await;
        let action = &results[0]["actions"][0];
        assert_eq!(action["action"], "create_event");
        assert_eq!(action["event"]["metadata"], metadata, "{nested}");
    }
}

#[tokio::test]
async fn it_needs_a_key_which_may_stand_in_the_body() {
    let world = World::new(&[]).await;
    let mut event = identify();
    let call = |body: &Value| Call::post("/v1/preview").without_key().json(body);
    for body in [event.clone(), json!([event]), json!({"batch": [event]})] {
        call(&body)
            .send(&world)
            .await
            .assert_error(401, "unauthorized");
    }
    event["writeKey"] = WRITE_KEY.into();
    let batch = json!({"batch": [identify()], "writeKey": WRITE_KEY});
    for body in [event.clone(), json!([event]), batch] {
        let answer = call(&body).send(&world).await;
        assert_eq!(answer.status, 200, "{body}");
        assert!(!answer.body.to_string().contains(WRITE_KEY));
    }
}

#[tokio::test]
async fn an_event_copied_from_segment_is_shown_by_segments_rules() {
    let world = World::new(&[]).await;
    let copied = json!({"type": "track", "userId": "u1", "event": "E",
        "integrations": {"All": false, "Webhooks": true},
        "timestamp": "2026-11-23T12:00:00Z", "originalTimestamp": "2026-11-23T13:00:00Z",
        "sentAt": "2099-01-01T00:00:00Z", "receivedAt": "2026-11-23T12:00:01Z"});
    let mut sent = copied.clone();
    sent["receivedAt"].take();
    let results = results(&world, &json!([copied, sent])).await;
    assert_eq!(statuses(&results), ["would_deliver", "would_skip"]);
    assert_eq!(results[0]["timeRules"], "segment");
    assert_eq!(results[1]["timeRules"], "sdk");
    let event = &results[0]["actions"][0]["event"];
    assert_eq!(event["created_at"], 1_795_435_200);
}

/// Everything that makes an event fail and can be known beforehand is shown.
#[tokio::test]
async fn an_id_of_more_than_1000_bytes_would_be_rejected() {
    let world = World::new(&[]).await;
    let event = |bytes: usize| json!({"type": "track", "event": "E", "userId": "u".repeat(bytes)});
    let body = json!([event(1_000), event(1_001)]);
    let results = results(&world, &body).await;
    assert_eq!(statuses(&results), ["would_deliver", "would_reject"]);
}

/// Segment's own events have no limit of 32 KB, neither in an invocation nor in its preview.
#[tokio::test]
async fn a_large_event_of_segments_is_shown_as_it_is_delivered() {
    let world = World::new(&[]).await;
    let mut event = identify();
    event["traits"]["story"] = "x".repeat(33 * 1024).into();
    let delivered = world.invoke(&json!([event])).await.expect("an answer");
    assert_eq!(delivered["results"][0]["status"], "delivered");
    for (source, status) in [("webhook", "would_deliver"), ("api", "would_reject")] {
        let ask = json!({"preview": [event], "source": source});
        let shown = world.invoke(&ask).await.expect("an answer");
        assert_eq!(shown["results"][0]["status"], status, "{source}");
    }
}
