//! Events that come more than once.

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::http::{Answer, Call, signed};
use crate::support::{PUBLIC_WRITE_KEY, WRITE_KEY, World, invoke, payload_of, sqs_event};

fn track(user_id: &str, message_id: &str) -> Value {
    json!({"type": "track", "messageId": message_id, "userId": user_id, "event": "Signed Up",
        "timestamp": "2026-11-23T12:00:00Z"})
}

fn identify(user_id: &str, message_id: &str) -> Value {
    json!({"type": "identify", "messageId": message_id, "userId": user_id,
        "timestamp": "2026-11-23T12:00:00Z"})
}

/// A world whose Intercom knows `u1` and `u2`.
async fn world(variables: &[(&str, &str)]) -> World {
    let world = World::new(variables).await;
    for user in ["u1", "u2"] {
        let contact = json!({"role": "user", "external_id": user});
        world.intercom.seed_contact(contact);
    }
    world
}

async fn batch(world: &World, events: &[Value]) -> Answer {
    let call = Call::post("/v1/batch").json(&json!({"batch": events}));
    call.send(world).await
}

async fn webhook(world: &World, events: &Value) -> Answer {
    signed(&events.to_string()).send(world).await
}

impl World {
    /// How often an event was sent to Intercom.
    fn tracked(&self) -> usize {
        let requests = self.intercom.requests().into_iter();
        requests.filter(|request| request.path == "/events").count()
    }
}

/// Status and reason of each event.
fn fates(answer: &Value) -> Vec<(&str, &str)> {
    let results = answer["results"].as_array().expect("results").iter();
    results
        .map(|result| {
            let status = result["status"].as_str().expect("a status");
            (status, result["reason"].as_str().unwrap_or_default())
        })
        .collect()
}

#[tokio::test]
async fn twice_in_one_request_is_delivered_once() {
    let world = world(&[]).await;
    let events = [track("u1", "m1"), track("u1", "m2"), track("u1", "m1")];
    batch(&world, &events).await.assert_success();
    assert_eq!(world.tracked(), 2);
}

#[tokio::test]
async fn what_comes_again_in_the_next_request_is_not_delivered_again() {
    let world = world(&[]).await;
    for _ in 0..2 {
        batch(&world, &[track("u1", "m1")]).await.assert_success();
    }
    batch(&world, &[track("u1", "m2"), track("u1", "m1")])
        .await
        .assert_success();
    assert_eq!(world.tracked(), 2);
    assert!(world.aws().retry.is_empty() && world.aws().dead_letter.is_empty());
}

/// By whichever entry point each of them comes, as with Segment's own deduplication.
#[tokio::test]
async fn a_result_names_the_duplicate_and_what_became_of_the_first() {
    let world = world(&[]).await;
    let event = track("u1", "m1");
    let again = [(
        "skipped",
        "duplicate: an event with this messageId was already delivered",
    )];
    let bridged = json!({"detail-type": "track", "detail": event});
    for expected in [[("delivered", "")], again] {
        let by_webhook = webhook(&world, &event).await;
        assert_eq!(by_webhook.status, 200);
        assert_eq!(fates(&by_webhook.body), expected);
        for payload in [&event, &bridged] {
            let answer = world.invoke(payload).await.expect("an answer");
            assert_eq!(fates(&answer), expected);
        }
    }
    let twice = json!([track("u1", "m2"), track("u1", "m2")]);
    let answer = world.invoke(&twice).await.expect("an answer");
    assert_eq!(fates(&answer), [("delivered", ""), again[0]]);
    assert_eq!(world.tracked(), 4);
}

