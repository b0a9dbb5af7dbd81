//! The customer's own rules, by every way in.

use std::fs;
use std::path::PathBuf;

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::http::{Call, signed};
use crate::senders::proven;
use crate::support::World;

/// A file of rules for a test, taken away at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str, rules: &Value) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.filters.json"));
        fs::write(&path, rules.to_string()).expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn rules() -> Value {
    json!({
        "filters": [
            {"title": "Only customers", "if": "context.plan = 'free'", "actions": [{"type": "DROP"}]},
            {"title": "No SSN", "if": "true",
                "actions": [{"type": "DROP_PROPERTIES", "fields": {"traits": ["ssn"]}}]},
        ],
        "transformations": [{"name": "Plan", "if": "type = 'identify'",
            "propertyRenames": [{"oldName": "plan_name", "newName": "plan"}]}],
    })
}

fn identify(id: &str) -> Value {
    json!({"type": "identify", "messageId": id, "userId": id,
        "traits": {"plan_name": "gold", "ssn": "123-45-6789"}})
}

fn free(id: &str) -> Value {
    json!({"type": "identify", "messageId": id, "userId": id, "context": {"plan": "free"}})
}

impl World {
    /// The custom attributes of the user with this id.
    fn attributes_of(&self, id: &str) -> Value {
        let state = self.intercom.state();
        let mut contacts = state.contacts.iter();
        let contact = contacts.find(|contact| contact.external_id.as_deref() == Some(id));
        contact.map_or(Value::Null, |contact| json!(contact.custom_attributes))
    }
}

#[tokio::test]
async fn every_way_in_is_filtered_alike() {
    let file = File::new("ways", &rules());
    let world = World::new(&[("FILTERS", file.path())]).await;
    let expected = json!({"plan": "gold"});
    let batch = json!({"batch": [identify("api"), free("free-api")]});
    assert_eq!(world.call("/v1/batch", &batch).await.0, 200);
    let answer = world
        .invoke(&json!([identify("direct"), free("free-direct")]))
        .await;
    let results = answer.expect("an answer")["results"].clone();
    assert_eq!(results[0]["status"], "delivered");
    assert_eq!(results[1]["status"], "skipped");
    assert_eq!(results[1]["reason"], "filter: Only customers");
    let bridge = json!({"version": "0", "detail-type": "identify", "detail": identify("bridge")});
    world.invoke(&bridge).await.expect("an answer");
    let events = json!([identify("hook"), free("free-hook")]).to_string();
    let answer = signed(&events).send(&world).await;
    assert_eq!(
        answer.body["results"][1]["reason"],
        "filter: Only customers"
    );
    for id in ["api", "direct", "bridge", "hook"] {
        assert_eq!(world.attributes_of(id), expected, "{id}");
        assert_eq!(
            world.attributes_of(&format!("free-{id}")),
            Value::Null,
            "{id}"
        );
    }
}

/// A queued event is as it came, and is filtered at its delivery, by the file of then.
#[tokio::test]
async fn a_queued_event_is_filtered_by_the_file_at_its_delivery() {
    let file = File::new("queued", &rules());
    let mode = [("FILTERS", file.path()), ("DELIVERY_MODE", "queue")];
    let world = World::new(&mode).await;
    let batch = json!({"batch": [identify("u1"), free("u2")]});
    assert_eq!(world.call("/v1/batch", &batch).await.0, 200);
    let queued: Vec<Value> = {
        let aws = world.aws();
        aws.retry.iter().map(|sent| sent.body.clone()).collect()
    };
    assert_eq!(queued.len(), 1, "what is dropped isn't queued: {queued:?}");
    assert_eq!(queued[0]["event"]["traits"], identify("u1")["traits"]);
    world.redeliver(1).await;
    assert_eq!(world.attributes_of("u1"), json!({"plan": "gold"}));
}

#[tokio::test]
async fn a_retried_event_is_filtered_like_a_fresh_one() {
    let file = File::new("retried", &rules());
    let world = World::new(&[("FILTERS", file.path())]).await;
    world.intercom.add_fault(Fault::status(503));
    assert_eq!(world.call("/v1/identify", &identify("u1")).await.0, 200);
    world.intercom.clear_faults();
    assert_eq!(world.aws().retry.len(), 1);
    world.redeliver(1).await;
    assert_eq!(world.attributes_of("u1"), json!({"plan": "gold"}));
}

#[tokio::test]
async fn preview_shows_what_the_rules_did() {
    let file = File::new("preview", &rules());
    let world = World::new(&[("FILTERS", file.path()), ("CONSENT_CATEGORIES", "Ads")]).await;
    let mut refused = identify("u3");
    refused["context"] = json!({"consent": {"categoryPreferences": {"Ads": false}}});
    let body = json!([identify("u1"), free("u2"), refused]);
    let answer = Call::post("/v1/preview").json(&body).send(&world).await;
    let results = &answer.body["results"];
    assert_eq!(results[0]["status"], "would_deliver");
    let contact = &results[0]["actions"][0]["contact"];
    assert_eq!(contact["custom_attributes"], json!({"plan": "gold"}));
    assert_eq!(
        results[0]["warnings"],
        json!([
            r#"trait "plan_name" renamed to "traits.plan" by the transformation "Plan""#,
            r#"trait "ssn" left out by the filter "No SSN""#,
        ])
    );
    for (place, reason) in [(1, "filter: Only customers"), (2, "no consent for Ads")] {
        assert_eq!(results[place]["status"], "would_skip");
        assert_eq!(results[place]["reason"], reason);
    }
}

/// A user_hash proves the user that the event named as it came.
#[tokio::test]
async fn a_rule_that_changes_the_user_takes_the_proof_away() {
    let rules = json!({"filters": [{"title": "F", "if": "true",
        "actions": [{"type": "DROP_PROPERTIES", "fields": {"": ["userId"]}}]}]});
    let file = File::new("proof", &rules);
    let variables = [("FILTERS", file.path()), ("REQUIRE_USER_HASH", "true")];
    let world = World::new(&variables).await;
    let event = json!({"type": "identify", "userId": "u1", "messageId": "m1",
        "traits": {"email": "victim@example.com", "name": "x"}});
    let event = proven(event, "u1");
    let call = Call::post("/v1/identify").with_origin("https://www.acme.example");
    let answer = call.json(&event).send(&world).await;
    assert_eq!(answer.status, 200);
    assert!(world.intercom.state().contacts.is_empty());
}

/// What the replay chooses its events by.
#[tokio::test]
async fn a_person_previews_what_meets_a_condition() {
    let file = File::new("condition", &rules());
    let world = World::new(&[("FILTERS", file.path())]).await;
    let events = json!([identify("u1"), identify("u2"), free("u3")]);
    let ask = json!({"preview": events, "if": "userId != 'u2' and context.plan = null"});
    let results = world.invoke(&ask).await.expect("an answer")["results"].clone();
    assert_eq!(results[0]["status"], "would_deliver");
    let contact = &results[0]["actions"][0]["contact"];
    assert_eq!(contact["custom_attributes"], json!({"plan": "gold"}));
    for place in [1, 2] {
        assert_eq!(results[place]["status"], "would_skip");
        let reason = "it doesn't meet the condition of \"if\"";
        assert_eq!(results[place]["reason"], reason);
    }
    let ask = json!({"preview": events, "if": "userId = oops\""});
    let error = world
        .invoke(&ask)
        .await
        .expect_err("no condition")
        .to_string();
    assert!(error.contains("at character 14"), "{error}");
}
