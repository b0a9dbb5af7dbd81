//! Messages of the retry queue: order, delays, waiting, giving up.

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::support::{Sent, World, payload_of, sqs_event};

fn message(user_id: &str, id: &str, event: Value) -> Sent {
    let mut event = event;
    event["userId"] = json!(user_id);
    event["messageId"] = json!(id);
    payload_of(user_id, id, &event, chrono::Utc::now())
}

fn identify(user_id: &str, id: &str) -> Sent {
    message(
        user_id,
        id,
        json!({"type": "identify", "traits": {"name": id}}),
    )
}

fn track(user_id: &str, id: &str) -> Sent {
    let event = json!({"type": "track", "event": id, "timestamp": "2026-11-23T12:00:00Z"});
    message(user_id, id, event)
}

impl World {
    fn queue(&self, messages: impl IntoIterator<Item = Sent>) {
        self.aws().retry.extend(messages);
    }

    /// The messageIds in the retry queue.
    fn queued(&self) -> Vec<String> {
        let aws = self.aws();
        let ids = aws.retry.iter().map(|m| m.event()["messageId"].as_str());
        ids.map(|id| id.expect("an id").to_owned()).collect()
    }

    fn event_names(&self) -> Vec<String> {
        let events = self.intercom.state().events;
        events.into_iter().map(|event| event.name).collect()
    }
}

fn failures(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().expect("failures");
    failures
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().expect("text"))
        .collect()
}

#[tokio::test]
async fn a_failure_keeps_its_users_later_messages_and_no_other() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(
        Fault::status(503)
            .body_contains("\"u1\"")
            .on("POST", "/contacts"),
    );
    world.queue([
        identify("u1", "a"),
        identify("u2", "b"),
        track("u1", "c"),
        track("u2", "d"),
    ]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["0", "2"]);
    assert_eq!(world.event_names(), ["d"]);
    let delays: Vec<i64> = world.aws().hidden.iter().map(|(_, delay)| *delay).collect();
    assert_eq!(delays.len(), 2);
    assert_eq!(delays[0], delays[1], "both come back together");
    world.intercom.clear_faults();
    let answer = world.redeliver(2).await;
    assert!(failures(&answer).is_empty());
    assert_eq!(world.event_names(), ["d", "c"]);
}

#[tokio::test]
async fn delays_grow_with_each_try() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "4"), ("RETRY_MAX_SECONDS", "100")]).await;
    world.intercom.add_fault(Fault::status(503));
    for (count, allowed) in [(1, 2..=4), (2, 6..=12), (3, 18..=36), (9, 50..=100)] {
        world.aws().retry.clear();
        world.aws().hidden.clear();
        world.queue([identify("u", "a")]);
        world.redeliver(count).await;
        let seconds = world.aws().hidden[0].1;
        assert!(allowed.contains(&seconds), "try {count}: {seconds}");
    }
}

#[tokio::test]
async fn a_429_is_not_repeated_before_its_time() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "1")]).await;
    world
        .intercom
        .add_fault(Fault::status(429).retry_after(120));
    world.queue([identify("u", "a")]);
    world.redeliver(1).await;
    let seconds = world.aws().hidden[0].1;
    assert!((120..=122).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn after_a_429_a_message_waits_until_the_window_is_over_not_until_its_named_reset() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "1")]).await;
    let reset = (chrono::Utc::now().timestamp() + 60).to_string();
    let fault = Fault::status(429).header("X-RateLimit-Reset", &reset);
    world.intercom.add_fault(fault);
    world.queue([identify("u", "a")]);
    world.redeliver(1).await;
    // No window lasts longer than ten seconds.
    let seconds = world.aws().hidden[0].1;
    assert!((9..=12).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_first_retry_of_what_failed_in_its_request_waits_as_long_as_intercom_asked() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "1")]).await;
    let fault = Fault::status(429).retry_after(120).times(1);
    world.intercom.add_fault(fault);
    let identify = json!({"type": "identify", "messageId": "a", "userId": "u"});
    let track = json!({"type": "track", "messageId": "b", "userId": "u", "event": "E"});
    let body = json!({"batch": [identify, track]});
    assert_eq!(world.call("/v1/batch", &body).await.0, 200);
    let messages = world.aws().retry.clone();
    let calls = world.intercom.requests().len();
    let first = sqs_event(&messages, 1);
    let answer = world.invoke(&first).await.expect("an answer");
    assert_eq!(failures(&answer), ["0", "1"]);
    let delays: Vec<i64> = world.aws().hidden.iter().map(|h| h.1).collect();
    for delay in &delays {
        assert!((118..=121).contains(delay), "{delays:?}");
    }
    assert_eq!(
        world.intercom.requests().len(),
        calls,
        "nothing is tried early"
    );
}

#[tokio::test]
async fn an_event_is_given_up_by_its_age() {
    let world = World::new(&[("RETRY_HOURS", "2")]).await;
    world
        .intercom
        .add_fault(Fault::status(503).code("service_unavailable"));
    let old = chrono::Utc::now() - chrono::Duration::hours(3);
    let event = json!({"type": "identify", "messageId": "old", "userId": "u"});
    world.queue([payload_of("u", "old", &event, old), identify("v", "young")]);
    world.redeliver(1).await;
    assert_eq!(world.queued(), ["young"]);
    let aws = world.aws();
    let reason = aws.dead_letter[0].attribute("reason").expect("a reason");
    assert!(reason.starts_with("given up after 2 hours: "), "{reason}");
    assert_eq!(aws.dead_letter[0].attribute("status"), Some("503"));
}

