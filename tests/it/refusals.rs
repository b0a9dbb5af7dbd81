//! A part of a write that Intercom refuses: it is left out, and costs nobody else anything.

use std::time::Duration;

use intercom_simulator::{Fault, Misfits};
use serde_json::{Value, json};

use crate::support::World;

fn identify(user_id: &str, traits: &Value) -> Value {
    json!({"type": "identify", "userId": user_id, "traits": traits})
}

impl World {
    /// Status, reason and warnings of the event, all as text.
    async fn outcome(&self, event: &Value) -> (String, String) {
        let answer = self.invoke(event).await.expect("results");
        let result = &answer["results"][0];
        let status = result["status"].as_str().expect("a status").to_owned();
        (status, result.to_string())
    }

    fn attributes(&self, user_id: &str) -> Value {
        let contacts = self.intercom.state().contacts;
        let of_user = |id: &Option<String>| id.as_deref() == Some(user_id);
        let contact = contacts
            .iter()
            .find(|contact| of_user(&contact.external_id));
        json!(contact.expect("the user").custom_attributes)
    }
}

/// A world in which `seats` is an integer and `tier` has options.
async fn world_of_types() -> World {
    let world = World::new(&[]).await;
    let intercom = world.intercom.base_url();
    let options = json!([{"value": "silver"}, {"value": "gold"}]);
    for body in [
        json!({"name": "seats", "model": "contact", "data_type": "integer"}),
        json!({"name": "tier", "model": "contact", "data_type": "options", "options": options}),
        json!({"name": "tier", "model": "company", "data_type": "options", "options": options}),
    ] {
        let sent = reqwest::Client::new()
            .post(format!("{intercom}/data_attributes"))
            .bearer_auth("simulator-token")
            .header("Accept", "application/json")
            .header("Intercom-Version", "2.16")
            .json(&body)
            .send();
        sent.await.expect("an answer");
    }
    world
}

#[tokio::test]
async fn a_misfitting_value_of_one_user_costs_no_other_users_value() {
    let world = world_of_types().await;
    world
        .batch(&[identify("odd", &json!({"seats": 1.5, "tier": "x"}))])
        .await;
    assert_eq!(world.attributes("odd"), json!({}));
    world
        .batch(&[identify("u", &json!({"seats": 3, "tier": "gold"}))])
        .await;
    assert_eq!(world.attributes("u"), json!({"seats": 3, "tier": "gold"}));
    // The very same value isn't tried again.
    let before = world.calls().len();
    world
        .batch(&[identify("odd", &json!({"seats": 1.5}))])
        .await;
    assert_eq!(world.calls()[before..], ["PUT /contacts/:id"]);
}

#[tokio::test]
async fn a_value_is_left_out_in_whatever_words_it_is_refused() {
    for misfits in [
        Misfits::Named,
        Misfits::NamedBeforeValue,
        Misfits::NamedAfterValue,
        Misfits::DoubleQuoted,
        Misfits::Unquoted,
        Misfits::FieldAlone,
        Misfits::Unnamed,
        Misfits::Ignored,
    ] {
        let world = world_of_types().await;
        world.intercom.set(|settings| settings.misfits = misfits);
        let traits = json!({"name": "A", "tier": "bronze", "seats": 3,
            "company": {"id": "c", "name": "C", "tier": "bronze"}});
        let (status, result) = world.outcome(&identify("u", &traits)).await;
        assert_eq!(status, "delivered", "{misfits:?}: {result}");
        let state = world.intercom.state();
        assert_eq!(state.contacts[0].name.as_deref(), Some("A"), "{misfits:?}");
        assert_eq!(state.contacts[0].companies, ["c"], "{misfits:?}");
        assert_eq!(state.companies[0].name.as_deref(), Some("C"), "{misfits:?}");
        let kept = if misfits == Misfits::Unnamed {
            json!({})
        } else {
            json!({"seats": 3})
        };
        assert_eq!(world.attributes("u"), kept, "{misfits:?}");
    }
}

/// The list only tells which attributes there are.
#[tokio::test]
async fn without_the_list_of_attributes_the_one_that_was_refused_is_made() {
    for status in [400, 403, 404, 422] {
        let world = World::new(&[]).await;
        let refused = Fault::status(status).on("GET", "/data_attributes");
        world.intercom.add_fault(refused);
        let traits = json!({"name": "A", "plan": "pro"});
        let (outcome, result) = world.outcome(&identify("u", &traits)).await;
        assert_eq!(outcome, "delivered", "{status}: {result}");
        assert_eq!(world.attributes("u"), json!({"plan": "pro"}), "{status}");
    }
}

#[tokio::test]
async fn while_the_list_of_attributes_fails_the_event_is_retried() {
    let world = World::new(&[]).await;
    let fails = Fault::status(500).on("GET", "/data_attributes").times(1);
    world.intercom.add_fault(fails);
    world.batch(&[identify("u", &json!({"plan": "pro"}))]).await;
    assert_eq!(world.aws().retry.len(), 1);
    world.redeliver(2).await;
    assert_eq!(world.attributes("u"), json!({"plan": "pro"}));
}

