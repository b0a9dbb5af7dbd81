use std::time::Duration;

use serde_json::json;

use crate::client::*;

#[test]
fn headers_are_checked() {
    let simulator = simulator();
    let [token, accept, version, content_type] = HEADERS;
    let cases = [
        (vec![accept, version], "GET", "", 401, "unauthorized"),
        (
            vec![("Authorization", "Bearer x"), accept],
            "GET",
            "",
            401,
            "unauthorized",
        ),
        (
            vec![("Authorization", "Basic simulator-token"), accept],
            "GET",
            "",
            401,
            "unauthorized",
        ),
        (
            vec![token, version],
            "GET",
            "",
            406,
            "media_type_not_acceptable",
        ),
        (
            vec![token, ("Accept", "*/*"), version],
            "GET",
            "",
            406,
            "media_type_not_acceptable",
        ),
        (
            vec![token, accept, version],
            "POST",
            "{}",
            415,
            "client_error",
        ),
        (
            vec![token, accept, version, content_type],
            "POST",
            "{",
            400,
            "bad_request",
        ),
        (
            vec![token, accept, version, content_type],
            "POST",
            "[]",
            400,
            "bad_request",
        ),
        (
            vec![token, accept, version, content_type],
            "DELETE",
            "",
            404,
            "not_found",
        ),
    ];
    for (headers, method, body, status, code) in cases {
        let path = if method == "GET" { "/me" } else { "/contacts" };
        let answer = send(&simulator, method, path, &headers, body).unwrap();
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{headers:?} {body}"
        );
        assert_eq!(answer.body["type"], "error.list");
        assert!(answer.body["request_id"].is_string());
        let authenticated = status != 401;
        assert_eq!(
            answer.headers.contains_key("x-ratelimit-limit"),
            authenticated
        );
    }
    assert_eq!(get(&simulator, "/me").body["app"]["region"], "US");
}

#[test]
fn a_missing_version_is_noted_not_refused() {
    let simulator = simulator();
    let [token, accept, ..] = HEADERS;
    for (headers, violations) in [
        (vec![token, accept, ("Intercom-Version", "2.16")], 0),
        (vec![token, accept, ("Intercom-Version", "2.11")], 1),
        (vec![token, accept], 1),
    ] {
        simulator.clear_requests();
        assert_eq!(
            send(&simulator, "GET", "/me", &headers, "").unwrap().status,
            200
        );
        assert_eq!(simulator.requests()[0].violations.len(), violations);
    }
}

#[test]
fn the_rate_is_limited_per_window() {
    let simulator = simulator_with(|settings| settings.rate_limit = 2);
    // What remains doesn't count the request itself, and the reset is named late.
    for (status, remaining) in [(200, "2"), (200, "1"), (429, "0")] {
        let answer = get(&simulator, "/me");
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["x-ratelimit-limit"], "2");
        assert_eq!(answer.headers["x-ratelimit-remaining"], remaining);
        assert_eq!(
            answer.headers["x-ratelimit-reset"],
            (START + 16).to_string()
        );
    }
    let refused = post(
        &simulator,
        "/contacts",
        json!({"role": "user", "external_id": "a"}),
    );
    assert_eq!(refused.code(), "rate_limit_exceeded");
    assert!(simulator.state().contacts.is_empty());
    simulator.advance(Duration::from_secs(10));
    assert_eq!(get(&simulator, "/me").status, 200);
}

#[test]
fn by_how_much_the_reset_is_late_can_be_set() {
    let simulator = simulator_with(|settings| settings.reset_late_seconds = 0);
    let reset = || get(&simulator, "/me").headers["x-ratelimit-reset"].clone();
    assert_eq!(reset(), (START + 10).to_string());
    simulator.set(|settings| settings.reset_late_seconds = 2);
    assert_eq!(reset(), (START + 12).to_string());
}

#[test]
fn old_versions_lack_find_by_external_id_and_unknown_ones_are_refused() {
    let simulator = simulator();
    user(&simulator, "ada", "ada@example.com");
    let [token, accept, ..] = HEADERS;
    for (version, status, code) in [
        ("2.16", 200, ""),
        ("2.13", 200, ""),
        ("Preview", 200, ""),
        ("2.12", 404, "not_found"),
        ("1.4", 404, "not_found"),
        ("2.99", 400, "intercom_version_invalid"),
        ("latest", 400, "intercom_version_invalid"),
    ] {
        let headers = [token, accept, ("Intercom-Version", version)];
        let path = "/contacts/find_by_external_id/ada";
        let answer = send(&simulator, "GET", path, &headers, "").unwrap();
        assert_eq!((answer.status, answer.code()), (status, code), "{version}");
    }
}

#[test]
fn dot_segments_lead_elsewhere() {
    let simulator = simulator();
    user(&simulator, ".", "ada@example.com");
    for (id, status) in [(".", 404), ("%2e", 404), ("..", 200), ("%2E%2e", 200)] {
        simulator.clear_requests();
        let answer = get(&simulator, &format!("/contacts/find_by_external_id/{id}"));
        assert_eq!(answer.status, status, "{id}");
        // Never the user: `..` leads to the list of all.
        assert_ne!(answer.body["type"], "contact");
        assert!(!simulator.requests()[0].violations.is_empty());
    }
    let without_id = get(&simulator, "/contacts/find_by_external_id/");
    assert_eq!(without_id.status, 404);
}

#[test]
fn the_account_is_described() {
    let simulator = simulator();
    let me = get(&simulator, "/me").body;
    for key in ["type", "id", "email", "name"] {
        assert!(me[key].is_string(), "{key}");
    }
    for key in ["id_code", "name", "region"] {
        assert!(me["app"][key].is_string(), "{key}");
    }
    for key in ["secure", "identity_verification"] {
        assert!(me["app"][key].is_boolean(), "{key}");
    }
}
