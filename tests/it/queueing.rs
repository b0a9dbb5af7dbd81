//! What is queued, how its messages look, and what happens when it can't be.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use intercom_simulator::Fault;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http::Call;
use crate::support::{Sent, WRITE_KEY, World};

fn identify(user_id: &str) -> Value {
    json!({"type": "identify", "messageId": format!("m-{user_id}"), "userId": user_id})
}

fn batch(events: &[Value]) -> Call {
    Call::post("/v1/batch").json(&json!({"batch": events}))
}

impl World {
    /// The only message of the retry queue.
    #[track_caller]
    fn only_queued(&self) -> Sent {
        let aws = self.aws();
        assert_eq!(aws.retry.len(), 1, "{:?}", aws.retry);
        aws.retry[0].clone()
    }
}

#[tokio::test]
async fn a_queued_event_is_kept_unmapped_in_our_envelope() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let event = json!({"type": "track", "messageId": "m1", "userId": "u1", "event": "Bought",
        "properties": {"Zebra": 1.50, "apple": [true, null, "ü"]}, "anything": {"else": 1}});
    let before = Utc::now();
    Call::post("/v1/track")
        .json(&event)
        .send(&world)
        .await
        .assert_success();
    let queued = world.only_queued();
    let keys: Vec<&String> = queued.body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["v", "source", "receivedAt", "event"]);
    assert_eq!(queued.body["v"], 1);
    assert_eq!(queued.body["source"], "api");
    let received_at = queued.body["receivedAt"].as_str().expect("text");
    let received_at = DateTime::parse_from_rfc3339(received_at).expect("RFC 3339");
    assert!(received_at >= before && received_at <= Utc::now());
    assert_eq!(
        queued.event().to_string(),
        event.to_string(),
        "the order of keys too"
    );
    assert_eq!((&*queued.group_id, queued.id()), ("u1", "m1"));
    assert!(queued.attributes.is_null(), "{}", queued.attributes);
}

#[tokio::test]
async fn the_write_key_never_gets_into_a_queue() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let with_key = |user: &str| {
        let mut event = identify(user);
        event["writeKey"] = WRITE_KEY.into();
        event
    };
    let event = with_key("u1");
    let in_batch = json!({"batch": [with_key("u2")], "writeKey": WRITE_KEY});
    Call::post("/v1/i")
        .json(&event)
        .without_key()
        .send(&world)
        .await
        .assert_success();
    Call::post("/v1/b")
        .json(&in_batch)
        .without_key()
        .send(&world)
        .await
        .assert_success();
    let bodies: Vec<String> = world
        .aws()
        .retry
        .iter()
        .map(|sent| sent.body.to_string())
        .collect();
    assert_eq!(bodies.len(), 2);
    assert!(!bodies.concat().contains(WRITE_KEY), "{bodies:?}");
}

#[tokio::test]
async fn a_message_is_grouped_by_its_user_and_deduplicated_by_its_message_id() {
    let track = |fields: Value| {
        let mut event = json!({"type": "track", "event": "e"});
        event
            .as_object_mut()
            .expect("an object")
            .extend(fields.as_object().cloned().expect("too"));
        event
    };
    let sha256 = |text: &str| hex::encode(Sha256::digest(text));
    let bare = track(json!({"userId": "u"}));
    let email = json!({"email": "a@example.com"});
    for (event, group, id) in [
        (
            track(json!({"messageId": "m", "userId": "u", "anonymousId": "a"})),
            "u",
            "m",
        ),
        (track(json!({"messageId": "m", "userId": 42})), "42", "m"),
        (
            track(json!({"messageId": "m", "anonymousId": "a", "properties": email})),
            "email:a@example.com",
            "m",
        ),
        (
            track(json!({"messageId": "m", "anonymousId": "a"})),
            "anonymous:a",
            "m",
        ),
        (bare.clone(), "u", &*sha256(&bare.to_string())),
        (
            track(json!({"messageId": "two words", "userId": "ü"})),
            &*sha256("ü"),
            &*sha256("two words"),
        ),
    ] {
        let world = World::new(&[("DELIVERY_MODE", "queue"), ("ANONYMOUS", "lead")]).await;
        Call::post("/v1/track")
            .json(&event)
            .send(&world)
            .await
            .assert_success();
        let queued = world.only_queued();
        assert_eq!((&*queued.group_id, queued.id()), (group, id), "{event}");
    }
}

