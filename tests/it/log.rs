//! The log: one line per event, and nothing secret or private in it.

use chrono::{DateTime, Utc};
use intercom_simulator::{Fault, TakenEmails};
use serde_json::{Value, json};
use tracing::{Instrument, Level};

use crate::http::Call;
use crate::support::{
    ACCESS_TOKEN, API_SECRET, Log, Sent, WEBHOOK_SECRET, WRITE_KEY, World, base64, payload,
    payload_of, sqs_event,
};

/// Calls that succeed, are refused, fail and break in every way that is logged.
async fn everything_that_can_happen() {
    let world = World::new(&[("INLINE_BUDGET_MS", "500")]).await;
    for name in [
        "rest-identify.json",
        "rest-track.json",
        "rest-batch.json",
        "rest-browser-gzip-batch.json",
        "function-url-track.json",
        "webhook-actions-array.json",
        "sqs-retry.json",
        "eventbridge-track.json",
        "direct-array.json",
        "preview.json",
    ] {
        world.invoke(&payload(name)).await.expect(name);
    }
    let private = json!({"type": "identify", "userId": "u1",
        "writeKey": WRITE_KEY, "traits": {"email": "private@example.com", "iban": "DE75512108001245"}});
    let call = || Call::post("/v1/identify").json(&private);
    call()
        .without_key()
        .header("Authorization", "Basic wrong")
        .send(&world)
        .await;
    let broken = format!("{{\"iban\":\"DE75512108001245\",\"writeKey\":\"{WRITE_KEY}\",}}");
    call().bytes(broken.as_bytes()).send(&world).await;
    let batch = json!({"batch": [private, 7, {"type": "teleport", "userId": "DE75512108001245"}]});
    Call::post("/v1/batch").json(&batch).send(&world).await;
    for fault in [
        Fault::status(401),
        Fault::status(422).code("parameter_invalid"),
        Fault::status(503),
        Fault::reset(),
        Fault::hang(20.0),
    ] {
        world.intercom.add_fault(fault);
        call().send(&world).await;
        world.invoke(&private).await.expect("an answer");
        world.intercom.clear_faults();
    }
    world.intercom.add_fault(Fault::status(503));
    world.aws().sqs_fails = true;
    call().send(&world).await;
    world.invoke(&private).await.expect_err("the event is lost");
    let unsigned = Call::post("/webhook").json(&private);
    unsigned
        .send(&world)
        .await
        .assert_error(401, "unauthorized");

    let world = World::new(&[]).await;
    let halves = format!("{{\"access_token\":\"{ACCESS_TOKEN}\",{WRITE_KEY}");
    world.aws().secret = Value::from(halves);
    call()
        .send(&world)
        .await
        .assert_error(503, "secret_unavailable");
}

#[tokio::test]
async fn no_secret_and_nothing_private_is_logged() {
    let (log, _guard) = Log::start(Level::INFO);
    everything_that_can_happen().await;
    let lines = log.lines();
    assert!(lines.len() > 30, "{lines:#?}");
    let basic = base64(format!("{WRITE_KEY}:").as_bytes());
    for secret in [ACCESS_TOKEN, API_SECRET, WEBHOOK_SECRET, WRITE_KEY, &basic] {
        assert_nowhere(&lines, secret);
    }
    for private in [
        "private@example.com",
        "DE75512108001245",
        "ada@example.com",
        "Hypatia",
    ] {
        assert_nowhere(&lines, private);
    }
}

