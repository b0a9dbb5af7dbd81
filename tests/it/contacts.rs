//! Whose contact is whose: emails that several have, users who were deleted or merged, late news.

use std::time::Duration;

use intercom_simulator::{ContactSnapshot, Fault, TakenEmails};
use serde_json::{Value, json};

use crate::support::World;

fn identify(user_id: &str, traits: &Value) -> Value {
    json!({"type": "identify", "userId": user_id, "traits": traits})
}

impl World {
    fn contact(&self, external_id: &str) -> Option<ContactSnapshot> {
        let mut contacts = self.intercom.state().contacts.into_iter();
        contacts.find(|contact| contact.external_id.as_deref() == Some(external_id))
    }

    /// The status and reason of an event that the function is invoked with.
    async fn result(&self, event: &Value) -> (String, String) {
        let results = self.invoke(event).await.expect("results");
        let text = |key: &str| results["results"][0][key].as_str().unwrap_or_default();
        (text("status").to_owned(), text("reason").to_owned())
    }
}

const WORLDS: [TakenEmails; 3] = [
    TakenEmails::Refused,
    TakenEmails::RefusedOnCreate,
    TakenEmails::Shared,
];

#[tokio::test]
async fn an_email_that_another_user_has_costs_neither_of_them_anything() {
    for taken_emails in WORLDS {
        for archived in [false, true] {
            let world = World::new(&[]).await;
            world.intercom.set(|s| s.taken_emails = taken_emails);
            world
                .intercom
                .seed_contact(json!({"role": "user", "external_id": "other",
                "email": "a@example.com", "name": "O", "archived": archived}));
            let before = json!(world.contact("other"));
            let user = identify("u", &json!({"email": "a@example.com", "name": "U"}));
            world.batch(std::slice::from_ref(&user)).await;
            assert_eq!(json!(world.contact("other")), before, "{taken_emails:?}");
            assert!(world.reasons().is_empty(), "{:?}", world.reasons());
            let contact = world.contact("u").expect("the user is there");
            assert_eq!(contact.name.as_deref(), Some("U"));
            // An archived contact's email may be given to another one, as recorded.
            let is_refused = taken_emails == TakenEmails::Refused && !archived;
            let email = (!is_refused).then_some("a@example.com");
            assert_eq!(contact.email.as_deref(), email, "{taken_emails:?}");
            assert!(!world.calls().iter().any(|call| call.contains("archive")));

            // What was learned of the email isn't asked again.
            for _ in 0..2 {
                let before = world.calls().len();
                world.batch(std::slice::from_ref(&user)).await;
                assert_eq!(world.calls()[before..], ["PUT /contacts/:id"]);
            }
        }
    }
}

#[tokio::test]
async fn a_known_user_keeps_all_but_an_email_that_another_one_has() {
    let world = World::new(&[]).await;
    let refused = TakenEmails::Refused;
    world.intercom.set(|s| s.taken_emails = refused);
    for user in ["u", "o"] {
        let seeded =
            json!({"role": "user", "external_id": user, "email": format!("{user}@example.com")});
        world.intercom.seed_contact(seeded);
    }
    let traits = json!({"email": "o@example.com", "name": "U"});
    world.batch(&[identify("u", &traits)]).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let contact = world.contact("u").expect("the user");
    assert_eq!(contact.name.as_deref(), Some("U"));
    assert_eq!(contact.email.as_deref(), Some("u@example.com"));
}

#[tokio::test]
async fn a_known_user_gets_a_new_email() {
    let world = World::new(&[]).await;
    for email in ["old@example.com", "new@example.com"] {
        world
            .batch(&[identify("u", &json!({"email": email}))])
            .await;
        let contact = world.contact("u").expect("the user");
        assert_eq!(contact.email.as_deref(), Some(email));
    }
}

