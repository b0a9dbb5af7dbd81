//! Whose contact is whose: claims, changed user ids, look-alikes, deletions of the right one.

use intercom_simulator::{ContactSnapshot, Fault};
use serde_json::{Value, json};

use crate::support::World;

fn identify(user_id: &str, traits: &Value) -> Value {
    json!({"type": "identify", "userId": user_id, "traits": traits})
}

impl World {
    fn contact_of(&self, external_id: &str) -> Option<ContactSnapshot> {
        let contacts = self.intercom.state().contacts.into_iter();
        let is_user =
            |contact: &ContactSnapshot| contact.external_id.as_deref() == Some(external_id);
        contacts.into_iter().find(is_user)
    }

    async fn end(&self, event: &Value) -> (String, String) {
        let answer = self.invoke(event).await.expect("results");
        let result = &answer["results"][0];
        let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }
}

#[tokio::test]
async fn two_users_with_one_email_do_not_take_its_contact_from_each_other() {
    let world = World::new(&[]).await;
    let email = "e@example.com";
    world
        .intercom
        .seed_contact(json!({"role": "user", "email": email}));
    let named = |id: &str, name: &str| identify(id, &json!({"email": email, "name": name}));
    world.batch(&[named("u1", "Ann"), named("u2", "Bob")]).await;
    for (user, name) in [("u1", "Ann"), ("u2", "Bob")] {
        let contact = world.contact_of(user).expect("a contact of its own");
        assert_eq!(contact.name.as_deref(), Some(name));
    }
    for (user, name) in [("u1", "Anne"), ("u2", "Bobby")] {
        world.batch(&[named(user, name)]).await;
    }
    let tracks = ["u1", "u2"].map(|user| json!({"type": "track", "userId": user, "event": "E"}));
    world.batch(&tracks).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    assert_eq!(world.intercom.state().events.len(), 2);
    assert_eq!(
        world.contact_of("u1").expect("u1").name.as_deref(),
        Some("Anne")
    );
    assert_eq!(
        world.contact_of("u2").expect("u2").name.as_deref(),
        Some("Bobby")
    );
}

#[tokio::test]
async fn a_user_id_that_was_changed_in_intercom_is_not_changed_back() {
    let world = World::new(&[]).await;
    world.batch(&[identify("old", &json!({"name": "A"}))]).await;
    let id = world.contact_of("old").expect("the user").id;
    let intercom = world.intercom.base_url();
    let changed = reqwest::Client::new()
        .put(format!("{intercom}/contacts/{id}"))
        .bearer_auth("simulator-token")
        .header("Accept", "application/json")
        .json(&json!({"external_id": "new"}))
        .send();
    assert_eq!(changed.await.expect("an answer").status(), 200);
    world.batch(&[identify("old", &json!({"name": "B"}))]).await;
    assert_eq!(world.contact_of("new").expect("as it was changed").id, id);
    let old = world.contact_of("old").expect("a contact of its own");
    assert_eq!(old.name.as_deref(), Some("B"));
}

/// The Kelvin sign folds to the letter k.
#[tokio::test]
async fn an_email_that_only_looks_alike_writes_to_nobody_elses_contact() {
    for owner in [json!("other"), Value::Null] {
        let world = World::new(&[]).await;
        let mut other = json!({"role": "user", "email": "kim@example.com"});
        if !owner.is_null() {
            other["external_id"] = owner;
        }
        let other = world.intercom.seed_contact(other);
        let traits = json!({"email": "\u{212a}im@example.com", "name": "Mallory"});
        let by_email = json!({"type": "identify", "traits": traits});
        for event in [by_email, identify("mallory", &traits)] {
            world.invoke(&event).await.expect("results");
            let contacts = world.intercom.state().contacts;
            let other = contacts.iter().find(|contact| contact.id == other);
            let other = other.expect("the other");
            assert_eq!(other.name, None, "{event}");
            assert_ne!(other.external_id.as_deref(), Some("mallory"));
        }
    }
}

#[tokio::test]
async fn an_id_too_long_to_tell_apart_is_rejected() {
    let world = World::new(&[]).await;
    let other = json!({"role": "user", "external_id": "o", "email": "o@example.com"});
    world.intercom.seed_contact(other);
    for (bytes, expected) in [(1_000, "delivered"), (1_001, "rejected")] {
        let event = identify(&"u".repeat(bytes), &json!({"email": "o@example.com"}));
        let (status, reason) = world.end(&event).await;
        assert_eq!(status, expected, "{bytes}: {reason}");
    }
    assert!(world.calls().len() < 10, "{:?}", world.calls());
}

