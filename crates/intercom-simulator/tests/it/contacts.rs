use std::time::Duration;

use serde_json::{Value, json};

use crate::client::*;

#[test]
fn a_user_is_created_read_and_updated() {
    let simulator = simulator();
    attribute(&simulator, "contact", "plan", "string");
    attribute(&simulator, "contact", "logins", "integer");
    let created = post(
        &simulator,
        "/contacts",
        json!({
            "role": "user",
            "external_id": "u/1 é",
            "email": "Ada@Example.com",
            "name": "Ada",
            "signed_up_at": 1_700_000_000,
            "last_seen_at": 1_700_000_001,
            "custom_attributes": {"plan": "pro", "logins": 3},
        }),
    );
    assert_eq!(created.status, 200);
    let id = created.id();
    assert_eq!(id.len(), 24);
    assert_eq!(created.body["email"], "Ada@Example.com");
    assert_eq!(created.body["created_at"], START);

    let found = get(&simulator, "/contacts/find_by_external_id/u%2F1%20%C3%A9");
    assert_eq!(found.body, created.body);

    let updated = put(
        &simulator,
        &format!("/contacts/{id}"),
        json!({"name": null, "custom_attributes": {"logins": null}}),
    );
    assert_eq!(updated.status, 200);
    assert_eq!(updated.body["name"], Value::Null);
    assert_eq!(updated.body["email"], "Ada@Example.com");
    assert_eq!(updated.body["custom_attributes"], json!({"plan": "pro"}));
    assert_eq!(
        get(&simulator, &format!("/contacts/{id}")).body,
        updated.body
    );
}

#[test]
fn unknown_contacts_are_not_found() {
    let simulator = simulator();
    let lead = lead(&simulator, json!({"email": "lead@example.com"}));
    let leads_own = get(&simulator, &format!("/contacts/{lead}")).body["external_id"].clone();
    let leads_own = leads_own.as_str().expect("leads have an id of Intercom's");
    for (method, path) in [
        ("GET", "/contacts/nobody".to_owned()),
        ("PUT", "/contacts/nobody".to_owned()),
        ("DELETE", "/contacts/nobody".to_owned()),
        ("POST", "/contacts/nobody/archive".to_owned()),
        ("POST", "/contacts/nobody/companies".to_owned()),
        ("GET", "/contacts/find_by_external_id/nobody".to_owned()),
        ("GET", format!("/contacts/find_by_external_id/{leads_own}")),
    ] {
        let answer = call(&simulator, method, &path, json!({}));
        assert_eq!(
            (answer.status, answer.code()),
            (404, "not_found"),
            "{method} {path}"
        );
    }
}

