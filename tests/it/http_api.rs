//! Routes, who is let in, and what is answered.

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;

use crate::http::{Answer, Call};
use crate::support::{API_SECRET, WRITE_KEY, World, base64};

const ORIGIN: &str = "https://www.acme.example";

fn track() -> Value {
    json!({"type": "track", "messageId": "m1", "userId": "u1", "event": "Signed Up"})
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", base64(credentials.as_bytes()))
}

#[tokio::test]
async fn an_identify_becomes_a_contact_in_its_company() {
    let world = World::new(&[]).await;
    let body = json!({
        "type": "identify", "messageId": "m1", "userId": "u1",
        "timestamp": "2026-11-23T12:00:00Z",
        "traits": {"email": "ada@example.com", "name": "Ada", "plan": "pro",
            "company": {"id": "c1", "name": "Engines", "seats": 3}},
    });
    let (status, answer) = world.call("/v1/identify", &body).await;
    assert_eq!((status, answer), (200, json!({"success": true})));
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 1, "{:?}", world.aws().dead_letter);
    let contact = &state.contacts[0];
    assert_eq!(contact.external_id.as_deref(), Some("u1"));
    assert_eq!(contact.custom_attributes["plan"], json!("pro"));
    assert_eq!(contact.companies, ["c1"]);
    assert_eq!(state.companies[0].custom_attributes["seats"], json!(3));
}

#[tokio::test]
async fn a_single_calls_route_says_its_kind_long_or_short_with_or_without_a_slash() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let event = json!({"type": "nonsense", "userId": "u1", "event": "e", "groupId": "g",
        "previousId": "p"});
    for kind in ["identify", "track", "group", "alias"] {
        for path in [
            kind,
            &kind[..1],
            &format!("{kind}/"),
            &format!("{}/", &kind[..1]),
        ] {
            let call = Call::post(&format!("/v1/{path}")).json(&event);
            call.send(&world).await.assert_success();
            let queued = world.aws().retry.pop().expect(path);
            assert_eq!(queued.event()["type"], kind, "{path}");
        }
    }
    for path in ["page", "p", "page/", "screen", "s", "s/"] {
        let call = Call::post(&format!("/v1/{path}")).json(&event);
        call.send(&world).await.assert_success();
    }
    assert_eq!(world.aws().retry.len(), 0, "pages and screens are skipped");
    assert_eq!(world.aws().dead_letter.len(), 0);
}

