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