#[tokio::test]
async fn an_event_by_an_email_that_several_share_goes_to_the_oldest_user() {
    let world = World::new(&[]).await;
    let email = "shared@example.com";
    let seed = |contact: Value| world.intercom.seed_contact(contact);
    seed(json!({"role": "lead", "email": email}));
    let oldest = seed(json!({"role": "user", "external_id": "1", "email": email}));
    seed(json!({"role": "user", "external_id": "2", "email": email}));
    let event = json!({"type": "track", "event": "E", "properties": {"email": email}});
    world.batch(&[event]).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let events = world.intercom.state().events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].contact_id, oldest);
}

#[tokio::test]
async fn a_conflict_that_names_nobody_waits_for_search() {
    let world = World::new(&[]).await;
    world.intercom.set(|s| s.search_lag_seconds = 60);
    let email = "shared@example.com";
    let seed = |id| json!({"role": "user", "external_id": id, "email": email});
    let first = world.intercom.seed_contact(seed("1"));
    world.intercom.seed_contact(seed("2"));
    let identify = json!({"type": "identify", "traits": {"email": email, "name": "N"}});
    world.batch(&[identify]).await;
    assert_eq!(world.aws().retry.len(), 1, "{:?}", world.reasons());
    world.intercom.advance(Duration::from_secs(61));
    world.redeliver(2).await;
    let contacts = world.intercom.state().contacts;
    let named = contacts.iter().find(|contact| contact.name.is_some());
    assert_eq!(named.expect("a contact with the name").id, first);
}

#[tokio::test]
async fn a_deleted_user_is_rejected_with_a_reason_that_says_so() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    let delete = json!({"type": "delete", "userId": "u"});
    assert_eq!(world.result(&delete).await.0, "delivered");
    let again = identify("u", &json!({"name": "B"}));
    assert_eq!(
        world.result(&again).await.0,
        "queued",
        "Intercom fails at first"
    );
    world.intercom.advance(Duration::from_secs(30));
    world.redeliver(2).await;
    assert!(world.aws().retry.is_empty());
    let reasons = world.reasons();
    assert!(reasons[0].contains("was deleted for good"), "{reasons:?}");
    let later = identify("u", &json!({"name": "C"}));
    let (status, reason) = world.result(&later).await;
    assert_eq!(status, "rejected", "{reason}");
}

#[tokio::test]
async fn the_email_of_a_deleted_user_keeps_nobody_else_out() {
    let world = World::new(&[]).await;
    let traits = json!({"email": "a@example.com"});
    world.batch(&[identify("u", &traits)]).await;
    world
        .invoke(&json!({"type": "delete", "userId": "u"}))
        .await
        .expect("results");
    world.batch(&[identify("new", &traits)]).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    assert!(world.contact("new").is_some());
}

#[tokio::test]
async fn a_late_identify_does_not_turn_last_seen_back() {
    let now = chrono::Utc::now().timestamp();
    let hours_ago = |hours: i64| now - 3600 * hours;
    for (stored, expected) in [(hours_ago(1), hours_ago(1)), (hours_ago(9), hours_ago(5))] {
        for warm in [false, true] {
            let world = World::new(&[]).await;
            let mut late = identify("u", &json!({"name": "A"}));
            world
                .intercom
                .seed_contact(json!({"role": "user", "external_id": "u", "last_seen_at": stored}));
            if warm {
                // The contact is known by then, but not when Intercom saw the user.
                world
                    .batch(&[json!({"type": "group", "userId": "u", "groupId": "c",
                    "integrations": {"Intercom": {"active": false}}})])
                    .await;
            }
            late["timestamp"] = json!(hours_ago(5));
            world.batch(&[late]).await;
            let contact = world.contact("u").expect("the user");
            assert_eq!(contact.name.as_deref(), Some("A"));
            assert_eq!(contact.last_seen_at, Some(expected), "{warm}");
        }
    }
}

/// A day old, and so maybe older than what Intercom has.
fn late_identify(user_id: &str, traits: &Value) -> Value {
    let mut late = identify(user_id, traits);
    late["timestamp"] = json!(chrono::Utc::now().timestamp() - 86_400);
    late
}

/// A world that knows the contact of "u", but not when the user was seen.
async fn world_of_an_inactive_user() -> World {
    let world = World::new(&[]).await;
    let mut inactive = identify("u", &json!({"name": "A"}));
    inactive["integrations"] = json!({"Intercom": {"active": false}});
    world.batch(&[inactive]).await;
    world
}