#[tokio::test]
async fn batches_come_by_four_routes_behind_any_stage() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let batch = json!({"batch": [{"type": "track", "userId": "u1", "event": "Signed Up"}]});
    for path in [
        "/v1/batch",
        "/v1/b",
        "/v1/import",
        "/v1/batch/",
        "/v1/b/",
        "/v1/import/",
        "/prod/v1/batch",
        "/v1/v1/batch",
    ] {
        Call::post(path)
            .json(&batch)
            .send(&world)
            .await
            .assert_success();
        assert!(world.aws().retry.pop().is_some(), "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_so() {
    let world = World::new(&[]).await;
    for path in ["/", "/v1", "/v1/tracks", "/v2/track", "/v1/batch/x"] {
        let answer = Call::post(path).json(&track()).send(&world).await;
        answer.assert_error(404, "not_found");
        let message = answer.body["message"].as_str().expect("a message");
        assert!(message.contains("POST /v1/batch"), "{message}");
    }
    for (method, path) in [
        ("GET", "/v1/track"),
        ("PUT", "/v1/batch"),
        ("GET", "/v1/preview"),
        ("GET", "/webhook"),
        ("DELETE", "/webhook"),
        ("POST", "/health"),
    ] {
        let answer = Call::new(method, path).send(&world).await;
        answer.assert_error(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn health_and_telemetry_need_no_key_and_no_secret() {
    let world = World::new(&[]).await;
    world.aws().secret = Value::Null;
    let answer = Call::new("GET", "/health").without_key().send(&world).await;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"status": "ok", "version": version}));
    let telemetry = Call::post("/v1/m").without_key().bytes(b"{\"series\":[]}");
    telemetry.send(&world).await.assert_success();
    assert_eq!(world.aws().secret_reads, 0);
}

#[tokio::test]
async fn the_write_key_is_taken_from_wherever_an_sdk_puts_it() {
    let world = World::new(&[]).await;
    let with_key = json!({"event": "e", "userId": "u1", "writeKey": WRITE_KEY});
    let batch_with_key = json!({"batch": [], "writeKey": WRITE_KEY});
    let call = |authorization: &str| {
        Call::post("/v1/track")
            .json(&track())
            .header("Authorization", authorization)
    };
    let with_body = |body: &Value| Call::post("/v1/track").json(body).without_key();
    for (place, call) in [
        ("Basic", call(&basic(&format!("{WRITE_KEY}:")))),
        ("Basic without a colon", call(&basic(WRITE_KEY))),
        (
            "Basic with a password",
            call(&basic(&format!("{WRITE_KEY}:x"))),
        ),
        ("basic", call(&basic(WRITE_KEY).replace("Basic", "basic"))),
        ("the body", with_body(&with_key)),
        (
            "Bearer and the body",
            with_body(&with_key).header("Authorization", "Bearer token"),
        ),
        (
            "a batch's body",
            Call::post("/v1/batch").json(&batch_with_key).without_key(),
        ),
    ] {
        let answer = call.send(&world).await;
        assert_eq!(answer.status, 200, "{place}: {answer:?}");
    }
}

#[tokio::test]
async fn each_of_several_write_keys_lets_in() {
    let world = World::new(&[]).await;
    let (first, second) = ("the-first-write-key", "the-second-write-key");
    world.aws().secret["write_keys"] = json!([first, second]);
    for (key, status) in [(first, 200), (second, 200), (WRITE_KEY, 401)] {
        let call = Call::post("/v1/track").json(&track());
        let answer = call.header("Authorization", &basic(key)).send(&world).await;
        assert_eq!(answer.status, status, "{key}");
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_right_write_key() {
    let world = World::new(&[]).await;
    let call = |path| {
        Call::post(path)
            .json(&json!({"batch": [track()]}))
            .without_key()
    };
    let wrong_in_body = json!({"batch": [track()], "writeKey": "wrong"});
    let key_of_an_item = json!({"batch": [{"type": "track", "writeKey": WRITE_KEY}]});
    for path in ["/v1/batch", "/v1/track", "/v1/preview"] {
        for call in [
            call(path),
            call(path).header("Authorization", &basic("wrong:")),
            call(path).header("Authorization", &basic("")),
            call(path).header("Authorization", &basic(":local-server-write-key")),
            call(path).header("Authorization", WRITE_KEY),
            call(path).header("Authorization", &format!("Bearer {WRITE_KEY}")),
            call(path).json(&wrong_in_body),
            call(path).json(&key_of_an_item),
            call(path)
                .bytes(b"{")
                .header("Authorization", &basic("wrong:")),
        ] {
            call.send(&world).await.assert_error(401, "unauthorized");
        }
    }
    assert!(world.intercom.requests().is_empty());
}

#[tokio::test]
async fn browsers_may_read_every_answer() {
    let world = World::new(&[]).await;
    for (call, status) in [
        (Call::post("/v1/track").json(&track()), 200),
        (Call::post("/v1/track").bytes(b"{"), 400),
        (Call::post("/v1/track").json(&track()).without_key(), 401),
        (Call::post("/v1/nothing"), 404),
        (Call::new("GET", "/v1/track"), 405),
        (Call::new("OPTIONS", "/v1/track").without_key(), 204),
        (Call::new("OPTIONS", "/nowhere").without_key(), 204),
        (Call::post("/v1/m").without_key(), 200),
    ] {
        for (call, allowed) in [(call.clone(), "*"), (call.with_origin(ORIGIN), ORIGIN)] {
            let answer = call.send(&world).await;
            assert_eq!(answer.status, status);
            assert_browser_may_read(&answer, allowed);
        }
    }
}

#[track_caller]
fn assert_browser_may_read(answer: &Answer, allowed_origin: &str) {
    for (header, value) in [
        ("Access-Control-Allow-Origin", allowed_origin),
        (
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, X-Retry-Count",
        ),
        (
            "Access-Control-Expose-Headers",
            "Retry-After, X-RateLimit-Reset",
        ),
        ("Vary", "Origin"),
    ] {
        assert_eq!(answer.header(header), Some(value), "{answer:?}");
    }
    let methods = answer
        .header("Access-Control-Allow-Methods")
        .unwrap_or_default();
    assert!(methods.contains("POST"), "{methods}");
}

#[tokio::test]
async fn an_entry_point_whose_key_is_absent_is_never_open() {
    let track_from = |origin| Call::post("/v1/track").json(&track()).with_origin(origin);
    let webhook = || {
        Call::post("/webhook")
            .json(&track())
            .header("X-Signature", "00")
    };
    let guessable = [
        "",
        " ",
        "…",
        "local-write-key",
        "                  ",
        "lócal-write-key-1",
    ];
    for (key, call) in [
        ("write_keys", Call::post("/v1/track").json(&track())),
        (
            "write_keys",
            Call::post("/v1/batch").bytes(b"{").without_key(),
        ),
        ("write_keys", Call::post("/v1/preview").json(&track())),
        ("webhook_secret", webhook()),
        ("access_token", Call::post("/v1/track").json(&track())),
        ("access_token", webhook()),
        ("api_secret", track_from(ORIGIN)),
    ] {
        let of_one = guessable.map(|text| json!(text));
        let of_many = guessable.map(|text| json!([text]));
        let absent = match key {
            "write_keys" => [Value::Null, json!([]), json!(guessable)].to_vec(),
            "webhook_secret" => [&of_one[..], &of_many, &[Value::Null, json!([])]].concat(),
            // Intercom's: its length is not ours to judge.
            "access_token" => [&of_one[..3], &[Value::Null]].concat(),
            _ => [&of_one[..], &[Value::Null]].concat(),
        };
        for absent in absent {
            let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
            {
                let mut aws = world.aws();
                if key == "write_keys" {
                    aws.secret["public_write_keys"] = absent.clone();
                }
                aws.secret[key] = absent.clone();
            }
            let answer = call.send(&world).await;
            answer.assert_error(503, "not_configured");
            let message = answer.body["message"].as_str().expect("text");
            assert!(message.contains(key), "{message}");
            assert!(world.intercom.requests().is_empty());
        }
    }
}

/// Until it is configured, senders keep their events; from then on they are let in.
#[tokio::test]
async fn what_was_not_configured_is_read_again() {
    let world = World::new(&[]).await;
    let secret = std::mem::replace(&mut world.aws().secret, json!({}));
    let call = Call::post("/v1/identify").json(&json!({"userId": "u1"}));
    world.function.warm_up().await;
    world.aws().secret = secret;
    call.send(&world).await.assert_success();
}

/// A sender doesn't repeat a 401: a new key that the function doesn't know yet must not cost an
/// event.
#[tokio::test]
async fn a_rotation_of_keys_loses_nothing() {
    let new_key = "a-new-local-write-key";
    let event = json!({"userId": "u1", "traits": {"email": "ada@example.com"}});
    let in_body = json!({"userId": "u1", "writeKey": new_key, "integrations":
        {"Intercom": {"user_hash": user_hash(API_SECRET, "u1")}}});
    let body = json!({"type": "identify", "userId": "u1"}).to_string();
    let proven = json!({"userId": "u1", "integrations":
        {"Intercom": {"user_hash": user_hash("a-new-api-secret", "u1")}}});
    let post = |path: &str| Call::post(path);
    for (key, new_value, call) in [
        (
            "write_keys",
            json!([new_key]),
            post("/v1/identify").json(&event).with_key(new_key),
        ),
        (
            "public_write_keys",
            json!([new_key]),
            post("/v1/identify").json(&in_body).without_key(),
        ),
        (
            "webhook_secret",
            json!("a-new-webhook-secret"),
            post("/webhook")
                .bytes(body.as_bytes())
                .header("X-Signature", &hmac_sha1("a-new-webhook-secret", &body)),
        ),
        (
            "api_secret",
            json!("a-new-api-secret"),
            post("/v1/identify").json(&proven).with_origin(ORIGIN),
        ),
    ] {
        let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
        let old = Call::post("/v1/page").json(&json!({"userId": "u1"}));
        old.send(&world).await.assert_success();
        world.aws().secret[key] = new_value;
        assert_eq!(call.send(&world).await.status, 200, "{key}");
        assert_eq!(world.intercom.state().contacts.len(), 1, "{key}");
        assert_eq!(world.aws().secret_reads, 2, "{key}");
    }
}

#[tokio::test]
async fn a_webhook_may_be_signed_with_any_secret_of_a_list() {
    let world = World::new(&[]).await;
    let (old, new) = ("the-old-webhook-secret", "the-new-webhook-secret");
    world.aws().secret["webhook_secret"] = json!(["…", old, new]);
    let body = json!({"type": "page", "userId": "u1"}).to_string();
    for (secret, status) in [
        (old, 200),
        (new, 200),
        ("…", 401),
        ("another-secret-of-a-list", 401),
    ] {
        let call = Call::post("/webhook").bytes(body.as_bytes());
        let call = call.header("X-Signature", &hmac_sha1(secret, &body));
        assert_eq!(call.send(&world).await.status, status, "{secret}");
    }
}

/// Nobody without a key makes the function read the secret at each request.
#[tokio::test]
async fn wrong_keys_have_the_secret_read_once_in_ten_seconds() {
    let world = World::new(&[]).await;
    for _ in 0..20 {
        let wrong = Call::post("/v1/track").json(&track()).with_key("wrong");
        wrong.send(&world).await.assert_error(401, "unauthorized");
        let unsigned = Call::post("/webhook").json(&track());
        unsigned
            .send(&world)
            .await
            .assert_error(401, "unauthorized");
    }
    assert_eq!(world.aws().secret_reads, 2);
}

#[tokio::test]
async fn a_key_that_cannot_be_checked_is_not_refused() {
    let world = World::new(&[]).await;
    let call = Call::post("/v1/track").json(&track());
    call.send(&world).await;
    world.aws().secret = json!("not an object");
    let answer = call
        .clone()
        .with_key("perhaps-a-new-key")
        .send(&world)
        .await;
    answer.assert_error(503, "secret_unavailable");
    assert_eq!(call.send(&world).await.status, 200, "the old one goes on");
}

fn user_hash(api_secret: &str, user: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(api_secret.as_bytes()).expect("a key");
    mac.update(user.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn hmac_sha1(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn preview_needs_no_access_token() {
    let world = World::new(&[]).await;
    world.aws().secret["access_token"] = Value::Null;
    let answer = Call::post("/v1/preview").json(&track()).send(&world).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_no_open_door() {
    let world = World::new(&[]).await;
    world.aws().secret = json!("not an object");
    for path in ["/v1/track", "/webhook", "/v1/preview"] {
        let answer = Call::post(path).json(&track()).send(&world).await;
        answer.assert_error(503, "secret_unavailable");
    }
}

#[tokio::test]
async fn a_hanging_secrets_manager_is_answered_for_within_five_seconds() {
    let world = World::new(&[]).await;
    // Longer than a loaded machine needs for the 5 s.
    let hang = Duration::from_mins(1);
    world.aws().secret_delay = hang;
    let started = Instant::now();
    let answer = Call::post("/v1/track").json(&track()).send(&world).await;
    answer.assert_error(503, "secret_unavailable");
    assert!(started.elapsed() < hang, "{:?}", started.elapsed());
}

#[tokio::test]
async fn with_require_user_hash_a_browser_has_to_prove_its_user() {
    let hash_of = |user: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(API_SECRET.as_bytes()).expect("a key");
        mac.update(user.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    };
    let identify = |user_hash: Value| {
        json!({"userId": "u1", "traits": {"email": "ada@example.com"},
            "integrations": {"Intercom": {"user_hash": user_hash}}})
    };
    let by_email = json!({"traits": {"email": "eve@example.com"},
        "context": {"Intercom": {"userHash": hash_of("eve@example.com")}}});
    let anonymous = json!({"anonymousId": "a1", "traits": {"color": "red"}});
    for (case, body, origin, is_taken) in [
        ("the right hash", identify(json!(hash_of("u1"))), true, true),
        (
            "another user's hash",
            identify(json!(hash_of("u2"))),
            true,
            false,
        ),
        ("a hash that is none", identify(json!(7)), true, false),
        ("no hash", identify(Value::Null), true, false),
        ("no hash, but a server", identify(Value::Null), false, true),
        ("the email's hash", by_email, true, true),
        ("nobody to prove", anonymous, true, true),
    ] {
        let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
        let mut call = Call::post("/v1/identify").json(&body);
        if origin {
            call = call.with_origin(ORIGIN);
        }
        call.send(&world).await.assert_success();
        let rejected = world.aws().dead_letter.clone();
        assert_eq!(rejected.is_empty(), is_taken, "{case}");
        if !is_taken {
            assert!(world.intercom.requests().is_empty(), "{case}");
            let reason = rejected[0].attribute("reason").expect("a reason");
            assert!(reason.contains("user_hash"), "{reason}");
        }
    }
}

#[tokio::test]
async fn integrations_say_whether_an_event_is_for_intercom() {
    let world = World::new(&[]).await;
    let event = |integrations: Value| json!({"type": "identify", "userId": "u1", "integrations": integrations});
    let others = [
        event(json!({"All": false})),
        event(json!({"all": false, "Mixpanel": true})),
        event(json!({"Intercom": false})),
    ];
    let shared = json!({"batch": [{"type": "identify", "userId": "u1"}],
        "integrations": {"All": false}});
    for body in [json!({"batch": others}), shared] {
        Call::post("/v1/batch")
            .json(&body)
            .send(&world)
            .await
            .assert_success();
    }
    assert!(world.intercom.requests().is_empty());
    let ours = event(json!({"All": false, "Intercom": true}));
    Call::post("/v1/i")
        .json(&ours)
        .send(&world)
        .await
        .assert_success();
    assert_eq!(world.intercom.state().contacts.len(), 1);
}
