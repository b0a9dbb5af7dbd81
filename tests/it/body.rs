//! Bodies: packed, broken, too large; and batches with bad events.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::http::Call;
use crate::support::{WRITE_KEY, World};

fn identify(user_id: &str) -> Value {
    json!({"type": "identify", "messageId": format!("m-{user_id}"), "userId": user_id})
}

/// An identify whose JSON has exactly `bytes` bytes.
fn identify_of(user_id: &str, bytes: usize) -> Value {
    let mut event = identify(user_id);
    event["writeKey"] = WRITE_KEY.into();
    event["filler"] = "".into();
    let left = bytes - event.to_string().len();
    event["filler"] = "x".repeat(left).into();
    event
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

impl World {
    fn user_ids(&self) -> Vec<String> {
        let contacts = self.intercom.state().contacts.into_iter();
        let mut ids: Vec<String> = contacts.filter_map(|contact| contact.external_id).collect();
        ids.sort();
        ids
    }
}

#[tokio::test]
async fn gzip_is_known_by_its_magic_bytes_whatever_the_headers_say() {
    let world = World::new(&[]).await;
    for (user, headers) in [
        (
            "u1",
            &[
                ("Content-Type", "application/json"),
                ("Content-Encoding", "gzip"),
            ][..],
        ),
        ("u2", &[("Content-Type", "text/plain")]),
        ("u3", &[("Content-Type", "application/json")]),
        ("u4", &[]),
    ] {
        let body = gzip(json!({"batch": [identify(user)]}).to_string().as_bytes());
        let call = Call::post("/v1/b")
            .without_header("Content-Type")
            .bytes(&body);
        let call = headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        call.send(&world).await.assert_success();
    }
    let plain = Call::post("/v1/i")
        .json(&identify("u5"))
        .header("Content-Encoding", "gzip");
    plain.send(&world).await.assert_success();
    assert_eq!(world.user_ids(), ["u1", "u2", "u3", "u4", "u5"]);
}

#[tokio::test]
async fn broken_json_is_answered_400() {
    let world = World::new(&[]).await;
    for path in ["/v1/batch", "/v1/track", "/v1/preview"] {
        for body in [
            &b"{"[..],
            b"",
            b"hello",
            br#"{"batch":[}"#,
            b"\xff\xfe",
            b"{}}",
        ] {
            let answer = Call::post(path).bytes(body).send(&world).await;
            answer.assert_error(400, "invalid_json");
        }
        let damaged = Call::post(path).bytes(&[0x1f, 0x8b, 8, 0, 1]);
        damaged.send(&world).await.assert_error(400, "invalid_gzip");
    }
    assert!(world.intercom.requests().is_empty());
}

#[tokio::test]
async fn json_of_the_wrong_shape_is_answered_400() {
    let world = World::new(&[]).await;
    for (path, body) in [
        ("/v1/track", json!([])),
        ("/v1/track", json!("track")),
        ("/v1/batch", json!({})),
        ("/v1/batch", json!([identify("u1")])),
        ("/v1/batch", json!({"batch": {"0": identify("u1")}})),
        ("/v1/import", json!({"batch": null})),
    ] {
        let answer = Call::post(path).json(&body).send(&world).await;
        answer.assert_error(400, "invalid_request");
    }
}

/// C#, Swift, Kotlin and mobile SDKs send their key in the body: Swift drops events only on 400.
#[tokio::test]
async fn what_is_wrong_with_a_body_is_told_to_those_whose_key_is_inside_it() {
    let world = World::new(&[]).await;
    let broken = format!(r#"{{"writeKey":"{WRITE_KEY}","batch":[}}"#);
    let batch = |events: Vec<Value>| json!({"writeKey": WRITE_KEY, "batch": events}).to_string();
    let large = batch(vec![identify_of("u1", 501 * 1024)]);
    for (path, body, code) in [
        ("/v1/b", broken.as_bytes(), "invalid_json"),
        ("/v1/b", &gzip(broken.as_bytes()), "invalid_json"),
        ("/v1/b", large.as_bytes(), "body_too_large"),
        ("/v1/b", &gzip(large.as_bytes()), "body_too_large"),
        (
            "/v1/b",
            batch(vec![json!({}); 2_501]).as_bytes(),
            "too_many_events",
        ),
        (
            "/v1/b",
            format!(r#"{{"writeKey":"{WRITE_KEY}"}}"#).as_bytes(),
            "invalid_request",
        ),
        (
            "/v1/i",
            identify_of("u1", 33 * 1024).to_string().as_bytes(),
            "event_too_large",
        ),
    ] {
        let call = Call::post(path).without_key().bytes(body);
        call.send(&world).await.assert_error(400, code);
    }
    let wrong_key = batch(vec![json!({}); 2_501]).replace(WRITE_KEY, "wrong");
    let call = Call::post("/v1/b")
        .without_key()
        .bytes(wrong_key.as_bytes());
    call.send(&world).await.assert_error(401, "unauthorized");
}

#[tokio::test]
async fn a_single_event_may_have_32_kb() {
    let world = World::new(&[]).await;
    let call = |bytes| Call::post("/v1/identify").json(&identify_of("u1", bytes));
    call(32 * 1024).send(&world).await.assert_success();
    assert_eq!(world.user_ids(), ["u1"]);
    call(32 * 1024 + 1)
        .send(&world)
        .await
        .assert_error(400, "event_too_large");
    call(33 * 1024)
        .send(&world)
        .await
        .assert_error(400, "event_too_large");
    assert!(world.aws().dead_letter.is_empty());
}

#[tokio::test]
async fn a_body_may_have_500_kb_unpacked() {
    let world = World::new(&[]).await;
    let body = |bytes: usize| {
        let empty = json!({"batch": [identify("u1")], "filler": ""}).to_string();
        empty.replace(
            r#""filler":"""#,
            &format!(r#""filler":"{}""#, "x".repeat(bytes - empty.len())),
        )
    };
    let fits = body(500 * 1024);
    let too_large = body(501 * 1024);
    for body in [fits.clone().into_bytes(), gzip(fits.as_bytes())] {
        Call::post("/v1/batch")
            .bytes(&body)
            .send(&world)
            .await
            .assert_success();
    }
    for body in [too_large.clone().into_bytes(), gzip(too_large.as_bytes())] {
        let answer = Call::post("/v1/batch").bytes(&body).send(&world).await;
        answer.assert_error(400, "body_too_large");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_not_unpacked() {
    let world = World::new(&[]).await;
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100_000, "it is small to send");
    for path in ["/v1/batch", "/v1/preview"] {
        let answer = Call::post(path).bytes(&bomb).send(&world).await;
        answer.assert_error(400, "body_too_large");
    }
}

#[tokio::test]
async fn a_batch_may_have_2500_events() {
    let world = World::new(&[]).await;
    let batch = |events: usize| {
        let page = json!({"type": "page", "userId": "u1"});
        Call::post("/v1/batch").json(&json!({"batch": vec![page; events]}))
    };
    batch(2_500).send(&world).await.assert_success();
    batch(2_501)
        .send(&world)
        .await
        .assert_error(400, "too_many_events");
    batch(0).send(&world).await.assert_success();
}

#[tokio::test]
async fn one_bad_event_never_sinks_its_batch() {
    let world = World::new(&[]).await;
    let mut unknown = identify("u2");
    unknown["type"] = "teleport".into();
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
    let large = identify_of("u3", 33 * 1024);
    let body = format!(
        r#"{{"batch":[{},{unknown},{large},7,null,{deep},{{"userId":"no type"}},{{"x":1e999}},{}]}}"#,
        identify("u1"),
        identify("u4"),
    );
    Call::post("/v1/batch")
        .bytes(body.as_bytes())
        .send(&world)
        .await
        .assert_success();
    assert_eq!(world.user_ids(), ["u1", "u4"]);

    let aws = world.aws();
    assert_eq!(aws.dead_letter.len(), 7);
    let record_of = |reason: &str| {
        let mut records = aws.dead_letter.iter();
        let found = records.find(|record| {
            record
                .attribute("reason")
                .is_some_and(|other| other.contains(reason))
        });
        let record = found.unwrap_or_else(|| panic!("no record says {reason:?}"));
        assert_eq!(record.attribute("status"), Some("rejected"));
        assert!(record.attribute("requestId").is_some(), "the invocation's");
        record.event()
    };
    assert_eq!(record_of("unknown type \"teleport\""), &unknown);
    assert_eq!(record_of("larger than 32 KB")["filler"], large["filler"]);
    assert_eq!(record_of("this is a number"), &json!(7));
    assert_eq!(record_of("this is null"), &Value::Null);
    assert_eq!(record_of("no \"type\"")["userId"], "no type");
    record_of("recursion limit");
    record_of("out of range");
}

#[tokio::test]
async fn fields_of_a_batch_hold_for_its_events() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let body = json!({
        "batch": [{"type": "track", "event": "e", "userId": "u1", "context": {"ip": "192.0.2.1"}}],
        "context": {"ip": "192.0.2.2", "locale": "en"},
        "integrations": {"Mixpanel": false},
        "sentAt": "2026-11-23T12:00:00Z",
    });
    Call::post("/v1/batch")
        .json(&body)
        .send(&world)
        .await
        .assert_success();
    let queued = world.aws().retry[0].event().clone();
    assert_eq!(
        queued["context"],
        json!({"ip": "192.0.2.1", "locale": "en"})
    );
    assert_eq!(queued["integrations"], body["integrations"]);
    assert_eq!(queued["sentAt"], body["sentAt"]);
}

/// JSON may write any character as an escape, and a key twice.
#[tokio::test]
async fn fields_of_a_batch_hold_however_they_are_written() {
    let integrations = r#""integrations":{"\u0041ll":false,"Mixpanel":true}"#;
    for (shared, own, expected) in [
        (integrations, r#","integrations":{"Amplitude":true}"#, 0),
        (integrations, "", 0),
        (integrations, r#","integrations":{"All":true}"#, 1),
        (integrations, r#","\u0069ntegrations":{"\u0041ll":true}"#, 1),
        (r#""\u0069ntegrations":{"All":false}"#, "", 0),
        (
            r#""integrations":{"All":true},"integrations":{"All":false}"#,
            "",
            0,
        ),
        (
            r#""integrations":{"Intercom":{"\u0061":"\n"}}"#,
            r#","integrations":{"All":false}"#,
            1,
        ),
    ] {
        let world = World::new(&[]).await;
        let event = format!(r#"{{"type":"identify","userId":"u1"{own}}}"#);
        let body = format!(r#"{{"batch":[{event}],{shared}}}"#);
        let call = Call::post("/v1/batch").bytes(body.as_bytes());
        call.send(&world).await.assert_success();
        assert_eq!(world.user_ids().len(), expected, "{body}");
        assert!(world.aws().dead_letter.is_empty(), "{body}");
    }
}