/// Whoever has a public key could otherwise send a messageId first, and the real event would be
/// the duplicate, here and in the queue.
#[tokio::test]
async fn nobody_spends_the_message_id_of_another_key_or_source() {
    for mode in ["inline", "queue"] {
        let world = world(&[("DELIVERY_MODE", mode)]).await;
        let other_key = "another-public-write-key";
        world.aws().secret["public_write_keys"] = json!([PUBLIC_WRITE_KEY, other_key]);
        let event = track("u1", "m1");
        for key in [PUBLIC_WRITE_KEY, other_key, WRITE_KEY] {
            for _ in 0..2 {
                let call = Call::post("/v1/track").json(&event).with_key(key);
                call.send(&world).await.assert_success();
            }
        }
        for _ in 0..2 {
            assert_eq!(webhook(&world, &event).await.status, 200);
        }
        if mode == "inline" {
            assert_eq!(world.tracked(), 4);
            continue;
        }
        let aws = world.aws();
        let ids: Vec<&str> = aws
            .retry
            .iter()
            .map(|sent| &*sent.deduplication_id)
            .collect();
        let [public, other, server, webhook] = ids[..] else {
            panic!("{ids:?}");
        };
        assert_eq!(webhook, "webhook:m1");
        let different: std::collections::HashSet<&str> = [public, other, server, webhook].into();
        assert_eq!(different.len(), 4, "{ids:?}");
        assert!(aws.retry.iter().all(|sent| sent.group_id == "u1"));
        for sent in &aws.retry {
            let message = format!("{sent:?}");
            for key in [PUBLIC_WRITE_KEY, other_key, WRITE_KEY] {
                assert!(!message.contains(key), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_message_id_of_another_user_is_another_event() {
    let world = world(&[]).await;
    batch(&world, &[track("u1", "m1"), track("u2", "m1")])
        .await
        .assert_success();
    assert_eq!(world.tracked(), 2);
}

#[tokio::test]
async fn events_without_a_message_id_are_no_duplicates() {
    let world = world(&[]).await;
    for id in [Value::Null, json!(""), json!(7)] {
        let mut event = track("u1", "");
        event["messageId"] = id;
        batch(&world, &[event.clone(), event])
            .await
            .assert_success();
    }
    assert_eq!(world.tracked(), 6);
}

#[tokio::test]
async fn what_is_queued_is_queued_once() {
    for mode in ["queue", "inline"] {
        let world = world(&[("DELIVERY_MODE", mode)]).await;
        world.intercom.add_fault(Fault::status(503));
        for _ in 0..2 {
            batch(&world, &[track("u1", "m1"), track("u1", "m1")])
                .await
                .assert_success();
        }
        assert_eq!(world.aws().retry.len(), 1, "{mode}");
    }
}

/// A 503 says that all of a request is to be sent again, and so does a failed invocation.
#[tokio::test]
async fn after_an_event_was_lost_the_whole_request_is_taken_again() {
    let world = world(&[]).await;
    let events = json!([track("u1", "m1"), track("u2", "m2"), track("u2", "m2")]);
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("u2"));
    world.aws().sqs_fails = true;
    batch(&world, events.as_array().expect("events"))
        .await
        .assert_error(503, "unavailable");
    webhook(&world, &events)
        .await
        .assert_error(503, "unavailable");
    world.invoke(&events).await.expect_err("m2 is lost");
    world.intercom.clear_faults();
    let tracked = world.tracked();
    let answer = webhook(&world, &events).await;
    let statuses: Vec<&str> = fates(&answer.body).into_iter().map(|fate| fate.0).collect();
    assert_eq!(statuses, ["delivered", "delivered", "skipped"]);
    assert_eq!(world.tracked(), tracked + 2);
}

/// Its second try came to another instance, where only the older half of it arrived.
#[tokio::test]
async fn a_repeat_leaves_no_older_event_on_top_of_a_newer_one() {
    let world = world(&[]).await;
    let another = world.another_instance(&[]);
    let name = |message_id: &str, name: &str| {
        let mut event = identify("u1", message_id);
        event["traits"] = json!({ "name": name });
        event
    };
    let events = json!([
        name("m1", "Old"),
        track("u1", "m2"),
        name("m3", "New"),
        track("u2", "m4")
    ]);
    world.aws().sqs_fails = true;
    for (instance, fails_for) in [(&world.function, "u2"), (&another, "New")] {
        let fault = Fault::status(503).body_contains(fails_for);
        world.intercom.add_fault(fault);
        let answer = invoke(instance, &events).await;
        answer.expect_err("an event is lost");
        world.intercom.clear_faults();
    }
    world.invoke(&events).await.expect("results");
    let contacts = world.intercom.state().contacts;
    assert_eq!(contacts[0].name.as_deref(), Some("New"));
}

/// An event that Intercom refuses may have had an effect before: its contact was written, its
/// company refused. Segment's log must not show that the repeat went well.
#[tokio::test]
async fn the_duplicate_of_a_rejected_event_is_rejected_without_another_record() {
    let world = world(&[]).await;
    let refused = Fault::status(422).code("parameter_invalid");
    world.intercom.add_fault(refused.body_contains("teapot"));
    let mut event = identify("u1", "m1");
    event["traits"] = json!({"name": "teapot"});
    let first = webhook(&world, &json!([event, event])).await;
    first.assert_error(400, "rejected");
    let again = webhook(&world, &event).await;
    again.assert_error(400, "rejected");
    let duplicate = (
        "rejected",
        "duplicate: an event with this messageId was already rejected",
    );
    assert_eq!(fates(&first.body)[1], duplicate);
    assert_eq!(fates(&again.body), [duplicate]);
    assert_eq!(world.aws().dead_letter.len(), 1);
}

/// Whoever tries an event out sees each time why it isn't sent.
#[tokio::test]
async fn what_is_never_sent_to_intercom_has_its_own_reason_each_time() {
    let world = world(&[]).await;
    let page = json!({"type": "page", "messageId": "m1", "userId": "u1"});
    let unknown = json!({"type": "teleport", "messageId": "m2", "userId": "u1"});
    let first = webhook(&world, &json!([page, unknown])).await;
    let again = webhook(&world, &json!([page, unknown])).await;
    assert_eq!(fates(&first.body), fates(&again.body));
    let put_right = json!([track("u1", "m1"), track("u1", "m2")]);
    let put_right = webhook(&world, &put_right).await;
    assert_eq!(fates(&put_right.body), [("delivered", ""); 2]);
}

#[tokio::test]
async fn preview_shows_duplicates_and_remembers_nothing() {
    let world = world(&[]).await;
    let events = json!([track("u1", "m1"), track("u1", "m1")]);
    let preview = Call::post("/v1/preview").json(&events).send(&world).await;
    let statuses: Vec<&str> = fates(&preview.body)
        .into_iter()
        .map(|fate| fate.0)
        .collect();
    assert_eq!(statuses, ["would_deliver"; 2]);
    batch(&world, &[track("u1", "m1")]).await.assert_success();
    assert_eq!(world.tracked(), 1);
}

/// It was queued by us, and SQS sees to its duplicates.
#[tokio::test]
async fn a_message_of_the_retry_queue_is_no_duplicate_of_its_own_event() {
    let world = world(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    batch(&world, &[track("u1", "m1")]).await.assert_success();
    world.intercom.clear_faults();
    world.redeliver(1).await;
    let delivered = world.intercom.state().events.len();
    assert_eq!(delivered, 1);
    let message = payload_of("u1", "m1", &track("u1", "m1"), chrono::Utc::now());
    let tracked = world.tracked();
    world
        .invoke(&sqs_event(&[message], 2))
        .await
        .expect("an answer");
    assert_eq!(world.tracked(), tracked + 1);
}