#[tokio::test]
async fn a_late_identify_of_a_contact_that_is_gone_makes_it_again() {
    let world = world_of_an_inactive_user().await;
    world.intercom.reset();
    world
        .batch(&[late_identify("u", &json!({"name": "B"}))])
        .await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let contact = world.contact("u").expect("the user");
    assert_eq!(contact.name.as_deref(), Some("B"));
}

#[tokio::test]
async fn a_user_who_is_known_to_have_been_seen_since_is_not_looked_up_for_a_late_identify() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({}))]).await;
    let before = world.calls().len();
    world.batch(&[late_identify("u", &json!({}))]).await;
    assert_eq!(world.calls()[before..], ["PUT /contacts/:id"]);
}

/// Not every server in between takes a longer path.
#[tokio::test]
async fn a_user_id_of_2000_escaped_bytes_is_the_longest_in_a_path() {
    for (letters, is_in_path) in [(333, true), (334, false)] {
        let world = World::new(&[]).await;
        world
            .batch(&[identify(&"ü".repeat(letters), &json!({}))])
            .await;
        let path = &world.intercom.requests()[0].path;
        let is_found_by_id = path.starts_with("/contacts/find_by_external_id/");
        assert_eq!(is_found_by_id, is_in_path, "{letters}: {path}");
    }
}

#[tokio::test]
async fn user_ids_that_no_path_can_hold_are_found_by_search() {
    for id in [".", "..", &"ü".repeat(400)] {
        let world = World::new(&[]).await;
        world.batch(&[identify(id, &json!({"name": "A"}))]).await;
        let another = world.another_instance(&[]);
        let again = identify(id, &json!({"name": "B"}));
        crate::support::invoke(&another, &again)
            .await
            .expect("results");
        let contacts = world.intercom.state().contacts;
        assert_eq!(contacts.len(), 1, "{id}: {:?}", world.reasons());
        assert_eq!(contacts[0].name.as_deref(), Some("B"));
    }
}

#[tokio::test]
async fn a_delete_of_a_merged_user_deletes_nobody_else() {
    let delete = json!({"type": "delete", "userId": "old"});
    for is_remembered in [false, true] {
        let world = World::new(&[]).await;
        let intercom = &world.intercom;
        let old = intercom.seed_contact(json!({"role": "user", "external_id": "old"}));
        let into = intercom.seed_contact(json!({"role": "user", "external_id": "u"}));
        if is_remembered {
            world.batch(&[identify("old", &json!({}))]).await;
        }
        let merged = |method: &str, path: &str| {
            let link = format!("</contacts/{into}>; rel=\"canonical\"");
            let merged = Fault::status(410).on(method, path).code("contact_merged");
            merged.header("Link", &link)
        };
        intercom.add_fault(merged("GET", "/contacts/find_by_external_id/old"));
        intercom.add_fault(merged("DELETE", &format!("/contacts/{old}")));
        let (status, reason) = world.result(&delete).await;
        assert_eq!(status, "rejected");
        assert!(reason.contains(&into), "{reason}");
        assert!(world.contact("u").is_some(), "{is_remembered}");
    }
}

#[tokio::test]
async fn a_delete_by_email_waits_for_search_and_spares_who_came_since() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "3600")]).await;
    world.intercom.set(|s| s.search_lag_seconds = 60);
    world
        .intercom
        .seed_contact(json!({"role": "user", "email": "a@example.com"}));
    // Intercom tells whole seconds: within two of them a contact counts as made after the delete.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let delete = |email: &str| json!({"type": "delete", "traits": {"email": email}});
    for email in ["a@example.com", "nobody@example.com"] {
        let (status, reason) = world.result(&delete(email)).await;
        assert_eq!(status, "queued", "search is silent: {reason}");
    }
    world.intercom.advance(Duration::from_secs(61));
    let came_since = json!({"role": "user", "email": "nobody@example.com"});
    world.intercom.seed_contact(came_since);
    world.intercom.advance(Duration::from_secs(61));
    world.redeliver(2).await;
    let contacts = world.intercom.state().contacts;
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].email.as_deref(), Some("nobody@example.com"));
    let waiting = world.aws().waiting.len();
    assert_eq!(waiting, 1, "the other one goes on waiting");
}

