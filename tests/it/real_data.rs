//! Odd but real data, from the request to Intercom and the queues.

use chrono::{DateTime, Utc};
use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::http::{Call, signature, signed};
use crate::support::World;

const BYTE_ORDER_MARK: &str = "\u{feff}";

fn identify(user_id: &str, message_id: &str) -> Value {
    json!({"type": "identify", "messageId": message_id, "userId": user_id})
}

async fn batch(world: &World, events: &[Value]) {
    let call = Call::post("/v1/batch").json(&json!({"batch": events}));
    call.send(world).await.assert_success();
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let world = World::new(&[]).await;
    let single = format!("{BYTE_ORDER_MARK}{}", identify("u1", "1"));
    let batch = format!(
        "{BYTE_ORDER_MARK}{}",
        json!({"batch": [identify("u2", "2")]})
    );
    for (path, body) in [("/v1/identify", &single), ("/v1/batch", &batch)] {
        let call = Call::post(path).bytes(body.as_bytes());
        call.send(&world).await.assert_success();
    }
    let first = identify("u3", "3").to_string();
    let array = format!("{BYTE_ORDER_MARK}[{first},{}]", identify("u4", "4"));
    for body in [&format!("{BYTE_ORDER_MARK}{}", identify("u5", "5")), &array] {
        assert_eq!(signed(body).send(&world).await.status, 200);
    }
    let of_first = Call::post("/webhook").without_key().bytes(array.as_bytes());
    let of_first = of_first.header("X-Signature", &signature(&first));
    assert_eq!(of_first.send(&world).await.status, 200);
    assert_eq!(world.intercom.state().contacts.len(), 5);
}

#[tokio::test]
async fn the_last_of_two_equal_keys_wins_also_after_the_queue() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503).times(1));
    let event = br#"{"userId":"u1","messageId":"m","traits":{"name":"A","plan":"x","name":"B"}}"#;
    Call::post("/v1/identify")
        .bytes(event)
        .send(&world)
        .await
        .assert_success();
    assert_eq!(world.aws().retry.len(), 1);
    world.redeliver(1).await;
    let state = world.intercom.state();
    assert_eq!(state.contacts[0].name.as_deref(), Some("B"));
}

#[tokio::test]
async fn a_delete_by_a_write_key_is_rejected_with_a_record() {
    let world = World::new(&[]).await;
    batch(&world, &[identify("u1", "1")]).await;
    let delete = json!({"type": "delete", "userId": "u1", "messageId": "d"});
    batch(&world, std::slice::from_ref(&delete)).await;
    assert_eq!(world.intercom.state().contacts.len(), 1);
    {
        let aws = world.aws();
        assert_eq!(aws.dead_letter[0].event(), &delete);
        let reason = aws.dead_letter[0].attribute("reason").expect("a reason");
        assert!(
            reason.contains("only Segment itself may delete"),
            "{reason}"
        );
    }
    // Moved back by an operator, it is still what it was.
    let letter = world.aws().dead_letter.remove(0);
    world.aws().retry.push(letter);
    world.redeliver(1).await;
    assert_eq!(world.intercom.state().contacts.len(), 1);
    assert_eq!(world.aws().dead_letter.len(), 1);
}

#[tokio::test]
async fn an_sdks_clock_is_corrected_and_a_retry_keeps_the_time() {
    let world = World::new(&[]).await;
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u1"}));
    world.intercom.add_fault(Fault::status(503).times(1));
    let fast = Utc::now() + chrono::Duration::hours(1);
    let at = |seconds: i64| (fast - chrono::Duration::seconds(seconds)).to_rfc3339();
    let event = json!({"type": "track", "event": "E", "userId": "u1", "messageId": "m",
        "timestamp": at(60)});
    let body = json!({"batch": [event], "sentAt": at(0)});
    let call = Call::post("/v1/batch").json(&body);
    call.send(&world).await.assert_success();
    let received_at = world.aws().retry[0].body["receivedAt"].clone();
    let received_at: DateTime<Utc> = serde_json::from_value(received_at).expect("a date");
    world.redeliver(1).await;
    let requests = world.intercom.requests();
    let sent = requests.iter().filter(|request| request.path == "/events");
    let times: Vec<i64> = sent
        .map(|request| request.request_body["created_at"].as_i64().expect("a time"))
        .collect();
    let expected = received_at.timestamp() - 60;
    assert_eq!(times.len(), 2);
    assert!(
        times
            .iter()
            .all(|time| (expected - 1..=expected).contains(time)),
        "{times:?} {expected}"
    );
    assert_eq!(times[0], times[1]);
}

#[tokio::test]
async fn visitors_who_share_an_id_of_nobody_share_no_group_and_no_memory() {
    let world = World::new(&[("DELIVERY_MODE", "queue"), ("ANONYMOUS", "lead")]).await;
    let visit = |anonymous_id: &str| {
        let mut event = identify("undefined", "m");
        event["anonymousId"] = anonymous_id.into();
        event
    };
    batch(&world, &[visit("a1"), visit("a2")]).await;
    let groups = |world: &World| -> Vec<String> {
        let aws = world.aws();
        aws.retry.iter().map(|sent| sent.group_id.clone()).collect()
    };
    assert_eq!(groups(&world), ["anonymous:a1", "anonymous:a2"]);
    assert_eq!(world.aws().retry[0].event()["userId"], "undefined");
    world.redeliver(1).await;
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 2, "{:?}", world.aws().dead_letter);
    assert!(state.contacts.iter().all(|contact| contact.role == "lead"));
}

#[tokio::test]
async fn an_id_of_nobody_is_skipped_with_its_name_and_the_setting() {
    let world = World::new(&[("IGNORED_USER_IDS", "visitor")]).await;
    let events = [identify("Visitor", "1"), identify("guest", "2")];
    let answer = signed(&json!(events).to_string()).send(&world).await;
    let results = &answer.body["results"];
    assert_eq!(results[0]["status"], "skipped");
    let reason = results[0]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("\"Visitor\"") && reason.contains("IGNORED_USER_IDS"),
        "{reason}"
    );
    assert_eq!(results[1]["status"], "delivered");
}