#[test]
fn bad_bodies_are_refused_as_a_whole() {
    let simulator = simulator();
    attribute(&simulator, "contact", "text", "string");
    attribute(&simulator, "contact", "count", "integer");
    attribute(&simulator, "contact", "flag", "boolean");
    attribute(&simulator, "contact", "seen_at", "date");
    attribute(&simulator, "company", "seats", "integer");
    let id = user(&simulator, "ada", "ada@example.com");
    let before = get(&simulator, &format!("/contacts/{id}")).body;
    let cases = [
        (json!({"email": "no-at-sign"}), "Email is invalid"),
        (json!({"name": 5}), "name must be a string"),
        (json!({"external_id": 5}), "external_id must be a string"),
        (json!({"role": "admin"}), "role must be either user or lead"),
        (
            json!({"unsubscribed_from_emails": "yes"}),
            "unsubscribed_from_emails must be a boolean",
        ),
        (
            json!({"last_seen_at": 1.5}),
            "last_seen_at must be an integer (Unix timestamp in seconds)",
        ),
        (
            json!({"signed_up_at": "2020-01-01"}),
            "signed_up_at must be an integer (Unix timestamp in seconds)",
        ),
        (
            json!({"name": "é".repeat(256)}),
            "name is longer than 255 characters",
        ),
        (
            json!({"custom_attributes": []}),
            "custom_attributes must be an object",
        ),
        (
            json!({"custom_attributes": {"text": "ok", "x": 1}}),
            "Custom attribute 'x' does not exist",
        ),
        (
            json!({"custom_attributes": {"x": null}}),
            "Custom attribute 'x' does not exist",
        ),
        (
            json!({"custom_attributes": {"seats": 1}}),
            "Custom attribute 'seats' does not exist",
        ),
        (
            json!({"custom_attributes": {"text": 5}}),
            "Custom attribute 'text' must be of type string",
        ),
        (
            json!({"custom_attributes": {"text": {"a": 1}}}),
            "Custom attribute 'text' must be of type string",
        ),
        (
            json!({"custom_attributes": {"text": "é".repeat(256)}}),
            "Custom attribute 'text' is longer than 255 characters",
        ),
        (
            json!({"custom_attributes": {"count": 1.5}}),
            "Custom attribute 'count' must be of type integer",
        ),
        (
            json!({"custom_attributes": {"flag": "true"}}),
            "Custom attribute 'flag' must be of type boolean",
        ),
        (
            json!({"custom_attributes": {"seen_at": "2020-01-01"}}),
            "Custom attribute 'seen_at' must be of type integer (Unix timestamp in seconds)",
        ),
    ];
    for (mut body, message) in cases {
        let change = put(&simulator, &format!("/contacts/{id}"), body.clone());
        assert_eq!(
            (change.status, change.code(), change.message()),
            (400, "parameter_invalid", message),
        );
        body["role"] = body.get("role").cloned().unwrap_or(json!("user"));
        assert_eq!(post(&simulator, "/contacts", body).message(), message);
    }
    assert_eq!(get(&simulator, &format!("/contacts/{id}")).body, before);
    assert_eq!(simulator.state().contacts.len(), 1);
    let nobody = post(&simulator, "/contacts", json!({"name": "x"}));
    assert_eq!((nobody.status, nobody.code()), (400, "parameter_not_found"));
}

#[test]
fn roles_have_their_rules() {
    let simulator = simulator();
    let user = user(&simulator, "ada", "ada@example.com");
    let refused = put(
        &simulator,
        &format!("/contacts/{user}"),
        json!({"role": "lead"}),
    );
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.message(),
        "Contact with user role can't be converted to a lead"
    );

    let lead = lead(&simulator, json!({"external_id": "mine"}));
    let shown = get(&simulator, &format!("/contacts/{lead}")).body;
    assert_ne!(shown["external_id"], "mine");
    assert_eq!(simulator.requests()[2].violations.len(), 1);

    let promotion = json!({"role": "user", "external_id": "mine"});
    let promoted = put(&simulator, &format!("/contacts/{lead}"), promotion);
    assert_eq!(promoted.body["role"], "user");
    assert_eq!(promoted.body["external_id"], "mine");
}

#[test]
fn archived_contacts_come_back_and_deleted_ones_do_not() {
    let simulator = simulator();
    let id = user(&simulator, "ada", "ada@example.com");
    let archived = post(&simulator, &format!("/contacts/{id}/archive"), Value::Null);
    assert_eq!(
        archived.body,
        json!({"type": "contact", "id": id, "external_id": "ada", "archived": true})
    );
    assert_eq!(get(&simulator, &format!("/contacts/{id}")).status, 404);
    assert!(simulator.state().contacts[0].archived);

    let restored = post(
        &simulator,
        &format!("/contacts/{id}/unarchive"),
        Value::Null,
    );
    assert_eq!(restored.body["archived"], false);
    assert_eq!(get(&simulator, &format!("/contacts/{id}")).status, 200);

    let deleted = delete(&simulator, &format!("/contacts/{id}"));
    assert_eq!(
        deleted.body,
        json!({"type": "contact", "id": id, "external_id": "ada", "deleted": true})
    );
    assert_eq!(delete(&simulator, &format!("/contacts/{id}")).status, 404);
    assert_eq!(
        simulator.state().deleted_contacts[0].external_id.as_deref(),
        Some("ada")
    );
}