/// Whether it arrived is unknown without the object in the answer; to repeat a write is harmless.
#[tokio::test]
async fn a_write_whose_answer_does_not_show_it_is_repeated() {
    let world = World::new(&[]).await;
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u"}));
    let odd = Fault::status(200).after();
    for (method, path) in [("PUT", "/contacts/"), ("POST", "/companies")] {
        world
            .intercom
            .add_fault(odd.clone().on(method, path).times(1));
    }
    let traits = json!({"name": "A", "company": {"id": "c"}});
    world.batch(&[identify("u", &traits)]).await;
    for _ in 0..2 {
        assert_eq!(world.aws().retry.len(), 1);
        world.redeliver(2).await;
    }
    assert!(world.aws().retry.is_empty());
    let contact = world.contact("u").expect("the user");
    assert_eq!(contact.name.as_deref(), Some("A"));
    assert_eq!(contact.companies, ["c"]);
}

#[tokio::test]
async fn two_writers_of_something_new_are_both_right() {
    let world = World::new(&[]).await;
    for (path, code) in [
        ("/contacts", "unique_user_constraint"),
        ("/companies", "unique_company_constraint"),
    ] {
        let raced = Fault::status(400).code(code).after();
        world.intercom.add_fault(raced.on("POST", path).times(1));
    }
    let traits = json!({"name": "A", "company": {"id": "c"}});
    world.batch(&[identify("u", &traits)]).await;
    assert!(world.aws().retry.is_empty(), "{:?}", world.reasons());
    assert_eq!(world.contact("u").expect("the user").companies, ["c"]);
}

#[tokio::test]
async fn a_company_that_others_keep_making_is_tried_again_later() {
    let world = World::new(&[]).await;
    let raced = Fault::status(409).code("unique_company_constraint");
    world.intercom.add_fault(raced.on("POST", "/companies"));
    let (status, reason) = world
        .result(&identify("u", &json!({"company": {"id": "c"}})))
        .await;
    assert_eq!(status, "queued", "{reason}");
    let calls = world.calls();
    let writes = calls.iter().filter(|call| *call == "POST /companies");
    assert_eq!(writes.count(), 3);
}

#[tokio::test]
async fn a_group_of_a_user_who_was_seen_lately_needs_two_calls() {
    let world = World::new(&[]).await;
    let group = |id: &str, plan: &str| {
        json!({"type": "group", "messageId": id, "userId": "u", "groupId": "c",
            "traits": {"plan": plan}})
    };
    world.batch(&[group("1", "x")]).await;
    let before = world.calls().len();
    world.batch(&[group("2", "y")]).await;
    let expected = ["POST /companies", "POST /contacts/:id/companies"];
    assert_eq!(world.calls()[before..], expected);
}

#[tokio::test]
async fn a_group_updates_when_a_user_was_seen_after_a_quarter_of_an_hour() {
    let now = chrono::Utc::now().timestamp();
    for (minutes_later, updates) in [(14, 0), (15, 1)] {
        let world = World::new(&[]).await;
        let group = |minutes: i64| json!({"type": "group", "userId": "u", "groupId": "c", "timestamp": now + 60 * minutes});
        world.batch(&[group(-40)]).await;
        world.batch(&[group(minutes_later - 40)]).await;
        let calls = world.calls();
        let sent = calls.iter().filter(|call| *call == "PUT /contacts/:id");
        // An event so late is first written without last_seen_at.
        assert_eq!(sent.count(), 2 * updates, "{minutes_later}");
    }
}

