//! Messages of the retry queue: order, delays, waiting, giving up.

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::support::{Sent, World, payload_of, sqs_event, waiting_event};

fn message(user_id: &str, id: &str, event: Value) -> Sent {
    let mut event = event;
    event["userId"] = json!(user_id);
    event["messageId"] = json!(id);
    payload_of(user_id, id, &event, chrono::Utc::now())
}

fn seconds_ago(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now() - chrono::Duration::seconds(seconds)
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
        let ids = aws.retry.iter().flat_map(Sent::message_ids);
        ids.map(str::to_owned).collect()
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

/// However often it was received: that tells nothing of how often it failed.
/// The failed one is first in its group, so the others wait as long as it does.
#[tokio::test]
async fn an_event_that_just_arrived_does_not_shorten_the_delay_of_the_one_that_failed() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    let event = json!({"type": "identify", "messageId": "old", "userId": "u"});
    let old = payload_of("u", "old", &event, seconds_ago(1_200));
    let due = (chrono::Utc::now() + chrono::Duration::seconds(4)).to_rfc3339();
    let just_arrived = Sent {
        attributes: json!({"notBefore": {"StringValue": due}}),
        ..identify("u", "new")
    };
    world.queue([old, just_arrived]);
    world.redeliver(1).await;
    let delays: Vec<i64> = world.aws().hidden.iter().map(|hidden| hidden.1).collect();
    assert_eq!(delays.len(), 2);
    assert!(delays.iter().all(|delay| *delay >= 400), "{delays:?}");
}

#[tokio::test]
async fn delays_grow_with_the_age_of_the_event() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "4"), ("RETRY_MAX_SECONDS", "100")]).await;
    world.intercom.add_fault(Fault::status(503));
    for (age, receives, allowed) in [
        (0, 7, 2..=4),
        (4, 1, 6..=14),
        (16, 2, 18..=38),
        (3600, 1, 50..=100),
    ] {
        world.aws().retry.clear();
        world.aws().hidden.clear();
        let event = json!({"type": "identify", "messageId": "a", "userId": "u"});
        world.queue([payload_of("u", "a", &event, seconds_ago(age))]);
        world.redeliver(receives).await;
        let seconds = world.aws().hidden[0].1;
        assert!(allowed.contains(&seconds), "age {age}: {seconds}");
    }
}

