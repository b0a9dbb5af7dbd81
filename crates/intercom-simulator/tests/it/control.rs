use serde_json::{Value, json};

use crate::client::*;

#[test]
fn every_api_request_is_logged_without_the_token() {
    let simulator = simulator();
    user(&simulator, "ada", "ada@example.com");
    get(&simulator, "/contacts/find_by_external_id/b%20b?x=1");
    send(
        &simulator,
        "GET",
        "/me",
        &[("Accept", "application/json")],
        "",
    );
    let log = get(&simulator, "/_simulator/requests").body;
    assert!(!log.to_string().contains("simulator-token"));
    let entries = log.as_array().unwrap();
    assert_eq!(entries.len(), 3);
    let first = &entries[0];
    assert_eq!(first["sequence"], 1);
    assert_eq!(first["at"], START as f64);
    assert_eq!(
        (&first["method"], &first["path"]),
        (&json!("POST"), &json!("/contacts"))
    );
    assert_eq!(first["headers"]["intercom-version"], "2.16");
    assert_eq!(first["authorization"], "accepted");
    assert_eq!(first["request_body"]["external_id"], "ada");
    assert_eq!(first["status"], 200);
    assert_eq!(first["response_body"]["external_id"], "ada");
    assert!(first["response_headers"]["x-ratelimit-reset"].is_string());
    assert_eq!(entries[1]["path"], "/contacts/find_by_external_id/b%20b");
    assert_eq!(entries[1]["query"], "x=1");
    assert_eq!(entries[2]["authorization"], "missing");

    delete(&simulator, "/_simulator/requests");
    get(&simulator, "/me");
    assert_eq!(simulator.requests()[0].sequence, 4);
}

#[test]
fn odd_but_tolerated_bodies_are_noted() {
    let simulator = simulator();
    for body in [
        json!({"external_id": "no-role"}),
        json!({"role": "user", "external_id": "a", "companies": []}),
        json!({"role": "user", "external_id": "b", "email": null}),
        json!({"role": "user", "external_id": "c", "signed_up_at": 1_700_000_000_000_u64}),
    ] {
        simulator.clear_requests();
        assert_eq!(
            post(&simulator, "/contacts", body.clone()).status,
            200,
            "{body}"
        );
        assert_eq!(simulator.requests()[0].violations.len(), 1, "{body}");
    }
}

#[test]
fn settings_change_while_it_runs() {
    let simulator = simulator();
    let settings = |body: Value| post(&simulator, "/_simulator/settings", body);
    let changed = settings(json!({"search_lag_seconds": 5, "rate_limit": 9}));
    assert_eq!(
        (changed.status, &changed.body["rate_limit"]),
        (200, &json!(9))
    );
    assert!(!changed.body.to_string().contains("simulator-token"));
    assert_eq!(get(&simulator, "/me").headers["x-ratelimit-limit"], "9");
    assert_eq!(settings(json!({"rate_limit": "many"})).status, 400);
    assert_eq!(settings(json!({"rate_limits": 1})).status, 400);
    assert_eq!(settings(json!([])).status, 400);

    settings(json!({"tokens": ["new"]}));
    assert_eq!(get(&simulator, "/me").status, 401);
    let headers = [
        ("Authorization", "Bearer new"),
        ("Accept", "application/json"),
    ];
    assert_eq!(
        send(&simulator, "GET", "/me", &headers, "").unwrap().status,
        200
    );
}

#[test]
fn the_clock_is_advanced_and_the_state_reset() {
    let simulator = simulator_with(|settings| settings.rate_limit = 77);
    let advanced = post(
        &simulator,
        "/_simulator/clock",
        json!({"advance_seconds": 90}),
    );
    assert_eq!(advanced.body["now"], (START + 90) as f64);
    assert_eq!(
        post(
            &simulator,
            "/_simulator/clock",
            json!({"advance_seconds": -1})
        )
        .status,
        400
    );
    user(&simulator, "ada", "ada@example.com");
    let state = get(&simulator, "/_simulator/state").body;
    assert_eq!(state["contacts"][0]["created_at"], START + 90);
    assert_eq!(state["counts"]["requests_by_status"], json!({"200": 1}));

    assert_eq!(
        post(&simulator, "/_simulator/reset", Value::Null).status,
        200
    );
    let state = get(&simulator, "/_simulator/state").body;
    assert_eq!(state["contacts"], json!([]));
    assert_eq!(state["now"], START as f64);
    assert!(simulator.requests().is_empty());
    assert_eq!(get(&simulator, "/me").headers["x-ratelimit-limit"], "77");
    assert_eq!(get(&simulator, "/_simulator/nothing").status, 404);
}

#[test]
fn contacts_are_seeded_beside_the_api() {
    let simulator = simulator();
    let ada = user(&simulator, "ada", "ada@example.com");
    let body = json!({"role": "user", "external_id": "ada", "archived": true});
    let seeded = post(&simulator, "/_simulator/contacts", body);
    assert_eq!(seeded.status, 200);
    assert_ne!(seeded.id(), ada);
    let state = simulator.state();
    assert_eq!(state.contacts.len(), 2);
    assert!(state.contacts[1].archived);
    assert_eq!(
        post(&simulator, "/_simulator/contacts", json!({"email": "x"})).status,
        400
    );
}