/// Nothing but the call that Intercom refuses is at fault: to wait, or to count it as done, would
/// hide that.
#[tokio::test]
async fn a_call_that_intercom_refuses_for_another_reason_rejects_its_event() {
    let refused = |method: &str, path: &str| Fault::status(400).code("odd").on(method, path);
    let company = |company: Value| identify("u", &json!({"company": company}));
    let delete = json!({"type": "delete", "userId": "u"});
    let by_email = json!({"type": "identify", "traits": {"email": "u@example.com", "name": "A"}});
    let leaver = json!({"id": "c", "remove": true});
    for (fault, event) in [
        (
            refused("POST", "/contacts/").body_contains("{\"id\":"),
            company(json!({"id": "d"})),
        ),
        (refused("DELETE", "/contacts/"), company(leaver)),
        (refused("DELETE", "/contacts/"), delete),
        (
            Fault::status(409).code("conflict").on("PUT", "/contacts/"),
            by_email,
        ),
    ] {
        let world = World::new(&[]).await;
        let user = json!({"role": "user", "external_id": "u", "email": "u@example.com"});
        world.intercom.seed_contact(user);
        let another = world.another_instance(&[]);
        let member = identify("u", &json!({"company": {"id": "c"}}));
        let known = crate::support::invoke(&another, &member).await;
        assert_eq!(known.expect("results")["results"][0]["status"], "delivered");
        let name = format!("{fault:?}");
        world.intercom.add_fault(fault);
        let (status, reason) = world.result(&event).await;
        assert_eq!(status, "rejected", "{name}: {reason}");
    }
}

#[tokio::test]
async fn an_update_that_another_writer_gets_in_the_way_of_is_tried_again() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    let raced = Fault::status(409).code("unique_user_constraint").times(1);
    world.intercom.add_fault(raced.on("PUT", "/contacts/"));
    world.batch(&[identify("u", &json!({"name": "B"}))]).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let contact = world.contact("u").expect("the user");
    assert_eq!(contact.name.as_deref(), Some("B"));
}

/// Another instance may have given the id to another contact.
#[tokio::test]
async fn a_user_whose_contact_is_another_one_by_now_is_looked_up_again() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    let moved = Fault::status(409).code("conflict").on("PUT", "/contacts/");
    world.intercom.add_fault(moved.times(1));
    let before = world.calls().len();
    world.batch(&[identify("u", &json!({"name": "B"}))]).await;
    assert_eq!(
        world.calls()[before..],
        [
            "PUT /contacts/:id",
            "GET /contacts/find_by_external_id/u",
            "PUT /contacts/:id"
        ]
    );
    let contact = world.contact("u").expect("the user");
    assert_eq!(contact.name.as_deref(), Some("B"));
}

#[tokio::test]
async fn an_archived_contact_that_another_instance_just_brought_back_is_no_deleted_one() {
    let world = World::new(&[]).await;
    let archived = json!({"role": "user", "external_id": "u", "archived": true});
    let id = world.intercom.seed_contact(archived);
    let gone = Fault::status(404).code("not_found").times(1);
    let path = format!("/contacts/{id}/unarchive");
    world.intercom.add_fault(gone.on("POST", &path));
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let contact = world.contact("u").expect("the user");
    assert_eq!(contact.name.as_deref(), Some("A"));
}

/// Whom the delete was about isn't who came after it.
#[tokio::test]
async fn a_delete_by_email_spares_whom_the_next_event_of_its_batch_makes() {
    let world = World::new(&[]).await;
    let traits = json!({"email": "a@example.com"});
    let events = json!([
        {"type": "delete", "messageId": "d", "traits": traits},
        {"type": "identify", "messageId": "i", "traits": traits},
    ]);
    world.invoke(&events).await.expect("results");
    assert_eq!(world.intercom.state().contacts.len(), 1);
}

#[tokio::test]
async fn a_delete_by_email_spares_whom_a_later_request_made() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "3600")]).await;
    let traits = json!({"email": "a@example.com"});
    let delete = json!({"type": "delete", "messageId": "d", "traits": traits});
    assert_eq!(world.result(&delete).await.0, "queued");
    world.intercom.advance(Duration::from_secs(60));
    world
        .batch(&[json!({"type": "identify", "traits": traits})])
        .await;
    world.redeliver(2).await;
    assert_eq!(world.intercom.state().contacts.len(), 1);
}