/// SQS would take it away, without a reason, after 1,000 receives.
#[tokio::test]
async fn receives_that_run_short_are_spread_over_the_time_that_is_left() {
    let world = World::new(&[("RETRY_MAX_SECONDS", "1"), ("RETRY_HOURS", "100")]).await;
    world.intercom.add_fault(Fault::status(429));
    for (receives, allowed) in [(499, 1..=120), (700, 1799..=1801)] {
        world.aws().retry.clear();
        world.aws().hidden.clear();
        world.queue([identify("u", "a"), track("u", "b")]);
        world.redeliver(receives).await;
        let seconds = world.aws().hidden[0].1;
        assert!(allowed.contains(&seconds), "{receives}: {seconds}");
        assert_eq!(seconds, world.aws().hidden[1].1);
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
async fn who_is_behind_an_event_that_is_given_up_is_tried_the_next_time() {
    let world = World::new(&[("RETRY_HOURS", "2")]).await;
    world.intercom.add_fault(Fault::status(503));
    let event = json!({"type": "identify", "messageId": "old", "userId": "u"});
    let old = payload_of("u", "old", &event, seconds_ago(3 * 3600));
    world.queue([old, track("u", "young")]);
    world.redeliver(1).await;
    assert_eq!(world.queued(), ["young"]);
    assert_eq!(world.aws().dead_letter.len(), 1);
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

/// However old they are: behind earlier ones nobody could have asked Intercom for their user.
#[tokio::test]
async fn an_event_waits_for_the_identify_eleven_messages_behind_it() {
    let world = World::new(&[]).await;
    let event = |n: usize| {
        let id = format!("t{n:02}");
        let event = json!({"type": "track", "userId": "u", "messageId": id, "event": id,
            "timestamp": "2026-11-23T12:00:00Z"});
        payload_of("u", &id, &event, seconds_ago(3600))
    };
    world.queue((0..11).map(event).chain([identify("u", "i")]));
    world.redeliver(1).await;
    assert_eq!(world.queued(), ["t10", "i"], "the others wait");
    world.redeliver(2).await;
    world.try_waiting().await;
    let mut names = world.event_names();
    names.sort();
    assert_eq!(
        names,
        (0..11).map(|n| format!("t{n:02}")).collect::<Vec<_>>()
    );
    assert!(world.aws().dead_letter.is_empty());
}

/// A message that waits, since so many seconds.
fn waiting(message: Sent, seconds: i64) -> Sent {
    let since = seconds_ago(seconds).to_rfc3339();
    Sent {
        attributes: json!({"waitingSince": {"StringValue": since}}),
        ..message
    }
}

#[tokio::test]
async fn an_event_of_an_unknown_user_waits_in_a_queue_of_its_own_and_keeps_its_age() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "12")]).await;
    let before = track("u", "a");
    world.queue([before.clone()]);
    let answer = world.redeliver(1).await;
    assert!(failures(&answer).is_empty());
    assert!(world.queued().is_empty());
    let after = world.aws().waiting[0].clone();
    assert_eq!(after.body, before.body);
    assert!((6..=12).contains(&after.delay_seconds));
    let since = |message: &Sent| {
        let since = message.attribute("waitingSince").expect("a time");
        chrono::DateTime::parse_from_rfc3339(since).expect("a time")
    };
    let waited = (chrono::Utc::now() - since(&after).to_utc()).num_seconds();
    assert!((0..=5).contains(&waited), "{waited}");
    // Each try that finds nobody sends it anew.
    world.try_waiting().await;
    let again = world.aws().waiting.clone();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].body, before.body);
    assert_eq!(since(&again[0]), since(&after));
    world.redeliver(1).await;
    world.queue([identify("u", "i")]);
    world.redeliver(1).await;
    world.try_waiting().await;
    assert_eq!(world.event_names(), ["a"]);
    assert!(world.aws().waiting.is_empty());
}

/// It is out of their order already, and its user may be the one whom they make.
#[tokio::test]
async fn an_event_that_waits_and_fails_goes_on_waiting() {
    let world = World::new(&[]).await;
    let fails = Fault::status(503).body_contains("waits");
    world.intercom.add_fault(fails);
    world.aws().waiting.push(waiting(track("u", "waits"), 9));
    world.aws().waiting.push(waiting(track("u", "after it"), 9));
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u"}));
    world.try_waiting().await;
    let left: Vec<String> = {
        let aws = world.aws();
        let ids = aws.waiting.iter().flat_map(Sent::message_ids);
        ids.map(str::to_owned).collect()
    };
    assert!(left.contains(&"waits".to_owned()), "{left:?}");
    world.intercom.clear_faults();
    world.intercom.advance(std::time::Duration::from_secs(60));
    world.try_waiting().await;
    let mut names = world.event_names();
    names.sort();
    assert_eq!(names, ["after it", "waits"]);
    assert!(world.queued().is_empty());
}

#[tokio::test]
async fn an_event_that_waits_is_asked_for_less_and_less_often() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "4")]).await;
    world.aws().waiting.push(waiting(track("u", "a"), 100));
    world.try_waiting().await;
    let seconds = world.aws().waiting[0].delay_seconds;
    assert!((100..=210).contains(&seconds), "{seconds}");
    // Not beyond the end of its wait, nor what SQS takes.
    world.aws().waiting = vec![waiting(track("u", "a"), 800)];
    world.try_waiting().await;
    let seconds = world.aws().waiting[0].delay_seconds;
    assert!((50..=101).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_delay_is_no_longer_than_sqs_takes() {
    let day = [
        ("UNKNOWN_USER_SECONDS", "86400"),
        ("RETRY_MAX_SECONDS", "43200"),
    ];
    let world = World::new(&day).await;
    world.aws().waiting.push(waiting(track("u", "a"), 40_000));
    world.try_waiting().await;
    assert_eq!(world.aws().waiting[0].delay_seconds, 900);
}

#[tokio::test]
async fn the_wait_begins_when_intercom_first_says_that_it_does_not_know_the_user() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "60")]).await;
    let old = |id: &str| {
        let event = json!({"type": "track", "messageId": id, "userId": id, "event": "E"});
        payload_of(id, id, &event, seconds_ago(7200))
    };
    world.queue([old("a"), waiting(old("b"), 59), waiting(old("c"), 61)]);
    world.redeliver(1).await;
    assert!(world.queued().is_empty());
    let aws = world.aws();
    let waiting: Vec<&str> = aws.waiting.iter().flat_map(Sent::message_ids).collect();
    assert_eq!(waiting, ["a", "b"]);
    assert_eq!(aws.dead_letter.len(), 1);
    assert_eq!(aws.dead_letter[0].event()["messageId"], "c");
    let reason = aws.dead_letter[0].attribute("reason").expect("a reason");
    assert!(
        reason.contains("given up after 60 seconds: Intercom does not know"),
        "{reason}"
    );
}