#[tokio::test]
async fn an_email_or_another_field_that_is_refused_is_left_out() {
    for (message, field) in [
        ("Email is invalid", Some("email")),
        ("email is invalid", None),
    ] {
        let mut refused = Fault::status(400)
            .code("parameter_invalid")
            .message(message);
        if let Some(field) = field {
            refused = refused.field(field);
        }
        for (method, path) in [("POST", "/contacts"), ("PUT", "/contacts/")] {
            let world = World::new(&[]).await;
            if method == "PUT" {
                world.batch(&[identify("u", &json!({}))]).await;
            }
            let refused = refused.clone().on(method, path);
            world
                .intercom
                .add_fault(refused.body_contains("odd@example"));
            let traits = json!({"name": "A", "email": "odd@example.com", "plan": "pro"});
            let (status, result) = world.outcome(&identify("u", &traits)).await;
            assert_eq!(status, "delivered", "{method}: {result}");
            let contact = &world.intercom.state().contacts[0];
            assert_eq!(contact.name.as_deref(), Some("A"));
            assert_eq!(contact.email, None);
            assert_eq!(world.attributes("u"), json!({"plan": "pro"}));
        }
    }
    let world = World::new(&[]).await;
    let refused = Fault::status(400)
        .message("website must be a URL")
        .on("POST", "/companies");
    world.intercom.add_fault(refused.body_contains("website"));
    let group = json!({"type": "group", "groupId": "c", "traits": {"name": "C", "website": "x"}});
    let (status, result) = world.outcome(&group).await;
    assert_eq!(status, "delivered", "{result}");
    assert_eq!(
        world.intercom.state().companies[0].name.as_deref(),
        Some("C")
    );
}

#[tokio::test]
async fn without_its_email_a_contact_that_is_known_by_nothing_else_is_not_made() {
    let world = World::new(&[]).await;
    let refused = Fault::status(400)
        .message("Email is invalid")
        .field("email");
    world.intercom.add_fault(refused.on("POST", "/contacts"));
    let event = json!({"type": "identify", "traits": {"email": "a@example.com", "name": "A"}});
    let (status, result) = world.outcome(&event).await;
    // POST /contacts/search is refused as well, and so nobody knows who is there.
    assert!(status == "rejected" || status == "queued", "{result}");
    assert!(world.intercom.state().contacts.is_empty());
}

#[tokio::test]
async fn an_attribute_whose_name_is_refused_is_made_under_a_cleaned_one() {
    let world = World::new(&[]).await;
    world
        .intercom
        .set(|settings| settings.strict_attribute_names = true);
    let price = |price: i64| identify("u", &json!({"price (EUR)": price, "a/b": "x"}));
    world.batch(&[price(1)]).await;
    assert_eq!(world.attributes("u"), json!({"price__EUR_": 1, "a_b": "x"}));
    let before = world.calls().len();
    world.batch(&[price(2)]).await;
    assert_eq!(world.calls()[before..], ["PUT /contacts/:id"]);
    assert_eq!(world.attributes("u"), json!({"price__EUR_": 2, "a_b": "x"}));
}

#[tokio::test]
async fn an_attribute_named_like_the_note_of_a_standard_one_is_kept() {
    let world = World::new(&[]).await;
    let traits = json!({"Name ": "x", "standard name": "y", "plan": "pro"});
    let mut event = identify("u", &traits);
    event["traits"]["role"] = json!("admin");
    world.batch(&[event]).await;
    assert_eq!(world.attributes("u")["standard name"], "y");
}

#[tokio::test]
async fn another_writer_is_met_in_whatever_words() {
    for (status, code, message) in [
        (404, "not_found", "User Not Found"),
        (404, "company_not_found", "Company Not Found"),
        (400, "", "already exists"),
        (409, "resource_conflict", "Resource conflict"),
        (409, "unique_company_constraint", "Company already exists."),
    ] {
        let world = World::new(&[]).await;
        for path in ["/contacts", "/companies"] {
            let race = Fault::race(status).code(code).message(message);
            world.intercom.add_fault(race.on("POST", path).times(1));
        }
        let traits = json!({"name": "A", "company": {"id": "c", "plan": "pro"}});
        let (outcome, result) = world.outcome(&identify("u", &traits)).await;
        assert_eq!(outcome, "delivered", "{status} {code}: {result}");
        let state = world.intercom.state();
        assert_eq!(state.contacts.len(), 1);
        assert_eq!(state.contacts[0].name.as_deref(), Some("A"));
        assert_eq!(state.contacts[0].companies, ["c"]);
        assert_eq!(state.companies[0].plan.as_deref(), Some("pro"));
    }
}

#[tokio::test]
async fn a_422_names_the_limit_of_event_names_only_where_intercom_does() {
    let world = World::new(&[]).await;
    let odd = Fault::status(422)
        .code("odd")
        .message("Odd metadata")
        .on("POST", "/events");
    world.intercom.add_fault(odd);
    let track = json!({"type": "track", "userId": "u", "event": "E"});
    let (status, result) = world.outcome(&track).await;
    assert_eq!(status, "rejected");
    assert!(!result.contains("120"), "{result}");
}

/// What a receive didn't even try is no failure of an event, however old that is.
#[tokio::test]
async fn what_was_not_tried_ends_nothing_and_waits_for_seconds() {
    let world = World::new(&[]).await;
    let old = chrono::Utc::now() - Duration::from_hours(100);
    let message = |n: usize| {
        let user = format!("u{n}");
        let event = json!({"type": "track", "event": "E", "userId": user, "messageId": user});
        crate::support::payload_of(&user, &user, &event, old)
    };
    let refused = Fault::status(429).without_rate_limit_headers();
    world.intercom.add_fault(refused);
    world.aws().retry.extend((0..10).map(message));
    world.redeliver(2).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    assert_eq!(world.aws().retry.len(), 10);
    let hidden = world.aws().hidden.clone();
    assert!(
        hidden.iter().all(|(_, seconds)| *seconds <= 10),
        "{hidden:?}"
    );
}
