use intercom_simulator::Simulator;
use serde_json::{Value, json};

use crate::client::*;

const REDIRECT: &str = "http%3A%2F%2F127.0.0.1%3A7%2Fcallback";

/// Where the page at Intercom sends the person.
fn location(simulator: &Simulator) -> String {
    let path = format!("/oauth?client_id=simulator-app&state=s%261&redirect_uri={REDIRECT}");
    let answer = must(simulator, "GET", &path, &[], "");
    assert_eq!(answer.status, 302);
    answer.headers["location"].clone()
}

fn exchange(simulator: &Simulator, code: &str, secret: &str) -> Answer {
    let body = json!({"code": code, "client_id": "simulator-app", "client_secret": secret});
    let headers = [("Content-Type", "application/json")];
    must(
        simulator,
        "POST",
        "/auth/eagle/token",
        &headers,
        &body.to_string(),
    )
}

fn me(simulator: &Simulator, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Accept", "application/json"),
        ("Intercom-Version", "2.16"),
    ];
    must(simulator, "GET", "/me", &headers, "")
}

#[test]
fn a_code_gives_a_token_once_and_uninstalling_ends_it() {
    let simulator = simulator();
    let location = location(&simulator);
    let (start, rest) = location.split_once("?code=").expect("a code");
    let (code, state) = rest.split_once("&state=").expect("the state");
    assert_eq!((start, state), ("http://127.0.0.1:7/callback", "s%261"));
    assert_eq!(exchange(&simulator, code, "wrong").status, 401);
    let token = exchange(&simulator, code, "simulator-app-secret").body["access_token"].clone();
    let token = token.as_str().expect("a token");
    assert_eq!(
        exchange(&simulator, code, "simulator-app-secret").status,
        404
    );
    assert_eq!(me(&simulator, token).status, 200);
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(
        must(&simulator, "POST", "/auth/uninstall", &headers, "").status,
        200
    );
    assert_eq!(
        must(&simulator, "POST", "/auth/uninstall", &headers, "").status,
        401
    );
    assert_eq!(me(&simulator, token).status, 401);
    assert_eq!(me(&simulator, "simulator-token").status, 200);
}

#[test]
fn a_person_may_decline() {
    let simulator = simulator_with(|settings| settings.oauth_denied = true);
    assert!(location(&simulator).contains("?error=access_denied&state="));
}

#[test]
fn the_workspace_is_where_the_settings_say() {
    let simulator = simulator_with(|settings| {
        settings.region = "Europe".to_owned();
        settings.identity_verification = true;
    });
    let app = me(&simulator, "simulator-token").body["app"].clone();
    assert_eq!(app["region"], "Europe");
    assert_eq!(app["identity_verification"], Value::Bool(true));
}

fn must(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    send(simulator, method, path, headers, body).expect("an answer")
}