/// An identify that is still queued comes first.
#[tokio::test]
async fn a_wait_that_is_over_ends_behind_what_is_queued_of_whom_it_waits_for() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "60"), ("ANONYMOUS", "lead")]).await;
    world.queue([identify("u", "i")]);
    let alias = json!({"type": "alias", "previousId": "lead"});
    let alias = message("v", "alias", alias);
    world.aws().waiting = vec![waiting(track("u", "a"), 61), waiting(alias, 61)];
    let calls = world.calls().len();
    world.try_waiting().await;
    assert_eq!(world.calls().len(), calls, "it is tried there, not here");
    let groups: Vec<(String, String)> = {
        let aws = world.aws();
        let groups = aws.retry.iter();
        groups
            .map(|message| {
                (
                    message.message_ids()[0].to_owned(),
                    message.group_id.clone(),
                )
            })
            .collect()
    };
    let of = |id: &str, group: &str| (id.to_owned(), group.to_owned());
    assert_eq!(
        groups,
        [of("i", "u"), of("a", "u"), of("alias", "anonymous:lead")]
    );
    world.redeliver(1).await;
    assert!(world.queued().is_empty());
    assert_eq!(world.event_names(), ["a"]);
    assert!(world.aws().dead_letter.is_empty());
}

#[tokio::test]
async fn a_wait_ends_only_with_intercom_answering() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "60")]).await;
    world.intercom.add_fault(Fault::status(503));
    world.aws().waiting = vec![waiting(track("u", "a"), 61)];
    world.try_waiting().await;
    world.redeliver(1).await;
    assert_eq!(world.queued(), ["a"]);
    world.intercom.clear_faults();
    world.intercom.advance(std::time::Duration::from_secs(60));
    world.redeliver(2).await;
    assert!(world.queued().is_empty());
    assert_eq!(world.aws().dead_letter.len(), 1);
}

/// The user was there, or made, when the alias came: whoever archived the contact since meant it.
#[tokio::test]
async fn an_alias_that_waits_does_not_bring_back_a_user_who_was_archived_since() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let visit = json!({"type": "identify", "messageId": "v", "anonymousId": "visitor"});
    world.invoke(&visit).await.expect("results");
    let user = json!({"role": "user", "external_id": "u", "archived": true});
    world.intercom.seed_contact(user);
    let alias = json!({"type": "alias", "messageId": "a", "userId": "u", "previousId": "visitor"});
    let alias = |seconds| {
        let message = payload_of("u", "a", &alias, seconds_ago(seconds));
        waiting_event(&[waiting(message, seconds)])
    };
    let answer = world.invoke(&alias(9)).await.expect("an answer");
    assert!(failures(&answer).is_empty());
    assert_eq!(world.aws().waiting.len(), 1, "it waits on");
    let contacts = world.intercom.state().contacts;
    assert!(contacts.iter().any(|contact| contact.archived));
    assert!(!world.calls().iter().any(|call| call.contains("unarchive")));
}