#[tokio::test]
async fn what_intercom_refuses_is_recorded_with_its_answer() {
    let world = World::new(&[]).await;
    let refused = Fault::status(422)
        .code("parameter_invalid")
        .on("POST", "/contacts");
    world.intercom.add_fault(refused);
    batch(&[identify("u1")]).send(&world).await.assert_success();
    let aws = world.aws();
    let record = &aws.dead_letter[0];
    assert_eq!(record.body["v"], 1);
    assert_eq!(record.event(), &identify("u1"));
    assert_eq!(record.attribute("status"), Some("422"));
    let reason = record.attribute("reason").expect("a reason");
    assert!(reason.contains("parameter_invalid"), "{reason}");
    assert!(
        record
            .attribute("requestId")
            .is_some_and(|id| !id.is_empty())
    );
    assert!(aws.retry.is_empty());
}

#[tokio::test]
async fn in_queue_mode_intercom_is_not_called_and_order_is_kept() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let events: Vec<Value> = (0..25)
        .map(|n| json!({"type": "track", "messageId": n.to_string(), "userId": "u1", "event": "e"}))
        .collect();
    let page = json!({"type": "page", "userId": "u1"});
    let unknown = json!({"type": "teleport", "userId": "u1"});
    batch(&[&events[..], &[page, unknown]].concat())
        .send(&world)
        .await
        .assert_success();
    assert!(world.intercom.requests().is_empty());
    let aws = world.aws();
    let order: Vec<&str> = aws.retry.iter().map(Sent::id).collect();
    let expected: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    assert_eq!(order, expected);
    assert_eq!(aws.dead_letter.len(), 1, "only the unknown type");
}

#[tokio::test]
async fn what_fails_for_now_is_queued_and_the_rest_delivered() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("u2"));
    batch(&[identify("u1"), identify("u2"), identify("u3")])
        .send(&world)
        .await
        .assert_success();
    assert_eq!(world.intercom.state().contacts.len(), 2);
    assert_eq!(world.only_queued().event(), &identify("u2"));
}

#[tokio::test]
async fn the_sender_keeps_what_can_be_neither_delivered_nor_queued() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    world.aws().sqs_fails = true;
    let answer = batch(&[identify("u1")]).send(&world).await;
    answer.assert_error(503, "unavailable");
    let wait: u32 = answer
        .header("Retry-After")
        .expect("it")
        .parse()
        .expect("seconds");
    assert!(wait > 0);
}

#[tokio::test]
async fn the_sender_keeps_what_cannot_be_recorded() {
    let world = World::new(&[]).await;
    world.aws().sqs_fails = true;
    let unknown = json!({"type": "teleport", "userId": "u1"});
    let answer = batch(&[identify("u1"), unknown]).send(&world).await;
    answer.assert_error(503, "unavailable");
    batch(&[identify("u1")]).send(&world).await.assert_success();
}

/// Longer than a loaded machine needs for the 5 s that an answer may take.
const HANG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn after_the_budget_the_rest_is_queued_in_order() {
    let world = World::new(&[("INLINE_BUDGET_MS", "200")]).await;
    world
        .intercom
        .add_fault(Fault::hang(HANG.as_secs_f64()).body_contains("u1"));
    let event = json!({"type": "track", "messageId": "m2", "userId": "u1", "event": "e"});
    let started = Instant::now();
    batch(&[identify("u1"), event, identify("u2")])
        .send(&world)
        .await
        .assert_success();
    assert!(started.elapsed() < HANG);
    let aws = world.aws();
    let queued: Vec<&str> = aws.retry.iter().map(Sent::id).collect();
    assert_eq!(queued, ["m-u1", "m2"]);
    assert_eq!(
        world.intercom.state().contacts.len(),
        1,
        "another user isn't held up"
    );
}

#[tokio::test]
async fn a_hanging_intercom_is_answered_for_within_five_seconds() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::hang(HANG.as_secs_f64()));
    let started = Instant::now();
    Call::post("/v1/i")
        .json(&identify("u1"))
        .send(&world)
        .await
        .assert_success();
    assert!(started.elapsed() < HANG, "{:?}", started.elapsed());
    assert_eq!(world.only_queued().event(), &identify("u1"));
}