/// Even where somebody sets the template's `LogLevel` to find a fault.
#[tokio::test]
async fn no_secret_is_logged_at_the_finest_level() {
    let (log, _guard) = Log::start(Level::TRACE);
    everything_that_can_happen().await;
    let lines = log.lines();
    // Nothing of ours is so fine.
    let is_of_a_library = |line: &String| line.contains(r#""level":"TRACE""#);
    assert!(lines.iter().any(is_of_a_library));
    let basic = base64(format!("{WRITE_KEY}:").as_bytes());
    for secret in [ACCESS_TOKEN, API_SECRET, WEBHOOK_SECRET, WRITE_KEY, &basic] {
        assert_nowhere(&lines, secret);
    }
}

#[track_caller]
fn assert_nowhere(lines: &[String], text: &str) {
    let found = lines.iter().find(|line| line.contains(text));
    let start = found.map(|line| line.chars().take(2_000).collect::<String>());
    assert!(start.is_none(), "{text:?} is logged: {start:?}");
}

#[tokio::test]
async fn each_event_has_one_line_with_what_became_of_it() {
    let world = World::new(&[]).await;
    let event = |kind: &str, id: &str| json!({"type": kind, "messageId": id, "userId": "u1", "traits": {"shoe": null}});
    let batch = json!({"batch": [event("identify", "m1"), event("page", "m2"), event("x", "m3")]});
    let (log, _guard) = Log::start(Level::INFO);
    Call::post("/v1/batch")
        .json(&batch)
        .send(&world)
        .await
        .assert_success();
    let lines = log.lines();
    for (id, level, status, detail) in [
        ("m1", "INFO", "delivered", "shoe"),
        ("m2", "INFO", "skipped", "not sent to Intercom"),
        ("m3", "WARN", "rejected", "unknown type"),
    ] {
        let found = lines
            .iter()
            .filter(|line| line.contains(&format!("\"{id}\"")));
        let found: Vec<&String> = found.collect();
        assert_eq!(found.len(), 1, "{lines:#?}");
        for part in [level, status, detail] {
            assert!(found[0].contains(part), "{part}: {}", found[0]);
        }
    }
}

#[tokio::test]
async fn what_intercom_would_not_take_stands_in_its_events_line_and_raises_no_alarm() {
    let world = World::new(&[]).await;
    world.intercom.set(|settings| {
        settings.attribute_writes_allowed = false;
        settings.taken_emails = TakenEmails::Refused;
    });
    let other = json!({"role": "user", "external_id": "o", "email": "o@example.com"});
    world.intercom.seed_contact(other);
    let event = |id: &str, traits: &Value| json!({"type": "identify", "messageId": id, "userId": "u", "traits": traits});
    let batch = [
        event("m1", &json!({"email": "o@example.com"})),
        event("m2", &json!({"plan": "pro"})),
    ];
    let (log, _guard) = Log::start(Level::INFO);
    world.batch(&batch).await;
    let lines = log.lines();
    assert_nowhere(&lines, "account_refused");
    for (id, warning, others) in [
        ("m1", "email left out", "attribute"),
        ("m2", r#"attribute \\\"plan\\\" left out"#, "email left out"),
    ] {
        let is_of_event = |line: &&String| line.contains(&format!("{id:?}"));
        let line = lines.iter().find(is_of_event).expect("a line");
        assert!(line.contains("delivered"), "{line}");
        assert!(line.contains(warning), "{line}");
        assert!(!line.contains(others), "{line}");
    }
}

/// Whichever of them writes the company.
#[tokio::test]
async fn what_intercom_would_not_take_of_a_company_stands_in_the_line_of_whose_event_says_it() {
    let world = World::new(&[]).await;
    world
        .intercom
        .set(|settings| settings.attribute_writes_allowed = false);
    let event = |id: &str, traits: &Value| json!({"type": "group", "messageId": id, "userId": id, "groupId": "c", "traits": traits});
    let batch = ["m1", "m2", "m3"].map(|id| event(id, &json!({id: "x"})));
    let (log, _guard) = Log::start(Level::INFO);
    world.batch(&batch).await;
    let lines = log.parsed();
    for id in ["m1", "m2", "m3"] {
        let mut fields = lines.iter().map(|line| &line["fields"]);
        let of_event = fields.find(|fields| fields["message_id"] == id);
        let warnings = of_event.expect("a line")["warnings"].to_string();
        assert_eq!(warnings.matches("left out").count(), 1, "{warnings}");
        assert!(warnings.contains(id), "{warnings}");
    }
}

#[tokio::test]
async fn a_duplicate_has_a_line_that_says_so() {
    let world = World::new(&[]).await;
    let event = json!({"type": "identify", "messageId": "m1", "userId": "u1",
        "traits": {"shoe": null}});
    let call = Call::post("/v1/identify").json(&event);
    call.send(&world).await.assert_success();
    let (log, _guard) = Log::start(Level::INFO);
    call.send(&world).await.assert_success();
    let mut lines = log.lines();
    lines.retain(|line| line.contains("\"m1\""));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in ["INFO", "\"m1\"", "identify", "skipped", "duplicate", "api"] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

/// The fields of the lines with this message.
fn fields(log: &Log, message: &str) -> Vec<Value> {
    let lines = log.parsed().into_iter();
    let fields = lines.map(|line| line["fields"].clone());
    fields
        .filter(|fields| fields["message"] == message)
        .collect()
}

#[tokio::test]
async fn an_events_line_says_whose_it_is_what_intercom_said_and_how_long_it_took() {
    let world = World::new(&[]).await;
    let refused = Fault::status(422).code("parameter_invalid");
    world.intercom.add_fault(refused);
    let event = json!({"type": "identify", "userId": "u1", "traits": {"name": "Ada"}});
    let (log, _guard) = Log::start(Level::INFO);
    world.batch(std::slice::from_ref(&event)).await;
    let queued = payload_of(
        "u1",
        "m",
        &event,
        Utc::now() - chrono::Duration::seconds(60),
    );
    world
        .invoke(&sqs_event(&[queued], 3))
        .await
        .expect("an answer");
    let received = &fields(&log, "event")[0];
    let retried = &fields(&log, "queued event")[0];
    for line in [received, retried] {
        // printf %s u1 | sha256sum | cut -c1-16
        assert_eq!(line["user"], "bb82030dbc2bcaba", "{line}");
        assert_eq!(line["http_status"], 422, "{line}");
        assert!(line["intercom_request_id"].is_string(), "{line}");
        assert_eq!(line["source"], "api", "{line}");
        assert_eq!(line["status"], "rejected", "{line}");
        // It came without one.
        assert_eq!(line["message_id"], received["message_id"], "{line}");
    }
    let latency = |line: &Value| line["latency_ms"].as_u64().expect("a number");
    assert!(latency(received) < 5_000, "{received}");
    assert!((60_000..66_000).contains(&latency(retried)), "{retried}");
    assert_eq!(retried["attempt"], 3);
}

#[tokio::test]
async fn an_events_line_says_how_many_calls_were_made_for_it() {
    let world = World::new(&[]).await;
    let event = |kind: &str| json!({"type": kind, "messageId": kind, "userId": "u1", "event": "E"});
    let (log, _guard) = Log::start(Level::INFO);
    world.batch(&["identify", "track", "page"].map(event)).await;
    let calls: Vec<u64> = fields(&log, "event")
        .iter()
        .map(|line| line["calls"].as_u64().expect("a number"))
        .collect();
    let of_invocation = fields(&log, "invocation")[0]["calls"].as_u64();
    assert_eq!(of_invocation, Some(calls.iter().sum()), "{calls:?}");
    // Looking the user up, making the contact; creating the event; nothing.
    assert_eq!(calls, [2, 1, 0]);
    world.intercom.add_fault(Fault::status(503).times(1));
    world
        .batch(&[json!({"type": "track", "userId": "u1", "event": "F"})])
        .await;
    world.redeliver(2).await;
    assert_eq!(fields(&log, "queued event")[0]["calls"], 1);
}

#[tokio::test]
async fn an_event_that_waits_says_until_when_and_for_what() {
    for (mode, messages) in [
        ("inline", &["event", "queued event"][..]),
        ("queue", &["queued event"]),
    ] {
        let world = World::new(&[("DELIVERY_MODE", mode)]).await;
        let event = json!({"type": "track", "messageId": "m", "userId": "u1", "event": "E"});
        let (log, _guard) = Log::start(Level::INFO);
        world.batch(&[event]).await;
        world.redeliver(1).await;
        for message in messages {
            let line = &fields(&log, message)[0];
            assert_eq!(line["status"], "waiting", "{line}");
            let waits = line["waits"].as_str().expect("text");
            assert!(
                waits.starts_with("waits until 2")
                    && waits.ends_with(", then rejected: UNKNOWN_USER_SECONDS"),
                "{waits}"
            );
        }
    }
}

#[tokio::test]
async fn each_invocation_has_one_line_with_what_it_did() {
    let world = World::new(&[]).await;
    let (log, _guard) = Log::start(Level::ERROR);
    let event = |kind: &str| json!({"type": kind, "userId": "u1"});
    world
        .batch(&[event("identify"), event("page"), event("teleport")])
        .await;
    world
        .intercom
        .add_fault(Fault::status(429).retry_after(1).times(1));
    world.invoke(&event("identify")).await.expect("an answer");
    world
        .invoke(&json!({"foo": 1}))
        .await
        .expect_err("no trigger");
    let lines = fields(&log, "invocation");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let expected = json!({"trigger": "http", "delivered": 1, "skipped": 1, "rejected": 1,
        "queued": 0, "lost": 0, "calls_over_limit": 0, "cold_start": true});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&lines[0][name], value, "{name}");
    }
    assert!(lines[0]["calls"].as_u64() > Some(0), "{}", lines[0]);
    assert!(lines[0]["duration_ms"].is_u64());
    assert_eq!(lines[0]["version"], env!("CARGO_PKG_VERSION"));
    let direct = &lines[1];
    assert_eq!(
        (&direct["trigger"], &direct["queued"]),
        (&json!("direct"), &json!(1))
    );
    assert_eq!(
        (&direct["calls_over_limit"], &direct["cold_start"]),
        (&json!(1), &json!(false))
    );
    assert!(lines[2]["error"].to_string().contains("unknown trigger"));
}

#[tokio::test]
async fn a_refused_request_is_a_warning_that_names_route_and_source_but_no_key() {
    let world = World::new(&[]).await;
    let (log, _guard) = Log::start(Level::ERROR);
    let event = json!({"type": "identify", "userId": "u1"});
    let call = Call::post("/v1/identify").json(&event).without_key();
    call.header("Authorization", "Basic c29tZWJvZHlzLWtleTo=")
        .send(&world)
        .await;
    let mut unknown = crate::support::rest_request("POST", "/v1/somebodys-key/x", "{}");
    unknown["requestContext"]["identity"] = json!({"sourceIp": "192.0.2.7"});
    world.http(&unknown).await;
    let lines = fields(&log, "refused request");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let of = |line: &Value| [&line["code"], &line["http_status"], &line["route"]].map(Value::clone);
    assert_eq!(
        of(&lines[0]),
        [json!("unauthorized"), json!(401), json!("identify")]
    );
    assert_eq!(
        of(&lines[1]),
        [json!("not_found"), json!(404), json!("unknown path")]
    );
    assert_eq!(lines[1]["source_address"], "192.0.2.7");
    let warnings = log
        .parsed()
        .into_iter()
        .filter(|line| line["level"] == "WARN");
    assert_eq!(warnings.count(), 2);
    for text in ["somebodys-key", "c29tZWJvZHlzLWtleTo="] {
        assert_nowhere(&log.lines(), text);
    }
}

/// Without a timestamp Lambda takes a line for INFO, whatever its level.
#[tokio::test]
async fn each_line_has_what_lambda_reads_and_the_request_of_its_invocation() {
    let (log, _guard) = Log::start(Level::INFO);
    let span = tracing::info_span!("Lambda runtime invoke", requestId = "request-1");
    everything_that_can_happen().instrument(span).await;
    let lines = log.parsed();
    assert!(lines.len() > 30, "{lines:#?}");
    for line in &lines {
        let timestamp = line["timestamp"].as_str().expect("a timestamp");
        DateTime::parse_from_rfc3339(timestamp).expect("RFC 3339");
        let level = line["level"].as_str().expect("a level");
        assert!(["INFO", "WARN", "ERROR"].contains(&level), "{line}");
        assert_eq!(line["requestId"], "request-1", "{line}");
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn what_metrics_count_is_logged_at_every_level() {
    let world = World::new(&[]).await;
    let mut logged = [Level::INFO, Level::ERROR].map(|_| Vec::new());
    for (level, logged) in [Level::INFO, Level::ERROR].into_iter().zip(&mut logged) {
        let (log, _guard) = Log::start(level);
        let event = |kind: &str| json!({"type": kind, "userId": "u1", "traits": {"seats": 1}});
        world
            .batch(&[event("identify"), event("page"), event("x")])
            .await;
        world.intercom.add_fault(Fault::status(401));
        world.batch(&[event("identify")]).await;
        world.intercom.clear_faults();
        let lines = log.parsed();
        let fields = lines.iter().map(|line| &line["fields"]);
        logged.extend(fields.map(|fields| {
            (
                fields["message"].to_string(),
                fields["status"].clone(),
                fields["alarm"].clone(),
            )
        }));
    }
    let [all, counted] = logged;
    let is_counted = |line: &&(String, Value, Value)| {
        !(line.1.is_null() && line.2.is_null()) || line.0 == "\"invocation\""
    };
    let expected: Vec<_> = all.iter().filter(is_counted).cloned().collect();
    assert_eq!(counted, expected);
    // The new attribute's own line isn't counted.
    assert!(all.len() > counted.len(), "{all:?}");
}

/// The metric filters of the template, which say what CloudWatch counts, see real lines, also
/// where only errors are to be logged.
#[tokio::test]
async fn the_metric_filters_see_their_lines() {
    let (log, _guard) = Log::start(Level::ERROR);
    everything_that_can_happen().await;
    World::new(&[])
        .await
        .invoke(&messages_of_a_busy_user(10, 10, 1))
        .await
        .expect("an answer");
    let lines = log.parsed();
    let template = include_str!("../../template.yaml").lines();
    let patterns = template.filter_map(|line| line.trim().strip_prefix("FilterPattern: '"));
    let patterns: Vec<&str> = patterns
        .map(|pattern| pattern.trim_end_matches('\''))
        .collect();
    assert!(patterns.len() >= 2, "{patterns:?}");
    for pattern in patterns {
        let seen = lines.iter().filter(|line| matches(pattern, line)).count();
        assert!(
            0 < seen && seen < lines.len(),
            "{pattern} sees {seen} of {lines:#?}"
        );
    }
}

/// What CloudWatch makes of `{ $.a.b = "text" }` and `{ $.a.b IS TRUE }`, the forms that are used.
fn matches(pattern: &str, line: &Value) -> bool {
    let condition = pattern
        .strip_prefix("{ $.")
        .and_then(|rest| rest.strip_suffix(" }"))
        .expect(pattern);
    if let Some(path) = condition.strip_suffix(" IS TRUE") {
        return *at(line, path) == true;
    }
    let (path, text) = condition.split_once(" = ").expect(pattern);
    *at(line, path) == serde_json::from_str::<Value>(text).expect(pattern)
}

fn at<'v>(line: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(line, |value, key| &value[key])
}

/// A metric whose value is a field of the line gets a number from each line that its filter sees.
#[tokio::test]
async fn the_metrics_find_their_values_in_the_lines() {
    let (log, _guard) = Log::start(Level::ERROR);
    everything_that_can_happen().await;
    let lines = log.parsed();
    let mut pattern = "";
    let mut fields = 0;
    for line in include_str!("../../template.yaml").lines().map(str::trim) {
        if let Some(found) = line.strip_prefix("FilterPattern: '") {
            pattern = found.trim_end_matches('\'');
        }
        let Some(path) = line.strip_prefix("MetricValue: \"$.") else {
            continue;
        };
        let path = path.trim_end_matches('"');
        for line in lines.iter().filter(|line| matches(pattern, line)) {
            assert!(at(line, path).is_u64(), "{path} of {line}");
            fields += 1;
        }
    }
    assert!(fields > 100, "{fields}");
}

/// Ten messages of one group that waited for ten minutes without having been tried: more of its
/// events come than go. The group is named by an event, since it may be an email.
#[tokio::test]
async fn a_busy_user_raises_an_alarm_without_being_named() {
    for (count, minutes, receives, is_busy) in [
        (10, 10, 1, true),
        (9, 10, 1, false),
        (10, 1, 1, false),
        (10, 10, 2, false),
    ] {
        let world = World::new(&[]).await;
        let (log, _guard) = Log::start(Level::WARN);
        let batch = messages_of_a_busy_user(count, minutes, receives);
        world.invoke(&batch).await.expect("an answer");
        let lines = log.lines();
        let alarm = lines.iter().find(|line| line.contains("busy_user"));
        assert_eq!(alarm.is_some(), is_busy, "{lines:#?}");
        assert!(
            alarm.is_none_or(|line| line.contains("\"m0\"")),
            "{lines:#?}"
        );
        assert_nowhere(&lines, "guest@example.com");
    }
}

fn messages_of_a_busy_user(count: usize, minutes: i64, receives: u32) -> Value {
    let received_at = Utc::now() - chrono::Duration::minutes(minutes);
    let messages: Vec<Sent> = (0..count)
        .map(|n| {
            let event = json!({"type": "identify", "messageId": format!("m{n}"),
                "userId": "guest@example.com"});
            payload_of("guest@example.com", &format!("m{n}"), &event, received_at)
        })
        .collect();
    sqs_event(&messages, receives)
}

#[tokio::test]
async fn an_outage_raises_no_alarm_of_a_refused_account() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    let (log, _guard) = Log::start(Level::INFO);
    world
        .batch(&[json!({"type": "identify", "userId": "u"})])
        .await;
    assert_nowhere(&log.lines(), "account_refused");
}

#[tokio::test]
async fn an_event_behind_one_that_fails_says_so_in_its_line() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(Fault::status(503));
    let identify = json!({"type": "identify", "messageId": "first", "userId": "u"});
    let mut message = payload_of("u", "first", &Value::Null, Utc::now());
    let track = json!({"type": "track", "messageId": "second", "userId": "u", "event": "E"});
    message.body["events"] = json!([identify, track]);
    let (log, _guard) = Log::start(Level::INFO);
    let batch = sqs_event(&[message], 1);
    world.invoke(&batch).await.expect("an answer");
    let lines = fields(&log, "queued event");
    assert_eq!(lines[0]["http_status"], 503, "{}", lines[0]);
    assert!(lines[1]["http_status"].is_null(), "{}", lines[1]);
    let reason = lines[1]["reason"].as_str().expect("a reason");
    assert!(reason.contains("an earlier event"), "{reason}");
}

