//! Direct invocation and EventBridge: results, and invocations that fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use intercom_simulator::{ClockMode, Fault, Settings, Simulator};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use test_support::function::{invoke, put_together};
use test_support::in_process::{self, Aws};
use test_support::simulated_aws::SimulatedAwsState;
use tokio::time::Instant;

use crate::support::World;

fn identify(user_id: &str) -> Value {
    json!({"type": "identify", "messageId": format!("m-{user_id}"), "userId": user_id})
}

fn event_bridge(event: &Value) -> Value {
    json!({"version": "0", "id": "1", "source": "aws.partner/segment.com/x", "detail-type": "track",
        "detail": event})
}

async fn failure(world: &World, payload: &Value) -> Diagnostic {
    world
        .invoke(payload)
        .await
        .expect_err("a failed invocation")
        .into()
}

#[tokio::test]
async fn each_event_has_its_result() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("u2"));
    let page = json!({"type": "page", "userId": "u1"});
    let payload = json!([identify("u1"), identify("u2"), page, {"type": "teleport"}, "no event"]);
    let answer = world.invoke(&payload).await.expect("an answer");
    let results = answer["results"].as_array().expect("results");
    let statuses: Vec<&str> = results
        .iter()
        .filter_map(|result| result["status"].as_str())
        .collect();
    assert_eq!(
        statuses,
        ["delivered", "queued", "skipped", "rejected", "rejected"]
    );
    let first = json!({"messageId": "m-u1", "type": "identify", "status": "delivered"});
    assert_eq!(results[0], first);
    let aws = world.aws();
    assert_eq!(aws.retry[0].body["source"], "direct");
    assert_eq!(aws.dead_letter.len(), 2);
}

/// The 5 s of the answer are HTTP's. AWS would do all of it again.
#[tokio::test]
async fn five_thousand_events_are_taken_in_one_go() {
    for users in [1, 5_000] {
        let world = World::new(&[]).await;
        world.intercom.add_fault(Fault::hang(20.0));
        world.aws().sqs_delay = Duration::from_millis(40);
        let events: Vec<Value> = (0..5_000)
            .map(|n| {
                let mut event = identify(&format!("u{}", n % users));
                event["messageId"] = json!(format!("m{n}"));
                event["traits"] = json!({"filler": "x".repeat(900)});
                event
            })
            .collect();
        let limit = Duration::from_secs(25);
        let answer = world.invoke_within(&json!(events), limit).await;
        let results = answer["results"].as_array().expect("results");
        let queued = results.iter().filter(|result| result["status"] == "queued");
        assert_eq!(queued.count(), 5_000, "{users} users");
        let queued: usize = world.aws().retry.iter().map(|m| m.events().len()).sum();
        assert_eq!(queued, 5_000, "{users} users");
    }
}

/// Sixteen tracks of the user at once, 150 ms each: within the function's time, and Intercom's limit.
#[tokio::test(start_paused = true)]
async fn all_tracks_of_one_user_are_delivered_while_intercom_is_healthy() {
    const START_UNIX_SECONDS: u64 = 1_760_000_000;
    let start = Instant::now();
    let intercom = Simulator::start(Settings {
        rate_limit: 1_667,
        clock: ClockMode::Runtime {
            start_unix_seconds: START_UNIX_SECONDS,
        },
        ..Settings::default()
    });
    intercom.seed_contact(json!({"role": "user", "external_id": "u1"}));
    intercom.add_fault(Fault::hang(0.09));
    let aws = SimulatedAwsState::new(move || start.elapsed(), 0);
    let clock = in_process::clock(start, START_UNIX_SECONDS);
    let url = "https://intercom.example";
    let (to_intercom, to_aws) = (
        in_process::intercom(&intercom, 0),
        Aws(Arc::new(Mutex::new(aws))),
    );
    let function = put_together(&[], url, to_intercom, url, to_aws, clock);
    let track = |n| {
        json!({"type": "track", "messageId": format!("m{n}"), "userId": "u1", "event": "Scrolled",
            "timestamp": 1_759_900_000 + n})
    };
    let events: Vec<Value> = (0..2_500).map(track).collect();
    let answer = invoke(&function, &json!(events)).await.expect("an answer");
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 2_500);
    let others = results
        .iter()
        .filter(|result| result["status"] != "delivered");
    assert_eq!(others.count(), 0);
    assert_eq!(intercom.state().events.len(), 2_500);
}

#[tokio::test]
async fn an_event_of_eventbridge_is_taken_from_its_detail() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let answer = world
        .invoke(&event_bridge(&identify("u1")))
        .await
        .expect("an answer");
    assert_eq!(answer["results"][0]["status"], "queued");
    let aws = world.aws();
    assert_eq!(aws.retry[0].body["source"], "eventbridge");
    assert_eq!(aws.retry[0].event(), &identify("u1"));
}

#[tokio::test]
async fn the_invocation_fails_when_an_event_can_be_neither_delivered_nor_queued() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    world.aws().sqs_fails = true;
    for payload in [
        identify("u1"),
        json!([identify("u1")]),
        event_bridge(&identify("u1")),
    ] {
        assert_eq!(failure(&world, &payload).await.error_type, "EventsLost");
    }
    let unknown = failure(&world, &json!({"type": "teleport"})).await;
    assert_eq!(
        unknown.error_type, "EventsLost",
        "rejected, but not recorded"
    );
    let skipped = world
        .invoke(&json!({"type": "page"}))
        .await
        .expect("an answer");
    assert_eq!(skipped["results"][0]["status"], "skipped");
}

#[tokio::test]
async fn the_invocation_fails_without_an_access_token_or_a_secret() {
    let world = World::new(&[]).await;
    world.aws().secret = json!("broken");
    assert_eq!(
        failure(&world, &identify("u1")).await.error_type,
        "SecretUnavailable"
    );
    world.aws().secret = json!({});
    let error = failure(&world, &identify("u1")).await;
    assert_eq!(error.error_type, "NotConfigured");
    assert!(error.error_message.contains("access_token"));
}

#[tokio::test]
async fn a_payload_that_is_none_of_ours_is_named_without_its_values() {
    let world = World::new(&[]).await;
    for (payload, named) in [
        (json!({"foo": "private", "bar": 2}), "\"foo\", \"bar\""),
        (
            json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": "private"}]}),
            "aws:kinesis",
        ),
        (
            json!({"requestContext": {"elb": {}}, "path": "private"}),
            "requestContext",
        ),
        (json!({"userId": "private"}), "userId"),
        (json!("private"), "a string"),
    ] {
        let error = failure(&world, &payload).await;
        assert_eq!(error.error_type, "UnknownTrigger");
        assert!(
            error.error_message.contains(named),
            "{}",
            error.error_message
        );
        assert!(
            !error.error_message.contains("private"),
            "{}",
            error.error_message
        );
    }
}
