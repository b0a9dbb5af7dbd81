//! Anonymous people as leads, with a search that lags.

use std::time::Duration;

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::support::World;

async fn world() -> World {
    World::new(&[("ANONYMOUS", "lead"), ("UNKNOWN_USER_SECONDS", "3600")]).await
}

fn visitor(id: &str) -> Value {
    json!({"type": "identify", "messageId": id, "anonymousId": "a", "traits": {"seen": id}})
}

fn alias() -> Value {
    json!({"type": "alias", "messageId": "alias", "previousId": "a", "userId": "u"})
}

#[tokio::test]
async fn an_alias_waits_until_search_shows_its_lead() {
    let world = world().await;
    world.intercom.set(|s| s.search_lag_seconds = 60);
    world.batch(&[visitor("1")]).await;
    let another = world.another_instance(&[("ANONYMOUS", "lead")]);
    let answer = crate::support::invoke(&another, &alias()).await;
    let answer = answer.expect("results");
    assert_eq!(answer["results"][0]["status"], "queued", "{answer}");
    world.intercom.advance(Duration::from_secs(61));
    world.redeliver(2).await;
    let state = world.intercom.state();
    assert_eq!(state.merged_contacts.len(), 1, "{:?}", world.reasons());
    assert_eq!(state.contacts.len(), 1);
}

/// Not the first event that makes a contact ends the wait, but the one that makes what it waits for.
#[tokio::test]
async fn an_alias_waits_for_a_lead_that_only_a_later_event_of_its_batch_makes() {
    let world = world().await;
    let user = json!({"type": "identify", "messageId": "u", "userId": "u", "traits": {}});
    world.batch(&[alias(), user, visitor("1")]).await;
    let state = world.intercom.state();
    assert_eq!(state.merged_contacts.len(), 1, "{:?}", world.reasons());
    assert_eq!(state.contacts.len(), 1);
    assert!(world.aws().retry.is_empty(), "nothing has to wait");
}

#[tokio::test]
async fn a_lead_that_a_timeout_made_twice_is_merged_as_a_whole() {
    let world = world().await;
    // Whoever comes first makes the attributes.
    let first = json!({"type": "identify", "anonymousId": "b", "traits": {"seen": "1"}});
    world.batch(&[first]).await;
    world.intercom.set(|s| s.search_lag_seconds = 60);
    let lost = Fault::reset().after().times(1).on("POST", "/contacts");
    let lost = lost.body_contains(r#""role":"lead""#);
    world.intercom.add_fault(lost);
    world.batch(&[visitor("1")]).await;
    world.redeliver(1).await;
    let contacts = world.intercom.state().contacts.len();
    assert_eq!(contacts, 3, "nothing tells that it was made");
    world.intercom.advance(Duration::from_secs(61));
    world.batch(&[alias()]).await;
    let state = world.intercom.state();
    assert_eq!(state.merged_contacts.len(), 2, "{:?}", world.reasons());
    assert_eq!(state.contacts.len(), 2);
}

#[tokio::test]
async fn a_lead_that_is_gone_is_not_written_to_for_ever() {
    let world = world().await;
    world.batch(&[visitor("1")]).await;
    world.intercom.reset();
    let event = json!({"type": "track", "messageId": "t", "anonymousId": "a", "event": "E"});
    world.batch(&[event]).await;
    assert_eq!(world.aws().waiting.len(), 1);
    world.batch(&[visitor("2")]).await;
    world.redeliver(2).await;
    let state = world.intercom.state();
    assert_eq!(
        (state.contacts.len(), state.events.len()),
        (1, 1),
        "{:?}",
        world.reasons()
    );
}

#[tokio::test]
async fn a_merge_that_intercom_refuses_is_rejected_with_its_reason() {
    let world = world().await;
    let refused = Fault::status(400).code("invalid_merge");
    world
        .intercom
        .add_fault(refused.on("POST", "/contacts/merge"));
    world.batch(&[visitor("1")]).await;
    world.batch(&[alias()]).await;
    let reasons = world.reasons();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("invalid_merge"), "{reasons:?}");
}

/// As when another instance merged it a moment ago.
#[tokio::test]
async fn a_lead_that_is_already_merged_is_as_good_as_merged() {
    for answer in [
        Fault::status(404).code("not_found"),
        Fault::status(410).code("contact_merged"),
    ] {
        let world = world().await;
        let name = format!("{answer:?}");
        world
            .intercom
            .add_fault(answer.on("POST", "/contacts/merge"));
        world.batch(&[visitor("1")]).await;
        world.batch(&[alias()]).await;
        assert!(world.reasons().is_empty(), "{name}: {:?}", world.reasons());
        assert!(world.aws().retry.is_empty(), "{name}");
    }
}

/// Or else every event of the visitor would make another one.
#[tokio::test]
async fn while_search_is_refused_no_lead_is_made() {
    let world = world().await;
    let refused = Fault::status(400).code("parameter_invalid");
    world
        .intercom
        .add_fault(refused.on("POST", "/contacts/search"));
    world.batch(&[visitor("1")]).await;
    assert_eq!(world.aws().retry.len(), 1);
    assert!(world.intercom.state().contacts.is_empty());
}