#[tokio::test]
async fn what_waits_for_its_user_goes_there_at_once_unless_another_event_has_to_be_retried() {
    let track = |id: &str| {
        json!({"type": "track", "messageId": id, "userId": "u1", "event": id,
        "timestamp": "2026-11-23T12:00:00Z"})
    };
    let mut fails = identify("u1");
    fails["messageId"] = json!("fails");
    fails["traits"] = json!({"name": "fails"});
    for (events, waiting, queued) in [
        (vec![track("waits")], vec!["waits"], vec![]),
        // What fails may bring its user: until that has been tried, its wait isn't over.
        (
            vec![track("waits"), fails, track("behind")],
            vec![],
            vec!["waits", "fails", "behind"],
        ),
    ] {
        let world = World::new(&[]).await;
        world
            .intercom
            .add_fault(Fault::status(503).body_contains("fails"));
        batch(&events).send(&world).await.assert_success();
        let aws = world.aws();
        let ids = |sent: &[Sent]| -> Vec<String> {
            let ids = sent.iter().flat_map(Sent::message_ids);
            ids.map(str::to_owned).collect()
        };
        assert_eq!((ids(&aws.waiting), ids(&aws.retry)), {
            let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect::<Vec<_>>();
            (owned(waiting), owned(queued))
        });
        for (messages, waits) in [(&aws.waiting, true), (&aws.retry, false)] {
            for message in messages {
                assert_eq!(message.attribute("waitingSince").is_some(), waits);
            }
        }
    }
}

/// The function answers 503, and the sender sends all of it once more.
#[tokio::test]
async fn what_was_queued_before_a_503_is_not_queued_again() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let events: Vec<Value> = (0..30)
        .map(|n| json!({"type": "track", "messageId": format!("m{n:02}"), "userId": "u", "event": "e"}))
        .collect();
    world.aws().sqs_calls_left = Some(2);
    batch(&events)
        .send(&world)
        .await
        .assert_error(503, "unavailable");
    let queued = world.aws().retry.iter().flat_map(Sent::events).count();
    assert_eq!(queued, 20);
    (world.aws().sqs_fails, world.aws().sqs_calls_left) = (false, None);
    batch(&events).send(&world).await.assert_success();
    let aws = world.aws();
    let ids: Vec<&str> = aws.retry.iter().flat_map(Sent::message_ids).collect();
    let sent = events.iter().map(|event| event["messageId"].as_str());
    assert_eq!(ids, sent.flatten().collect::<Vec<_>>());
}

#[tokio::test]
async fn what_comes_again_behind_a_queued_event_is_put_behind_it() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("u1"));
    batch(&[identify("u1")]).send(&world).await.assert_success();
    world.intercom.clear_faults();
    let mut later = identify("u1");
    later["messageId"] = json!("later");
    batch(&[identify("u1"), later, identify("u2")])
        .send(&world)
        .await
        .assert_success();
    let aws = world.aws();
    let ids: Vec<&str> = aws.retry.iter().flat_map(Sent::message_ids).collect();
    assert_eq!(ids, ["m-u1", "later"]);
    let contacts = world.intercom.state().contacts;
    assert_eq!(contacts.len(), 1, "only u2 is delivered at once");
}

#[tokio::test]
async fn a_call_of_sqs_takes_messages_of_ten_users() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let event = |n: usize| json!({"type": "track", "messageId": format!("m{n:03}"), "userId": format!("u{}", n % 100), "event": "e"});
    let events: Vec<Value> = (0..300).map(event).collect();
    batch(&events).send(&world).await.assert_success();
    let aws = world.aws();
    assert_eq!(aws.sqs_calls, 30);
    for user in 0..100 {
        let of_user = aws
            .retry
            .iter()
            .filter(|sent| sent.group_id == format!("u{user}"));
        let ids: Vec<&str> = of_user.flat_map(Sent::message_ids).collect();
        let expected = [user, 100 + user, 200 + user].map(|n| format!("m{n:03}"));
        assert_eq!(ids, expected);
    }
}

/// SQS refuses a message now and then and takes others of the same call. What it holds is handed
/// out at any moment, so it never holds a later event before the earlier one is there.
#[tokio::test]
async fn a_message_that_sqs_does_not_take_is_not_passed_by_later_ones_of_its_group() {
    for (events, refused) in [(5, ["m01", "m03"]), (35, ["m00", "m17"])] {
        let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
        let event = |user: &str, id: &str| json!({"type": "track", "messageId": id, "userId": user, "event": "e"});
        world.aws().refused_once = refused.map(str::to_owned).to_vec();
        let expected: Vec<String> = (0..events).map(|n| format!("m{n:02}")).collect();
        let others = ["a", "b", "c"].map(|user| event(user, user));
        let events: Vec<Value> = expected.iter().map(|id| event("u", id)).collect();
        batch(&[&events[..], &others].concat())
            .send(&world)
            .await
            .assert_success();
        let aws = world.aws();
        assert!(aws.refused_once.is_empty(), "{:?}", aws.refused_once);
        let of_user = aws.retry.iter().filter(|sent| sent.group_id == "u");
        let ids: Vec<&str> = of_user.flat_map(Sent::message_ids).collect();
        assert_eq!(ids, expected);
    }
}