#[tokio::test]
async fn a_message_that_is_none_of_ours_goes_to_the_dead_letter_queue_alone() {
    let world = World::new(&[]).await;
    let mut broken = identify("u", "a");
    broken.body = json!({"foo": 1});
    world.queue([broken, identify("u", "b")]);
    let answer = world.redeliver(1).await;
    assert!(failures(&answer).is_empty());
    assert_eq!(world.aws().dead_letter[0].body, json!({"foo": 1}));
    assert_eq!(world.intercom.state().contacts.len(), 1);
}

#[tokio::test]
async fn an_event_waits_for_the_identify_behind_it_in_the_batch() {
    let world = World::new(&[]).await;
    world.queue([track("u", "a"), track("u", "b"), identify("u", "c")]);
    let answer = world.redeliver(1).await;
    assert!(failures(&answer).is_empty(), "{answer}");
    assert_eq!(world.event_names(), ["a", "b"]);
}

#[tokio::test]
async fn an_event_waits_for_the_identify_eleven_messages_behind_it() {
    let world = World::new(&[]).await;
    let events = (0..11).map(|n| track("u", &format!("t{n:02}")));
    world.queue(events.chain([identify("u", "i")]));
    world.redeliver(1).await;
    // All but the last of the batch go to the end; so the identify comes closer.
    assert_eq!(world.queued()[..3], ["t09", "t10", "i"]);
    world.redeliver(2).await;
    world.redeliver(1).await;
    assert_eq!(world.queued(), Vec::<String>::new());
    let mut names = world.event_names();
    names.sort();
    assert_eq!(
        names,
        (0..11).map(|n| format!("t{n:02}")).collect::<Vec<_>>()
    );
    assert!(world.aws().dead_letter.is_empty());
}

#[tokio::test]
async fn a_message_moved_to_the_end_of_its_group_keeps_its_age_under_a_fresh_id() {
    let world = World::new(&[]).await;
    let before = track("u", "a");
    world.queue([before.clone(), track("u", "b")]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["1"]);
    assert_eq!(world.queued(), ["b", "a"]);
    let after = world.aws().retry[1].clone();
    assert_eq!(after.body["receivedAt"], before.body["receivedAt"]);
    assert_eq!(after.group_id, before.group_id);
    assert_ne!(after.deduplication_id, before.deduplication_id);
}

#[tokio::test]
async fn an_event_whose_user_never_comes_is_rejected() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "60")]).await;
    let old = chrono::Utc::now() - chrono::Duration::seconds(61);
    let event = json!({"type": "track", "messageId": "a", "userId": "u", "event": "E"});
    world.queue([payload_of("u", "a", &event, old)]);
    world.redeliver(1).await;
    assert!(world.queued().is_empty());
    let aws = world.aws();
    let reason = aws.dead_letter[0].attribute("reason").expect("a reason");
    assert!(
        reason.contains("given up after 60 seconds: Intercom does not know"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_waiting_event_does_not_hide_the_failure_of_the_identify_behind_it() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).on("GET", "/contacts/find_by_external_id"));
    world.queue([track("u", "a"), identify("u", "b")]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["1"]);
    assert_eq!(world.queued(), ["b", "a"]);
}

#[tokio::test]
async fn nothing_is_lost_while_the_queues_cannot_be_written() {
    let world = World::new(&[]).await;
    world.aws().sqs_fails = true;
    let unknown = message("u", "x", json!({"type": "no such type"}));
    world.queue([unknown, track("v", "a"), track("v", "b")]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_message_delivered_twice_changes_nothing() {
    let world = World::new(&[]).await;
    let messages = [identify("u", "a"), track("u", "b")];
    for _ in 0..2 {
        world.queue(messages.clone());
        world.redeliver(1).await;
    }
    let state = world.intercom.state();
    assert_eq!((state.contacts.len(), state.events.len()), (1, 1));
}

#[tokio::test]
async fn an_outage_of_twenty_minutes_loses_nothing_and_keeps_the_order() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    let users = ["u1", "u2", "u3"];
    for round in 0..5 {
        let batch: Vec<Value> = users
            .iter()
            .map(|user| {
                json!({"type": "identify", "userId": user, "messageId": format!("{user}-{round}"),
                    "traits": {"round": round}})
            })
            .collect();
        let (status, _) = world.call("/v1/batch", &json!({"batch": batch})).await;
        assert_eq!(status, 200);
        let queued = world.queued();
        world.redeliver(round + 1).await;
        assert_eq!(world.queued(), queued, "the order stays");
        world.intercom.advance(std::time::Duration::from_secs(300));
    }
    world.intercom.clear_faults();
    while !world.queued().is_empty() {
        world.redeliver(6).await;
    }
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 3);
    for contact in state.contacts {
        assert_eq!(contact.custom_attributes["round"], 4);
    }
    assert!(world.aws().dead_letter.is_empty());
}
