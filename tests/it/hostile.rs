//! What no honest sender sends: each has a clear answer, and takes nobody else's event with it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use intercom_simulator::Fault;
use serde_json::json;
use tracing::Level;

use crate::http::{Call, signed};
use crate::shapes::{
    KB, MB, batch_of, deep, deep_object, identify, identify_with, wide_array, wide_object,
};
use crate::support::{Log, PUBLIC_WRITE_KEY, WRITE_KEY, World, base64, reason};

fn basic(credentials: &[u8]) -> String {
    format!("Basic {}", base64(credentials))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn utf_16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

#[tokio::test]
async fn a_body_that_is_no_json_text_is_refused_as_a_whole() {
    let world = World::new(&[]).await;
    let event = identify("u1").to_string();
    let latin_1 = identify_with("u1", "\"name\":\"Zürich\"").replace('ü', "\u{1}");
    let latin_1: Vec<u8> = latin_1
        .bytes()
        .map(|b| if b == 1 { 0xfc } else { b })
        .collect();
    for (case, body) in [
        ("arrays without an end", "[".repeat(100_000).into_bytes()),
        (
            "objects without an end",
            "{\"x\":".repeat(60_000).into_bytes(),
        ),
        ("arrays of 100,000 levels", deep(100_000).into_bytes()),
        (
            "a property of 127 levels",
            identify_with("u1", &format!("\"x\":{}", deep(127))).into(),
        ),
        (
            "a number that no computer takes",
            identify_with("u1", "\"x\":1e400").into(),
        ),
        (
            "a number of 401 digits",
            identify_with("u1", &format!("\"x\":1{}", "0".repeat(400))).into(),
        ),
        (
            "two byte order marks",
            [&b"\xef\xbb\xbf\xef\xbb\xbf"[..], event.as_bytes()].concat(),
        ),
        ("UTF-16, little end first", utf_16(&event, u16::to_le_bytes)),
        ("UTF-16, big end first", utf_16(&event, u16::to_be_bytes)),
        ("Latin-1", latin_1),
        ("a key that is no UTF-8", b"{\"\xff\":1}".to_vec()),
        (
            "UTF-8 longer than it must be",
            b"{\"x\":\"\xc0\xaf\"}".to_vec(),
        ),
        ("a bare NUL", identify_with("u1", "\"x\":\"\0\"").into()),
        (
            "a bare line break",
            identify_with("u1", "\"x\":\"\n\"").into(),
        ),
        ("NaN", identify_with("u1", "\"x\":NaN").into()),
        ("nothing but zeros", vec![0; 100 * KB]),
        ("nothing but spaces", vec![b' '; 100 * KB]),
    ] {
        for path in ["/v1/identify", "/v1/batch"] {
            let answer = Call::post(path).bytes(&body).send(&world).await;
            let code = answer.body["code"].as_str();
            let is_refused = answer.status == 400
                && (code == Some("invalid_json") || code == Some("invalid_request"));
            assert!(is_refused, "{case} {path}: {answer:?}");
        }
    }
    world.assert_nothing_happened();
}

#[tokio::test]
async fn a_bad_event_of_a_batch_is_rejected_alone() {
    let with = |field: &str| identify_with("bad", field);
    for (case, item, expected) in [
        (
            "deep arrays",
            with(&format!("\"x\":{}", deep(127))),
            "recursion limit",
        ),
        (
            "deep objects",
            with(&format!("\"x\":{}", deep_object(127))),
            "recursion limit",
        ),
        ("100,000 levels", deep(100_000), "larger than 32 KB"),
        (
            "20,000 keys",
            with(&format!("\"traits\":{}", wide_object(20_000))),
            "larger than 32 KB",
        ),
        (
            "100,000 elements",
            with(&format!("\"x\":{}", wide_array(100_000))),
            "larger than 32 KB",
        ),
        ("1e400", with("\"x\":1e400"), "number out of range"),
        (
            "401 digits",
            with(&format!("\"x\":-1{}", "0".repeat(400))),
            "number out of range",
        ),
        (
            "a long type",
            json!({"type": "x".repeat(30 * KB)}).to_string(),
            "unknown type",
        ),
    ] {
        let world = World::new(&[]).await;
        let (first, last) = (identify("u1").to_string(), identify("u2").to_string());
        let body = batch_of(&[&first, &item, &last]);
        let call = Call::post("/v1/batch").bytes(body.as_bytes());
        call.send(&world).await.assert_success();
        assert_eq!(world.external_ids(), ["u1", "u2"], "{case}");
        let records = world.dead_letters();
        assert_eq!(records.len(), 1, "{case}");
        assert!(
            reason(&records[0]).contains(expected),
            "{case}: {}",
            reason(&records[0])
        );
    }
}

#[tokio::test]
async fn odd_but_valid_values_are_taken_as_they_are() {
    for (case, field) in [
        ("the deepest that is taken", format!("\"x\":{}", deep(126))),
        (
            "the largest number",
            "\"x\":1.7976931348623157e+308".to_owned(),
        ),
        (
            "integers at their ends",
            "\"x\":[18446744073709551615,-9223372036854775808]".to_owned(),
        ),
        ("less than nothing", "\"x\":-0.0".to_owned()),
        ("the smallest number", "\"x\":5e-324".to_owned()),
        ("an escaped NUL", r#""x":"a\u0000b","\u0000":1"#.to_owned()),
        (
            "what SQS refuses",
            "\"x\":\"\u{fffe}\u{ffff}\\u0001\"".to_owned(),
        ),
        ("an empty key", r#""":1"#.to_owned()),
    ] {
        let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
        let event = identify_with("u1", &field);
        let call = Call::post("/v1/identify").bytes(event.as_bytes());
        call.send(&world).await.assert_success();
        let queued = world.queued_and_back().await;
        assert!(
            queued.ends_with(&format!("\"event\":{event}}}")),
            "{case}: {queued}"
        );
        assert_eq!(world.external_ids(), ["u1"], "{case}");
    }
}

#[tokio::test]
async fn a_long_number_is_an_id_to_its_last_digit() {
    let world = World::new(&[]).await;
    for id in [
        "1234567890123456789",
        "18446744073709551615",
        "-9223372036854775808",
    ] {
        let body = format!(r#"{{"userId":{id}}}"#);
        let call = Call::post("/v1/identify").bytes(body.as_bytes());
        call.send(&world).await.assert_success();
    }
    let ids = [
        "-9223372036854775808",
        "1234567890123456789",
        "18446744073709551615",
    ];
    assert_eq!(world.external_ids(), ids);
}

/// JavaScript cuts texts in the middle of an emoji, and says so by half of its escape.
#[tokio::test]
async fn half_an_emoji_is_replaced_as_everywhere() {
    for (sent, kept) in [
        (r#""a\ud83d""#, "a\u{fffd}"),
        (r#""\uDE00b""#, "\u{fffd}b"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ud83d\u0041\ude00""#, "\u{fffd}A\u{fffd}"),
        (r#""\ud83d\n\\ud83d""#, "\u{fffd}\n\\ud83d"),
    ] {
        let event = identify_with("u1", &format!("\"traits\":{{\"name\":{sent}}}"));
        let batch = batch_of(&[&event]);
        let bridged = format!(r#"{{"detail-type":"identify","detail":{event}}}"#);
        for call in [
            Call::post("/v1/identify").bytes(event.as_bytes()),
            Call::post("/v1/batch").bytes(batch.as_bytes()),
            signed(&event),
        ] {
            let world = World::new(&[]).await;
            assert_eq!(call.send(&world).await.status, 200, "{sent}");
            let name = world.intercom.state().contacts[0].name.clone();
            assert_eq!(name.as_deref(), Some(kept), "{sent}");
        }
        for payload in [event, bridged] {
            let world = World::new(&[]).await;
            let answer = world.invoke_raw(&payload).await.expect("results");
            assert_eq!(answer["results"][0]["status"], "delivered", "{answer}");
            let name = world.intercom.state().contacts[0].name.clone();
            assert_eq!(name.as_deref(), Some(kept), "{sent}");
        }
    }
}

#[tokio::test]
async fn gzip_is_unpacked_once_whole_and_within_the_limit() {
    let world = World::new(&[]).await;
    let plain = batch_of(&[&identify("u1").to_string()]);
    let (start, end) = plain.as_bytes().split_at(10);
    let packed = gzip(plain.as_bytes());
    let spaces = vec![b' '; 64 * MB];
    for (case, body, code) in [
        ("two members", [gzip(start), gzip(end)].concat(), None),
        (
            "many members",
            plain.bytes().flat_map(|byte| gzip(&[byte])).collect(),
            None,
        ),
        ("gzip in gzip", gzip(&packed), Some("invalid_json")),
        (
            "cut in its header",
            packed[..5].to_vec(),
            Some("invalid_gzip"),
        ),
        (
            "cut in its data",
            packed[..packed.len() / 2].to_vec(),
            Some("invalid_gzip"),
        ),
        (
            "cut in its checksum",
            packed[..packed.len() - 1].to_vec(),
            Some("invalid_gzip"),
        ),
        (
            "garbage behind it",
            [&packed[..], b"garbage"].concat(),
            Some("invalid_gzip"),
        ),
        (
            "zeros behind it",
            [&packed[..], &[0; 512]].concat(),
            Some("invalid_gzip"),
        ),
        (
            "a wrong checksum",
            {
                let mut damaged = packed.clone();
                let place = damaged.len() - 6;
                damaged[place] ^= 1;
                damaged
            },
            Some("invalid_gzip"),
        ),
        ("64 MB of spaces", gzip(&spaces), Some("body_too_large")),
        (
            "100 times 640 KB",
            gzip(&spaces[..640 * KB]).repeat(100),
            Some("body_too_large"),
        ),
        ("nothing", gzip(b""), Some("invalid_json")),
        ("zlib", vec![0x78, 0x9c, 1, 2, 3], Some("invalid_json")),
    ] {
        for path in ["/v1/batch", "/v1/preview"] {
            for encoding in ["gzip", "identity", "br"] {
                let call = Call::post(path)
                    .bytes(&body)
                    .header("Content-Encoding", encoding);
                let answer = call.send(&world).await;
                match code {
                    None => assert_eq!(answer.status, 200, "{case}: {answer:?}"),
                    Some(code) => answer.assert_error(400, code),
                }
            }
        }
    }
    assert_eq!(world.external_ids(), ["u1"]);
}

/// Nobody packs a webhook, and its signature covers the bytes as they are.
#[tokio::test]
async fn a_packed_webhook_is_refused() {
    let world = World::new(&[]).await;
    let call = Call::post("/webhook").bytes(&gzip(identify("u1").to_string().as_bytes()));
    let answer = call.header("X-Signature", "00").send(&world).await;
    answer.assert_error(401, "unauthorized");
    world.assert_nothing_happened();
}

#[tokio::test]
async fn only_a_right_key_in_odd_headers_lets_in() {
    let right = basic(format!("{WRITE_KEY}:").as_bytes());
    let call = Call::post("/v1/identify").json(&identify("u1"));
    let call = call.without_key();
    for (case, values, status) in [
        ("odd case", vec![right.replace("Basic", "bAsIc")], 200),
        (
            "spaces around",
            vec![format!("  {}  ", right.replace(' ', "   "))],
            200,
        ),
        (
            "the right one of several",
            vec!["Bearer x".to_owned(), right.clone()],
            200,
        ),
        (
            "after a wrong one",
            vec![basic(b"wrong:"), right.clone()],
            200,
        ),
        (
            "several wrong ones",
            vec![basic(b"wrong:"), basic(b"false:")],
            401,
        ),
        ("joined by a comma", vec![format!("{right}, {right}")], 401),
        ("empty", vec![String::new()], 401),
        ("only a scheme", vec!["Basic".to_owned()], 401),
        ("a scheme and spaces", vec!["Basic    ".to_owned()], 401),
        ("no base64", vec!["Basic ⛔".to_owned()], 401),
        ("beyond ASCII", vec![format!("Basic {}é", &right[6..])], 401),
        ("no UTF-8 inside", vec![basic(b"\xff\xfe:")], 401),
        (
            "the key and more",
            vec![basic(format!("{WRITE_KEY}\0:").as_bytes())],
            401,
        ),
        (
            "the start of the key",
            vec![basic(&WRITE_KEY.as_bytes()[..5])],
            401,
        ),
        (
            "the key as a password",
            vec![basic(format!("x:{WRITE_KEY}").as_bytes())],
            401,
        ),
        ("huge", vec![basic(&[b'x'; 100 * KB])], 401),
        ("a thousand", vec![basic(b"wrong"); 1_000], 401),
        ("none", Vec::new(), 401),
    ] {
        let world = World::new(&[]).await;
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let call = call.clone().headers("authorization", &values);
        let answer = call.send(&world).await;
        assert_eq!(answer.status, status, "{case}: {answer:?}");
        assert_eq!(
            world.external_ids().len(),
            usize::from(status == 200),
            "{case}"
        );
    }
}

#[tokio::test]
async fn base64_that_is_none_is_refused() {
    let world = World::new(&[]).await;
    for body in ["???", "e30", "e30=e30=", "e3\u{e9}="] {
        for path in ["/v1/batch", "/v1/preview", "/webhook"] {
            let answer = Call::post(path).encoded(body).send(&world).await;
            answer.assert_error(400, "invalid_base64");
        }
    }
}

#[tokio::test]
async fn no_write_key_of_a_call_stays_in_a_queue() {
    let twice = format!(r#""writeKey":"{WRITE_KEY}","x":1,"writeKey":"{WRITE_KEY}""#);
    let escaped = format!(r#""write\u004bey":"{WRITE_KEY}""#);
    let in_object = format!(r#""writeKey":{{"key":["{WRITE_KEY}"]}}"#);
    let broken = format!(r#"{twice},{escaped},"bad":1e400"#);
    let broken_key = format!(r#""\ud800":1,{broken}"#);
    let events = [twice.clone(), escaped, in_object, broken, broken_key];
    let events = events.map(|fields| identify_with("u1", &fields).replace("\"m-u1\"", "null"));
    for mode in ["queue", "inline"] {
        let world = World::new(&[("DELIVERY_MODE", mode)]).await;
        world.intercom.add_fault(Fault::status(503));
        let batch = batch_of(&events.each_ref().map(|event| &**event));
        let batch = format!("{{\"writeKey\":\"{WRITE_KEY}\",{}", &batch[1..]);
        let single = identify_with("u2", &twice);
        for (path, body) in [("/v1/batch", &batch), ("/v1/identify", &single)] {
            let call = Call::post(path).without_key().bytes(body.as_bytes());
            call.send(&world).await.assert_success();
        }
        let aws = world.aws();
        assert_eq!((aws.retry.len(), aws.dead_letter.len()), (4, 2), "{mode}");
        for sent in aws.retry.iter().chain(&aws.dead_letter) {
            let message = format!("{}{}", sent.text(), sent.attributes);
            assert!(!message.contains(WRITE_KEY), "{message}");
            assert!(message.contains(r#""type":"identify""#), "{message}");
        }
    }
}

/// The first of a body's keys counts: a wrong one is refused before anything else is read.
#[tokio::test]
async fn a_second_write_key_opens_nothing() {
    let world = World::new(&[]).await;
    for path in ["/v1/identify", "/v1/batch", "/v1/preview"] {
        let send = |first: &str, second: &str| {
            let body = format!(
                r#"{{"type":"identify","userId":"u1","batch":[],"writeKey":"{first}","writeKey":"{second}"}}"#
            );
            Call::post(path).without_key().bytes(body.as_bytes())
        };
        let wrong = send("wrong", WRITE_KEY).send(&world).await;
        wrong.assert_error(401, "unauthorized");
        let right = send(WRITE_KEY, "wrong").send(&world).await;
        assert_eq!(right.status, 200, "{path}: {right:?}");
    }
}

/// What follows the key of a body is unpacked and read only once the key is right.
#[tokio::test]
async fn a_wrong_key_in_a_body_is_refused_without_the_rest_of_it() {
    let world = World::new(&[]).await;
    let body = |key: &str| format!(r#"{{"writeKey":"{key}","batch":["#).into_bytes();
    let filler = vec![b' '; 501 * KB];
    for path in ["/v1/batch", "/v1/track", "/v1/preview"] {
        for (after, code) in [
            (&b"no JSON"[..], "invalid_json"),
            (&filler[..], "body_too_large"),
        ] {
            for is_packed in [false, true] {
                let call = |key: &str| {
                    let body = [&body(key), after].concat();
                    let body = if is_packed { gzip(&body) } else { body };
                    Call::post(path).without_key().bytes(&body)
                };
                let wrong = call("wrong").send(&world).await;
                wrong.assert_error(401, "unauthorized");
                let right = call(WRITE_KEY).send(&world).await;
                right.assert_error(400, code);
            }
        }
        let broken = [&gzip(&body("wrong"))[..], b"no gzip"].concat();
        let call = Call::post(path).without_key().bytes(&broken);
        call.send(&world).await.assert_error(401, "unauthorized");
    }
    world.assert_nothing_happened();
}

/// 4 MB of gzip without content: unpacked it would take half a second each time.
#[tokio::test]
async fn a_wrong_key_costs_no_unpacking() {
    let world = World::new(&[]).await;
    let members = gzip(b"").repeat(4 * MB / gzip(b"").len());
    for path in ["/v1/batch", "/v1/track", "/v1/preview"] {
        let call = Call::post(path).bytes(&members);
        // Nothing of the body was looked at, else it would be a 400.
        let wrong = call.clone().with_key("a-wrong-key-of-some-length");
        wrong.send(&world).await.assert_error(401, "unauthorized");
        for call in [call.clone().without_key(), call] {
            let answer = call.send(&world).await;
            answer.assert_error(400, "invalid_gzip");
            let message = answer.body["message"].as_str().expect("text");
            assert!(message.contains("1000 members"), "{message}");
        }
    }
    world.assert_nothing_happened();
}

/// They name accounts, roles and resources.
#[tokio::test]
async fn awss_words_stay_in_the_log() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    world.aws().sqs_fails = true;
    let event = identify("u1");
    let by_key = Call::post("/v1/identify").json(&event).send(&world).await;
    by_key.assert_error(503, "unavailable");
    let by_webhook = signed(&event.to_string()).send(&world).await;
    by_webhook.assert_error(503, "unavailable");
    let direct = world.invoke(&event).await.expect_err("it is lost");
    for told in [
        by_key.body.to_string(),
        by_webhook.body.to_string(),
        direct.to_string(),
    ] {
        assert!(told.contains("the queue did not take it"), "{told}");
        assert!(!told.contains("AccessDenied"), "{told}");
    }
    let world = World::new(&[]).await;
    world.aws().secret_fails = true;
    let by_key = Call::post("/v1/identify").json(&event).send(&world).await;
    by_key.assert_error(503, "secret_unavailable");
    let direct = world.invoke(&event).await.expect_err("there is no secret");
    for told in [by_key.body.to_string(), direct.to_string()] {
        assert!(!told.contains("AccessDenied"), "{told}");
    }
}

/// What a key that everybody can read may spend with one request: `docs/security.md`. Reasons may
/// quote the events, and then each is another.
#[tokio::test]
async fn a_request_of_bad_events_costs_a_line_for_each_and_at_most_26_dead_letters() {
    let bad = |n: usize| json!({"type": format!("t{n}"), "messageId": n.to_string()});
    for (events, reasons) in [
        (vec![bad(0); 2_500], 1),
        ((0..2_500).map(bad).collect(), 26),
    ] {
        let world = World::new(&[]).await;
        let (log, _guard) = Log::start(Level::INFO);
        let packed = gzip(json!({"batch": events}).to_string().as_bytes());
        let call = Call::post("/v1/batch").with_key(PUBLIC_WRITE_KEY);
        call.bytes(&packed).send(&world).await.assert_success();
        let lines = log.lines();
        // And that of the invocation.
        assert_eq!(lines.len(), 2_500 + 1);
        let bytes: usize = lines.iter().map(String::len).sum();
        assert!(bytes < 2_501 * 320, "{bytes}");
        let letters = world.dead_letters();
        assert_eq!(letters.len(), reasons);
        let events = letters
            .iter()
            .map(|letter| letter.body["events"].as_array().map_or(1, Vec::len));
        assert_eq!(events.sum::<usize>(), 2_500);
        assert!(world.intercom.requests().is_empty());
    }
}