/// As the version before left it: in a group of its own in the retry queue.
#[tokio::test]
async fn a_parked_event_of_the_version_before_moves_to_those_that_wait() {
    let world = World::new(&[]).await;
    let parked = |id: &str, waited: i64| Sent {
        group_id: "u#waiting".to_owned(),
        ..waiting(track("u", id), waited)
    };
    world.queue([parked("new", 9), parked("over", 901)]);
    let answer = world.redeliver(3).await;
    assert!(failures(&answer).is_empty());
    let aws = world.aws();
    assert_eq!(aws.waiting.len(), 1);
    assert_eq!(aws.waiting[0].message_ids(), ["new"]);
    assert_eq!(aws.dead_letter.len(), 1);
    assert_eq!(aws.dead_letter[0].message_ids(), ["over"]);
}

#[tokio::test]
async fn what_waits_and_can_not_be_sent_anew_stays() {
    let world = World::new(&[]).await;
    world.aws().sqs_fails = true;
    let batch = waiting_event(&[waiting(track("u", "a"), 9), waiting(track("v", "b"), 901)]);
    let answer = world.invoke(&batch).await.expect("an answer");
    assert_eq!(failures(&answer), ["0", "1"]);
}

/// A message that holds these events.
fn shared(user_id: &str, events: &[Sent], received_at: chrono::DateTime<chrono::Utc>) -> Sent {
    let mut shared = payload_of(user_id, "shared", &Value::Null, received_at);
    let events: Vec<&Value> = events.iter().map(Sent::event).collect();
    shared.body = json!({"v": 1, "source": "api", "receivedAt": received_at, "events": events});
    shared
}

#[tokio::test]
async fn events_that_share_a_message_stay_together_until_none_has_to_be_tried_again() {
    let world = World::new(&[]).await;
    let refused = Fault::status(422).code("parameter_invalid");
    world.intercom.add_fault(refused.body_contains("refused"));
    let fails = Fault::status(503).body_contains("later").times(1);
    world.intercom.add_fault(fails);
    let mut stranger = track("v", "stranger");
    stranger.body["event"]["userId"] = json!("v");
    let events = [
        identify("u", "first"),
        track("u", "refused"),
        stranger,
        track("u", "later"),
        track("u", "last"),
    ];
    world.queue([shared("u", &events, chrono::Utc::now())]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["0"]);
    assert_eq!(world.queued().len(), 5);
    assert!(world.aws().dead_letter.is_empty(), "nothing is moved yet");
    let answer = world.redeliver(2).await;
    assert!(failures(&answer).is_empty());
    let mut names = world.event_names();
    names.sort();
    assert_eq!(names, ["last", "later"]);
    assert!(world.queued().is_empty());
    let aws = world.aws();
    assert_eq!(aws.waiting[0].message_ids(), ["stranger"]);
    assert_eq!(aws.dead_letter.len(), 1);
    assert_eq!(aws.dead_letter[0].event()["messageId"], "refused");
}

#[tokio::test]
async fn events_that_share_a_message_are_given_up_together() {
    let world = World::new(&[("RETRY_HOURS", "2")]).await;
    world.intercom.add_fault(Fault::status(503));
    let events = [identify("u", "a"), track("u", "b"), track("u", "c")];
    world.queue([shared("u", &events, seconds_ago(3 * 3600))]);
    world.redeliver(1).await;
    assert!(world.queued().is_empty());
    let aws = world.aws();
    let records = aws.dead_letter.iter();
    let records: Vec<&str> = records.flat_map(Sent::message_ids).collect();
    assert_eq!(records, ["a", "b", "c"]);
    for record in &aws.dead_letter {
        let reason = record.attribute("reason").expect("a reason");
        assert!(reason.starts_with("given up after 2 hours: "), "{reason}");
    }
}

#[tokio::test]
async fn what_cannot_be_moved_in_time_stays_in_the_queue() {
    let world = World::new(&[]).await;
    let unknown = message("u", "x", json!({"type": "no such type"}));
    let batch = sqs_event(&[unknown, track("v", "a"), identify("w", "b")], 1);
    let warm_up = world.invoke_within(&batch, std::time::Duration::from_secs(30));
    warm_up.await;
    world.aws().sqs_delay = std::time::Duration::from_secs(60);
    let started = std::time::Instant::now();
    let limit = std::time::Duration::from_millis(6000);
    let answer = world.invoke_within(&batch, limit).await;
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert_eq!(failures(&answer), ["0", "1"]);
}