#[test]
fn a_deleted_user_does_not_come_back() {
    let simulator = simulator();
    let id = user(&simulator, "ada", "ada@example.com");
    delete(&simulator, &format!("/contacts/{id}"));
    let refused = post(
        &simulator,
        "/contacts",
        json!({"role": "user", "external_id": "ada"}),
    );
    let message = format!("An archived contact matching those details already exists with id={id}");
    assert_eq!((refused.status, refused.code()), (409, "conflict"));
    assert_eq!(refused.message(), message);
    let unarchived = || {
        let path = format!("/contacts/{id}/unarchive");
        let answer = post(&simulator, &path, Value::Null);
        (
            answer.status,
            answer.code().to_owned(),
            answer.message().to_owned(),
        )
    };
    let said = |status, code: &str, message: &str| (status, code.to_owned(), message.to_owned());
    simulator.advance(Duration::from_secs(4));
    assert_eq!(
        unarchived(),
        said(500, "server_error", "Internal Server Error")
    );
    simulator.advance(Duration::from_secs(1));
    let message = "User has been marked for permanent deletion and is not restorable.";
    assert_eq!(unarchived(), said(400, "bad_request", message));

    simulator.set(|settings| settings.deleted_users_may_return = true);
    assert_ne!(user(&simulator, "ada", "ada@example.com"), id);
}

#[test]
fn a_lead_is_merged_into_a_user_and_gone() {
    let simulator = simulator();
    attribute(&simulator, "contact", "plan", "string");
    attribute(&simulator, "contact", "anonymous_id", "string");
    let into = user(&simulator, "ada", "ada@example.com");
    let other = user(&simulator, "bob", "bob@example.com");
    put(
        &simulator,
        &format!("/contacts/{into}"),
        json!({"custom_attributes": {"plan": "pro"}}),
    );
    let from = lead(
        &simulator,
        json!({"name": "Ada", "custom_attributes": {"plan": "free", "anonymous_id": "a1"}}),
    );
    let own_id = get(&simulator, &format!("/contacts/{from}")).body["external_id"].clone();
    let event = json!({"id": from, "event_name": "seen", "created_at": 1_700_000_000});
    assert_eq!(post(&simulator, "/events", event).status, 202);

    for (body, status, code) in [
        (json!({"from": from, "into": into}), 400, "invalid_merge"),
        (json!({"from": other, "into": into}), 400, "invalid_merge"),
        (json!({"from": from, "into": from}), 400, "invalid_merge"),
        (json!({"from": from}), 400, "parameter_not_found"),
        (json!({"from": "nobody", "into": into}), 404, "not_found"),
    ] {
        let answer = post(&simulator, "/contacts/merge", body.clone());
        assert_eq!((answer.status, answer.code()), (status, code), "{body}");
    }

    let merged = post(
        &simulator,
        "/contacts/merge",
        json!({"from": from, "into": into, "skip_duplicate_validation": true}),
    );
    assert_eq!(merged.status, 200);
    assert_eq!(merged.id(), into);
    assert_eq!(merged.body["name"], "Ada");
    assert_eq!(
        merged.body["custom_attributes"],
        json!({"plan": "pro", "anonymous_id": "a1"})
    );
    let own_path = format!("/contacts/find_by_external_id/{}", own_id.as_str().unwrap());
    for path in [format!("/contacts/{from}"), own_path] {
        let gone = get(&simulator, &path);
        assert_eq!((gone.status, gone.code()), (410, "contact_merged"));
        assert_eq!(
            gone.headers["link"],
            format!("</contacts/{into}>; rel=\"canonical\"")
        );
    }
    let state = simulator.state();
    assert_eq!(state.events[0].external_id.as_deref(), Some("ada"));
    assert_eq!(state.merged_contacts[0].into, into);
}

#[test]
fn duplicates_can_be_merged_without_the_flag() {
    let simulator = simulator();
    let into = user(&simulator, "ada", "ada@example.com");
    let from = simulator.seed_contact(json!({"role": "lead", "email": "ADA@example.com"}));
    let answer = post(
        &simulator,
        "/contacts/merge",
        json!({"from": from, "into": into}),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
}
