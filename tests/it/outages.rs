//! An Intercom that hangs, and a function that is set up wrongly.

use intercom_simulator::Fault;
use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_function_that_is_set_up_wrongly_rejects_nothing() {
    let faults = [
        Fault::status(301),
        Fault::status(308),
        Fault::status(405),
        Fault::status(400).code("intercom_version_invalid"),
        // Not Intercom's words, but those of a proxy.
        Fault::status(404).code(""),
    ];
    for fault in faults {
        let name = format!("{fault:?}");
        let world = World::new(&[]).await;
        world.intercom.add_fault(fault);
        let event = json!({"type": "track", "userId": "u", "event": "E"});
        let answer = world.invoke(&event).await.expect("results");
        let result = &answer["results"][0];
        assert_eq!(result["status"], "queued", "{name}: {result}");
        let reason = result["reason"].as_str().expect("a reason");
        assert!(reason.contains("INTERCOM_VERSION"), "{reason}");
    }
}

#[tokio::test]
async fn while_intercom_hangs_the_next_requests_are_queued_at_once() {
    let world = World::new(&[("INLINE_BUDGET_MS", "1200")]).await;
    world.intercom.add_fault(Fault::hang(30.0));
    let event = |id: &str| json!({"type": "track", "messageId": id, "userId": id, "event": "E"});
    world.batch(&[event("1")]).await;
    for id in ["2", "3", "4"] {
        world.batch(&[event(id)]).await;
    }
    assert_eq!(world.aws().retry.len(), 4);
    // Nobody waits for an answer without a call.
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn the_limit_of_event_names_is_named() {
    let world = World::new(&[]).await;
    world.intercom.set(|settings| settings.event_name_limit = 0);
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u"}));
    world
        .batch(&[json!({"type": "track", "userId": "u", "event": "E"})])
        .await;
    let reasons = world.reasons();
    assert!(reasons[0].contains("120 event names"), "{reasons:?}");
    assert!(reasons[0].contains("EVENT_FILTER"), "{reasons:?}");
}

#[tokio::test]
async fn an_event_refused_for_another_reason_than_its_name_names_that_one() {
    let world = World::new(&[]).await;
    let odd = Fault::status(400).code("odd").on("POST", "/events");
    world.intercom.add_fault(odd);
    world
        .batch(&[json!({"type": "track", "userId": "u", "event": "E"})])
        .await;
    let reasons = world.reasons();
    assert!(
        reasons[0].starts_with("Intercom answered 400 odd"),
        "{reasons:?}"
    );
}

/// Intercom wouldn't answer in time, which looks as if it hung.
#[tokio::test]
async fn without_time_for_it_no_call_is_made() {
    let world = World::new(&[("INLINE_BUDGET_MS", "45")]).await;
    let identify = |id: &str| [json!({"type": "identify", "messageId": id, "userId": id})];
    world.batch(&identify("a")).await;
    // The queue's invocation has time, and then the secret is known.
    world.redeliver(1).await;
    assert_eq!(world.external_ids(), ["a"]);
    let calls = world.calls().len();
    world.batch(&identify("b")).await;
    assert_eq!(world.aws().retry.len(), 1);
    assert_eq!(world.calls().len(), calls);
}

/// By its turn, the time for the answer would be over.
#[tokio::test]
async fn who_would_wait_too_long_for_the_rate_limit_is_queued_at_once() {
    let world = World::new(&[("INLINE_BUDGET_MS", "500")]).await;
    // Two calls are left for the next nine seconds, nearly both ours: 16 of 18 so far were.
    let reset = (chrono::Utc::now().timestamp() + 9).to_string();
    let answer = Fault::status(404).code("not_found").on("POST", "/events");
    let answer = answer.header("X-RateLimit-Limit", "20");
    let answer = answer.header("X-RateLimit-Remaining", "3");
    world
        .intercom
        .add_fault(answer.header("X-RateLimit-Reset", &reset));
    let track = |n: usize| json!({"type": "track", "messageId": format!("t{n}"), "userId": format!("u{n}"), "event": "E"});
    world.batch(&(0..16).map(track).collect::<Vec<_>>()).await;
    world.aws().retry.clear();
    // With this seed the jitter is above 0.6 each time, so its turn is more than 2.5 seconds off.
    fastrand::seed(1_359);
    let began = std::time::Instant::now();
    world
        .batch(&[json!({"type": "identify", "messageId": "i", "userId": "u"})])
        .await;
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    assert_eq!(world.aws().retry.len(), 1);
}