#[tokio::test]
async fn a_queued_events_line_says_why_it_is_skipped() {
    let world = World::new(&[]).await;
    let page = json!({"type": "page", "messageId": "p", "userId": "u"});
    let (log, _guard) = Log::start(Level::INFO);
    let batch = sqs_event(&[payload_of("u", "p", &page, Utc::now())], 1);
    world.invoke(&batch).await.expect("an answer");
    let line = &fields(&log, "queued event")[0];
    assert_eq!(line["status"], "skipped", "{line}");
    let reason = line["reason"].as_str().expect("a reason");
    assert!(reason.contains("page"), "{line}");
}

#[tokio::test]
async fn a_queued_events_line_names_what_intercom_would_not_take_and_nothing_else() {
    let world = World::new(&[]).await;
    world
        .intercom
        .set(|settings| settings.attribute_writes_allowed = false);
    let queued = |id: &str, traits: &Value| {
        let event = json!({"type": "identify", "messageId": id, "userId": id, "traits": traits});
        payload_of(id, id, &event, Utc::now())
    };
    let batch = [
        queued("whole", &json!({"name": "A"})),
        queued("less", &json!({"plan": "pro"})),
    ];
    let (log, _guard) = Log::start(Level::INFO);
    let batch = sqs_event(&batch, 1);
    world.invoke(&batch).await.expect("an answer");
    let lines = fields(&log, "queued event");
    assert_eq!(lines[0]["warnings"], "[]", "{}", lines[0]);
    let warnings = lines[1]["warnings"].as_str().expect("warnings");
    assert!(
        warnings.starts_with(r#"["attribute \"plan\" left out"#),
        "{warnings}"
    );
}

#[tokio::test]
async fn a_queued_event_that_is_rejected_is_a_warning() {
    let world = World::new(&[]).await;
    let (log, _guard) = Log::start(Level::WARN);
    let event = |kind: &str| {
        let event = json!({"type": kind, "messageId": kind, "userId": "u"});
        payload_of("u", kind, &event, Utc::now())
    };
    let batch = sqs_event(&[event("identify"), event("no such type")], 1);
    world.invoke(&batch).await.expect("an answer");
    let lines = log.parsed();
    let level_of = |id: &str| {
        let mut lines = lines.iter();
        let line = lines.find(|line| line["fields"]["message_id"] == id);
        line.expect("a line")["level"].clone()
    };
    assert_eq!(level_of("identify"), "INFO");
    assert_eq!(level_of("no such type"), "WARN");
}

/// SQS hands a message of a FIFO queue over at once, however long its first retry is to wait.
#[tokio::test]
async fn an_event_that_is_not_due_has_no_second_line() {
    let world = World::new(&[("RETRY_BASE_SECONDS", "60")]).await;
    let event = |id: &str| json!({"type": "track", "messageId": id, "userId": id, "event": "E"});
    let (log, _guard) = Log::start(Level::INFO);
    world.batch(&[event("waits")]).await;
    world.intercom.add_fault(Fault::status(503));
    world.batch(&[event("failed")]).await;
    for line in fields(&log, "event") {
        let delay_seconds = line["delay_seconds"].as_u64().expect("a delay");
        assert!((29..=60).contains(&delay_seconds), "{line}");
    }
    let queued = world.aws().retry.clone();
    assert_eq!(queued.len(), 1);
    for (receives, lines) in [(1, 0), (2, 1)] {
        let message = sqs_event(&queued, receives);
        let answer = world.invoke(&message).await.expect("an answer");
        assert_eq!(
            answer["batchItemFailures"].as_array().map(Vec::len),
            Some(1)
        );
        assert_eq!(fields(&log, "queued event").len(), lines);
    }
    let counted = fields(&log, "invocation").into_iter();
    let counted: Vec<u64> = counted
        .map(|line| line["queued"].as_u64().unwrap_or_default())
        .collect();
    assert_eq!(counted, [0, 1, 0, 1]);
}