#[tokio::test]
async fn an_event_does_not_begin_to_wait_while_the_identify_behind_it_fails() {
    let world = World::new(&[]).await;
    let fails = Fault::status(503).on("GET", "/contacts/find_by_external_id");
    world.intercom.add_fault(fails);
    world.queue([track("u", "a"), identify("u", "b")]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["0", "1"]);
    assert_eq!(world.queued(), ["a", "b"]);
    world.intercom.clear_faults();
    world.redeliver(2).await;
    assert!(world.queued().is_empty());
    assert_eq!(world.intercom.state().events.len(), 1);
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
async fn what_cannot_be_moved_keeps_its_users_later_messages_behind_it() {
    let world = World::new(&[]).await;
    world.aws().sqs_fails = true;
    let unknown = message("u", "x", json!({"type": "no such type"}));
    world.queue([unknown, identify("u", "a"), identify("v", "b")]);
    let answer = world.redeliver(1).await;
    assert_eq!(failures(&answer), ["0", "1"]);
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

/// Tracks carry their own time: writes of contacts alone need order.
#[tokio::test]
async fn tracks_of_one_user_go_side_by_side_between_writes_of_the_contact() {
    let world = World::new(&[]).await;
    let event = |id: String, kind: &str| {
        let event = json!({"type": kind, "messageId": id, "userId": "u", "event": id,
            "traits": {"name": id}, "timestamp": "2026-11-23T12:00:00Z"});
        payload_of("u", &id, &event, chrono::Utc::now())
    };
    let mut messages = vec![event("i0".into(), "identify")];
    messages.extend((0..4).map(|n| event(format!("t{n}"), "track")));
    messages.push(event("i1".into(), "identify"));
    messages.extend((4..8).map(|n| event(format!("t{n}"), "track")));
    world.queue(messages);
    world.redeliver(1).await;
    assert!(world.queued().is_empty());
    let mut names = world.event_names();
    let write = world
        .calls()
        .iter()
        .rposition(|call| call == "PUT /contacts/:id")
        .expect("the second identify");
    let tracks = world.calls()[..write]
        .iter()
        .filter(|call| *call == "POST /events")
        .count();
    assert_eq!(tracks, 4, "none passes over a write: {:?}", world.calls());
    names[..4].sort();
    names[4..].sort();
    let expected: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn of_an_unknown_user_one_track_is_asked_for() {
    let world = World::new(&[]).await;
    world.queue((0..10).map(|n| track("u", &format!("t{n}"))));
    world.redeliver(1).await;
    assert_eq!(world.calls(), ["POST /events"]);
    assert_eq!(world.aws().waiting.len(), 10);
}

#[tokio::test]
async fn a_track_that_fails_is_tried_again_and_nothing_is_lost() {
    let world = World::new(&[]).await;
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u"}));
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("t3").times(1));
    world.queue((0..10).map(|n| track("u", &format!("t{n}"))));
    while !world.queued().is_empty() {
        world.redeliver(1).await;
        world.intercom.advance(std::time::Duration::from_secs(60));
    }
    let mut names = world.event_names();
    names.sort();
    names.dedup();
    let expected: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    assert_eq!(names, expected);
    assert!(world.aws().dead_letter.is_empty());
}

/// One after another they would take 16 s, of which a request has no more than 3.5.
#[tokio::test]
async fn a_requests_tracks_of_one_user_are_delivered_however_slow_each_is() {
    let world = World::new(&[]).await;
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u"}));
    let slow = Fault::hang(0.5).on("POST", "/events");
    world.intercom.add_fault(slow);
    let events: Vec<Value> = (0..33)
        .map(|n| {
            json!({"type": "track", "messageId": format!("m{n}"), "userId": "u", "event": "E",
                "timestamp": 1_760_000_000 + n})
        })
        .collect();
    world.batch(&events).await;
    assert!(world.queued().is_empty());
    assert_eq!(world.intercom.state().events.len(), 33);
}
