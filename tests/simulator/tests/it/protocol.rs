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
    for (status, remaining) in [(200, "1"), (200, "0"), (429, "0")] {
        let answer = get(&simulator, "/me");
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["x-ratelimit-limit"], "2");
        assert_eq!(answer.headers["x-ratelimit-remaining"], remaining);
        assert_eq!(
            answer.headers["x-ratelimit-reset"],
            (START + 10).to_string()
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