#[tokio::test]
async fn a_delete_by_an_email_that_several_share_deletes_none_and_says_why() {
    let world = World::new(&[]).await;
    for id in ["a", "b", "c"] {
        let sharing = json!({"role": "user", "external_id": id, "email": "e@example.com"});
        world.intercom.seed_contact(sharing);
    }
    let delete = json!({"type": "delete", "traits": {"email": "e@example.com"}});
    let (status, reason) = world.end(&delete).await;
    assert_eq!(status, "rejected");
    assert!(
        reason.contains("3 contacts") && reason.contains("userId"),
        "{reason}"
    );
    assert_eq!(world.intercom.state().contacts.len(), 3);
}

/// The company was deleted and made again, so that the id in the cache is another's.
#[tokio::test]
async fn who_leaves_a_company_that_was_made_again_is_no_member_any_more() {
    let world = World::new(&[]).await;
    let company = |company: Value| identify("u", &json!({"company": company}));
    world.batch(&[company(json!({"id": "c"}))]).await;
    let intercom = world.intercom.base_url();
    let id = world.intercom.state().companies[0].id.clone();
    let deleted = reqwest::Client::new()
        .delete(format!("{intercom}/companies/{id}"))
        .bearer_auth("simulator-token")
        .header("Accept", "application/json")
        .send();
    assert_eq!(deleted.await.expect("an answer").status(), 200);
    let another = world.another_instance(&[]);
    let joins = company(json!({"id": "c"}));
    crate::support::invoke(&another, &joins)
        .await
        .expect("results");
    assert_eq!(world.contact_of("u").expect("the user").companies, ["c"]);
    world
        .batch(&[company(json!({"id": "c", "remove": true}))])
        .await;
    let companies = world.contact_of("u").expect("the user").companies;
    assert!(companies.is_empty(), "{companies:?}");
}

#[tokio::test]
async fn a_search_that_takes_long_is_no_outage() {
    let world = World::new(&[]).await;
    let slow = Fault::hang(1.4).on("POST", "/contacts/search");
    world.intercom.add_fault(slow);
    let users: Vec<Value> = (0..8)
        .map(|n| json!({"type": "identify", "userId": format!("u{n}"), "messageId": n.to_string()}))
        .collect();
    world.batch(&users).await;
    assert!(world.aws().retry.is_empty());
    assert_eq!(world.external_ids().len(), 8);
}

#[tokio::test]
async fn a_late_identify_takes_one_call_unless_the_user_was_seen_before_it() {
    let now = chrono::Utc::now().timestamp();
    for (seen, expected, calls) in [
        (now - 60, now - 60, &["PUT /contacts/:id"][..]),
        (
            now - 7_200,
            now - 3_600,
            &["PUT /contacts/:id", "PUT /contacts/:id"],
        ),
    ] {
        let world = World::new(&[]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "u", "last_seen_at": seen}));
        // The contact is known by then, but not when Intercom saw the user.
        world
            .batch(&[json!({"type": "group", "userId": "u", "groupId": "c",
            "integrations": {"Intercom": {"active": false}}})])
            .await;
        let before = world.calls().len();
        let mut late = identify("u", &json!({"name": "A"}));
        late["timestamp"] = json!(now - 3_600);
        world.batch(&[late]).await;
        assert_eq!(world.calls()[before..], *calls);
        let contact = world.contact_of("u").expect("the user");
        assert_eq!(contact.last_seen_at, Some(expected));
        assert_eq!(contact.name.as_deref(), Some("A"));
    }
}

/// Nothing of a write that fits into no invocation would ever end.
#[tokio::test]
async fn identifies_that_name_many_companies_are_not_one_write() {
    let world = World::new(&[]).await;
    let events: Vec<Value> = (0..4)
        .map(|n| {
            let companies: Vec<Value> = (0..10).map(|c| json!(format!("{n}-{c}"))).collect();
            let mut event = identify("u", &json!({"companies": companies}));
            event["messageId"] = json!(n.to_string());
            event
        })
        .collect();
    world.batch(&events).await;
    let calls = world.calls();
    let writes = calls.iter().filter(|call| *call == "PUT /contacts/:id");
    assert_eq!(
        writes.count(),
        3,
        "each on its own, after the first was made"
    );
}

#[tokio::test]
async fn many_who_wait_for_one_user_are_asked_for_once_after_each_write() {
    let world = World::new(&[]).await;
    let mut events: Vec<Value> = (0..100)
        .map(|n| json!({"type": "track", "event": "E", "messageId": format!("t{n}"), "userId": "u", "timestamp": 1_760_000_000 + n}))
        .collect();
    let unknown = Fault::status(404).code("not_found").on("POST", "/events");
    world.intercom.add_fault(unknown);
    for n in 0..10 {
        events.push(json!({"type": "group", "messageId": format!("g{n}"), "userId": "u", "groupId": format!("c{n}")}));
        events.push(
            json!({"type": "track", "event": "F", "messageId": format!("f{n}"), "userId": "u"}),
        );
    }
    world.batch(&events).await;
    let calls = world.calls();
    let tracks = calls.iter().filter(|call| *call == "POST /events").count();
    assert!(tracks <= 30, "{tracks}");
}
