//! Contacts in each other's way.

use intercom_simulator::{Simulator, TakenEmails};
use serde_json::{Value, json};

use crate::client::*;

const SHARED: &str =
    "Multiple existing users match this email address - must be more specific using user_id";

fn world(taken_emails: TakenEmails) -> Simulator {
    simulator_with(|settings| settings.taken_emails = taken_emails)
}

fn create(simulator: &Simulator, external_id: &str, email: &str) -> Answer {
    let body = json!({"role": "user", "external_id": external_id, "email": email});
    post(simulator, "/contacts", body)
}

fn taken(article: &str, id: &str) -> (u16, String) {
    let rest = "contact matching those details already exists with id=";
    (409, format!("{article} {rest}{id}"))
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.message().to_owned())
}

#[test]
fn an_external_id_is_unique_among_active_users() {
    let simulator = world(TakenEmails::Shared);
    let ada = user(&simulator, "ada", "ada@example.com");
    let bob = user(&simulator, "bob", "bob@example.com");
    let of_bob = format!("/contacts/{bob}");
    let change = || put(&simulator, &of_bob, json!({"external_id": "ada"}));
    assert_eq!(
        said(&create(&simulator, "ada", "x@example.com")),
        taken("A", &ada)
    );
    assert_eq!(said(&change()), taken("A", &ada));

    post(&simulator, &format!("/contacts/{ada}/archive"), Value::Null);
    let refused = create(&simulator, "ada", "x@example.com");
    assert_eq!(said(&refused), taken("An archived", &ada));
    // Recorded: an update may take what an archived user has.
    assert_eq!(change().status, 200);
    let unarchive = post(
        &simulator,
        &format!("/contacts/{ada}/unarchive"),
        Value::Null,
    );
    assert_eq!(said(&unarchive), taken("A", &bob));
}

#[test]
fn a_taken_email_is_refused_or_shared() {
    for (taken_emails, on_create, on_update) in [
        (TakenEmails::Refused, 409, 409),
        (TakenEmails::RefusedOnCreate, 409, 200),
        (TakenEmails::Shared, 200, 200),
    ] {
        let simulator = world(taken_emails);
        let ada = user(&simulator, "ada", "ada@example.com");
        let bob = user(&simulator, "bob", "bob@example.com");
        let created = create(&simulator, "eve", "ADA@example.com");
        assert_eq!(created.status, on_create);
        let change = json!({"email": "Ada@Example.com"});
        let updated = put(&simulator, &format!("/contacts/{bob}"), change.clone());
        assert_eq!(updated.status, on_update);
        for refused in [created, updated]
            .iter()
            .filter(|answer| answer.status == 409)
        {
            assert_eq!(refused.code(), "conflict");
            assert_eq!(said(refused), taken("A", &ada));
        }
        let own = put(&simulator, &format!("/contacts/{ada}"), change);
        assert_eq!(own.status, 200);
    }
    let default = simulator();
    user(&default, "ada", "ada@example.com");
    assert_eq!(create(&default, "eve", "ada@example.com").status, 409);
}

#[test]
fn an_archived_users_email_is_in_the_way_of_new_contacts_only() {
    let simulator = world(TakenEmails::Refused);
    let ada = user(&simulator, "ada", "ada@example.com");
    let bob = user(&simulator, "bob", "bob@example.com");
    post(&simulator, &format!("/contacts/{ada}/archive"), Value::Null);
    let refused = create(&simulator, "eve", "ada@example.com");
    assert_eq!(said(&refused), taken("An archived", &ada));
    let both = json!({"external_id": "ada", "email": "ada@example.com"});
    assert_eq!(
        put(&simulator, &format!("/contacts/{bob}"), both).status,
        200
    );
}

#[test]
fn whoever_has_the_external_id_is_named_before_who_has_the_email() {
    let simulator = world(TakenEmails::Refused);
    user(&simulator, "ada", "ada@example.com");
    let bob = user(&simulator, "bob", "bob@example.com");
    let refused = create(&simulator, "bob", "ada@example.com");
    assert_eq!(said(&refused), taken("A", &bob));
}

#[test]
fn where_several_share_the_email_none_is_named() {
    let simulator = simulator();
    user(&simulator, "ada", "ada@example.com");
    let bob = user(&simulator, "bob", "bob@example.com");
    let change = json!({"email": "ada@example.com"});
    put(&simulator, &format!("/contacts/{bob}"), change);

    let event = |address: Value| {
        let mut event = json!({"event_name": "seen", "created_at": 1_700_000_000});
        let fields = address.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(fields);
        post(&simulator, "/events", event)
    };
    let by_email = json!({"email": "ada@example.com"});
    let answers = [
        create(&simulator, "eve", "ada@example.com"),
        event(by_email),
    ];
    for answer in answers {
        assert_eq!(answer.code(), "conflict");
        assert_eq!(said(&answer), (409, SHARED.to_owned()));
    }
    assert_eq!(event(json!({"user_id": "bob"})).status, 202);
}
