//! What each fuzz target does with its bytes. `tests/corpus.rs` does the same, on stable Rust,
//! with every file in `corpus/`.

use std::io::Write;
use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hmac::{Hmac, KeyInit, Mac};
use segment_intercom::door::{
    Answer, BodyError, Call, HttpRequest, LARGEST_BODY, MOST_EVENTS_OF_SEGMENT, Refused, Route,
    Signed, decode, entries_of_array, parse_call, parse_preview, signed, user_hash_is_valid,
    with_whole_characters, without_byte_order_mark, write_key, write_key_in, write_keys_in_headers,
};
use segment_intercom::intake::Entry;
use segment_intercom::mapping::{
    Action, Anonymous, Arrival, Budget, Channel, CollectContext, CompanyIdHash, Mapped, Nested,
    Sender, Settings, map,
};
use segment_intercom::preview::preview;
use segment_intercom::queue::{Envelope, Message, Source, read_body};
use segment_intercom::secret::Secret;
use segment_intercom::segment::{Event, Kind, Value};
use segment_intercom::trigger::{Trigger, TriggerError};
use serde_json::json;
use serde_json::value::RawValue;
use sha1::Sha1;

#[path = "../../tests/mapping/invariants.rs"]
mod invariants;

/// Two bytes that choose the settings, then one event.
pub fn mapping(data: &[u8]) {
    let Some((choice, json)) = data.split_first_chunk() else {
        return;
    };
    let Ok(raw) = serde_json::from_slice::<&RawValue>(json) else {
        return;
    };
    check_entries(vec![Entry::parse(raw)], &settings(*choice), sender(*choice));
}

/// A byte that chooses the route and whether to pack the body, then a body as it is sent.
pub fn tracking(data: &[u8]) {
    const KINDS: [Kind; 6] = [
        Kind::Identify,
        Kind::Track,
        Kind::Page,
        Kind::Screen,
        Kind::Group,
        Kind::Alias,
    ];
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let route = match choice % 10 {
        6 | 7 => Route::Batch,
        8 => Route::Preview,
        9 => Route::Webhook,
        kind => Route::Single(KINDS[usize::from(kind)]),
    };
    if *choice < 128 {
        return check_body(route, body);
    }
    let packed = gzip(body);
    if let Ok(unpacked) = decode(&packed, LARGEST_BODY) {
        let json = without_byte_order_mark(body);
        assert_eq!(unpacked, with_whole_characters(json.into()));
    }
    check_body(route, &packed);
}

/// A byte that chooses how API Gateway hands the request over and whether it is signed, then the
/// request as text: a line with method and path, headers, an empty line, the body.
pub fn http(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let end = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((text, &b""[..]), |end| (&text[..end], &text[end + 2..]));
    let Ok(head) = str::from_utf8(head) else {
        return;
    };
    let payload = api_gateway_payload(*choice, head, body);
    let payload = RawValue::from_string(payload).expect("JSON");
    let request = match Trigger::of(&payload, RETRY_QUEUE_URL) {
        Ok(Trigger::Http(request)) => request,
        // API Gateway itself refuses a method or header that is none.
        Err(TriggerError::Broken(..)) => return,
        other => panic!("not HTTP: {other:?}"),
    };
    assert_eq!(request.raw_body().as_deref(), Ok(body));
    check_request(&request);
    check_door(&request, Route::of(&request.method, &request.path));
}

/// The key that lets in, and signs.
const KEY: &str = "local-server-write-key";

/// The queue of which records are taken.
const RETRY_QUEUE_URL: &str =
    "https://sqs.us-east-1.amazonaws.com/123456789012/segment-intercom-retry.fifo";

fn api_gateway_payload(choice: u8, head: &str, body: &[u8]) -> String {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let (method, path) = line.split_once(' ').unwrap_or((line, ""));
    let mut headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let first = || {
        serde_json::from_slice::<Vec<&RawValue>>(body)
            .ok()?
            .first()
            .copied()
    };
    match choice & 3 {
        0 => headers.push(("X-Signature".to_owned(), signature(body))),
        1 => headers.extend(
            first().map(|first| ("X-Signature".to_owned(), signature(first.get().as_bytes()))),
        ),
        _ => {}
    }
    let text = str::from_utf8(body).ok().filter(|_| choice & 4 > 0);
    let is_base64 = text.is_none();
    let body = text.map_or_else(|| STANDARD.encode(body), str::to_owned);
    if choice & 8 > 0 {
        let headers: serde_json::Map<_, _> = headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let context = json!({"http": {"method": method, "path": path}});
        return json!({"version": "2.0", "rawPath": path, "headers": headers, "body": body,
            "requestContext": context, "isBase64Encoded": is_base64})
        .to_string();
    }
    let mut multi = json!({});
    for (name, value) in headers {
        match &mut multi[name] {
            serde_json::Value::Array(values) => values.push(value.into()),
            place => *place = json!([value]),
        }
    }
    json!({"httpMethod": method, "path": path, "multiValueHeaders": multi, "body": body,
        "requestContext": {}, "isBase64Encoded": is_base64})
    .to_string()
}

fn signature(bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(KEY.as_bytes()).expect("a key");
    mac.update(bytes);
    hex::encode(mac.finalize().into_bytes())
}

/// Checks that only a right key lets in, and what comes in then.
fn check_door(request: &HttpRequest, route: Route) {
    let secret = |key: &str| -> Secret {
        Secret::parse(&json!({ "write_keys": [key] }).to_string()).expect("a secret")
    };
    let raw = request.raw_body().expect("it was base64");
    match route {
        Route::Single(_) | Route::Batch | Route::Preview => {
            // As `Function` does it.
            let enter = |secret: &Secret| -> Result<(), Answer> {
                let known = |key: &String| secret.write_key(key);
                let in_headers = write_keys_in_headers(request);
                let is_let_in = in_headers.iter().any(|key| known(key).is_some());
                if !is_let_in && !in_headers.is_empty() {
                    return Err(Refused::WriteKey.into());
                }
                let let_in = |in_body: Option<String>| {
                    let is_known = is_let_in || in_body.as_ref().and_then(known).is_some();
                    is_known
                        .then_some(())
                        .ok_or(Answer::from(Refused::WriteKey))
                };
                let refuse = |broken: BodyError, body: &[u8]| {
                    let let_in = write_key_in(body).map_or(Ok(()), let_in);
                    let_in.err().unwrap_or_else(|| broken.into())
                };
                let body = decode(&raw, LARGEST_BODY).map_err(|broken| refuse(broken, &raw))?;
                let call = parse(&body, route).map_err(|broken| refuse(broken, &body))?;
                let_in(call.write_key)?;
                let channel = if request.origin().is_some() {
                    Channel::Browser
                } else {
                    Channel::Server
                };
                check_entries(call.entries, &Settings::default(), Sender::by(channel));
                Ok(())
            };
            let is_client_error = |answer: Answer| matches!(answer.status.as_u16(), 400 | 401);
            assert!(enter(&secret(KEY)).err().is_none_or(is_client_error));
            let refused = enter(&secret("nobody knows this one"));
            assert!(refused.is_err_and(is_client_error));
        }
        Route::Webhook => {
            let signature = request.header("x-signature").unwrap_or_default();
            let covered = |key| signed([key].into_iter(), &raw, signature);
            assert_eq!(covered("nobody knows this one"), None);
            let body = with_whole_characters(raw.as_slice().into());
            if let Ok(entries) = entries_of_array(&body, MOST_EVENTS_OF_SEGMENT)
                && let Some(covered) = covered(KEY)
            {
                let channel = match covered {
                    Signed::Whole => Channel::Segment,
                    Signed::FirstElement => Channel::Server,
                };
                check_entries(entries, &Settings::default(), Sender::by(channel));
            }
        }
        _ => {}
    }
}

/// What Lambda hands to the function.
pub fn trigger(data: &[u8]) {
    let Ok(payload) = serde_json::from_slice(data) else {
        return;
    };
    match Trigger::of(payload, RETRY_QUEUE_URL) {
        Ok(Trigger::Http(request)) => check_request(&request),
        Ok(Trigger::Sqs(batch)) => {
            for body in batch
                .records
                .iter()
                .filter_map(|record| record.body.as_ref())
            {
                queue(body.as_bytes());
            }
        }
        Ok(Trigger::EventBridge(event) | Trigger::Direct(event)) => {
            if let Ok(entries) = entries_of_array(event.get().as_bytes(), MOST_EVENTS_OF_SEGMENT) {
                check_entries(entries, &Settings::default(), Sender::by(Channel::Segment));
            }
        }
        Err(unknown) => assert!(!unknown.to_string().is_empty()),
    }
}

/// The body of a message of the retry queue.
pub fn queue(data: &[u8]) {
    let Ok(body) = str::from_utf8(data) else {
        return;
    };
    match read_body(body) {
        Ok(received) => {
            for event in received.events {
                check_envelope(&Envelope {
                    v: 1,
                    source: received.source,
                    received_at: received.received_at,
                    event,
                });
            }
        }
        Err(reason) => {
            assert!(!reason.is_empty());
            check_ids(&Message::unreadable(body.to_owned()));
        }
    }
}

/// Who sent the event.
fn sender([flags, limit]: [u8; 2]) -> Sender {
    let channel = match (flags & 64, limit & 32) {
        (0, _) => Channel::Segment,
        (_, 0) => Channel::Browser,
        _ => Channel::Public,
    };
    Sender {
        channel,
        is_verified: limit & 64 > 0,
    }
}

fn settings([flags, limit]: [u8; 2]) -> Settings {
    Settings {
        nested: match flags & 3 {
            0 => Nested::Drop,
            1 => Nested::Stringify,
            _ => Nested::Flatten,
        },
        collect_context: match flags & 4 {
            0 => CollectContext::Nothing,
            _ => CollectContext::All,
        },
        company_id_hash: match flags & 8 {
            0 => CompanyIdHash::Sha256,
            _ => CompanyIdHash::Segment,
        },
        anonymous: match flags & 16 {
            0 => Anonymous::Skip,
            _ => Anonymous::Lead,
        },
        event_filter: match flags & 128 {
            0 => Vec::new(),
            _ => vec!["Order*".to_owned(), "*a*b".to_owned()],
        },
        rich_link_properties: vec!["link".to_owned(), "article_url".to_owned()],
        metadata_limit: usize::from(limit) % 21,
        require_user_hash: flags & 32 > 0,
        verified_companies: limit & 128 > 0,
        ..Settings::default()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn check_request(request: &HttpRequest) {
    let key = request.header("authorization").and_then(write_key);
    assert_ne!(key.as_deref(), Some(""));
    let Ok(raw) = request.raw_body() else {
        return;
    };
    let signature = request.header("x-signature").unwrap_or_default();
    assert_eq!(signed(["a secret"].into_iter(), &raw, signature), None);
    check_body(Route::of(&request.method, &request.path), &raw);
    let answer = Answer::success().into_payload(request.origin());
    assert_eq!(answer["statusCode"], 200);
}

fn check_body(route: Route, raw: &[u8]) {
    let body = match (route, decode(raw, LARGEST_BODY)) {
        // Its signature covers the raw bytes, and nobody packs it.
        (Route::Webhook, _) => raw.into(),
        (_, Ok(body)) => body,
        (_, Err(broken)) => return check_refusal(&broken, raw),
    };
    if route == Route::Webhook {
        return match entries_of_array(&body, MOST_EVENTS_OF_SEGMENT) {
            Ok(entries) => {
                check_entries(entries, &Settings::default(), Sender::by(Channel::Server));
            }
            Err(broken) => check_refusal(&broken, &body),
        };
    }
    let entries = match parse(&body, route) {
        Ok(call) => call.entries,
        Err(broken) => return check_refusal(&broken, &body),
    };
    if let Route::Single(kind) = route {
        let event = entries[0].event.as_ref().expect("an event");
        assert_eq!(event.type_name(), Some(kind.as_str()));
        assert_eq!(entries.len(), 1);
    }
    check_entries(entries, &Settings::default(), Sender::by(Channel::Browser));
}

fn parse(body: &[u8], route: Route) -> Result<Call<'_>, BodyError> {
    match route {
        Route::Single(kind) => parse_call(body, Some(kind)),
        Route::Batch => parse_call(body, None),
        _ => parse_preview(body),
    }
}

fn check_refusal(broken: &BodyError, body: &[u8]) {
    let answer = Answer::from(broken).into_payload(None);
    assert_eq!(answer["statusCode"], 400);
    // Whatever it holds, looking for a key in it must not panic.
    drop(write_key_in(body));
}

fn check_entries(mut entries: Vec<Entry<'_>>, settings: &Settings, sender: Sender) {
    let arrival = Arrival {
        received_at_millis: 1_700_000_000_000,
        source: Source::Api,
        sender,
    };
    for entry in &mut entries {
        entry.sender = sender;
    }
    let millis = arrival.received_at_millis;
    if let Some(shown) = preview(&entries, millis, arrival.source, settings) {
        let results = shown["results"].as_array().expect("a list");
        assert_eq!(results.len(), entries.len());
        for (entry, result) in entries.iter().zip(results) {
            assert!(entry.refusal.is_none() || result["status"] == "would_reject");
        }
    }
    for entry in &entries {
        assert!(entry.refusal.is_some() || entry.event.is_some());
        let Some(event) = &entry.event else {
            check_non_event(entry.raw);
            continue;
        };
        check_mapping(event, arrival, settings);
        let user_hash = event.option("userhash").and_then(Value::as_str);
        assert!(!user_hash_is_valid(
            "a secret",
            "u",
            user_hash.unwrap_or_default()
        ));
        let event = event.clone();
        check_envelope(&Envelope {
            v: 1,
            source: Source::Api,
            received_at: received_at(),
            event,
        });
    }
}

fn check_non_event(json: &RawValue) {
    let message = Message::of_non_event(Source::Api, received_at(), json);
    check_ids(&message);
    serde_json::from_str::<Envelope<&RawValue>>(message.body()).expect("our own body");
}

fn received_at() -> chrono::DateTime<chrono::Utc> {
    "2023-11-14T22:13:20Z".parse().expect("a date")
}

fn check_mapping(event: &Event<'_>, arrival: Arrival, settings: &Settings) {
    check_rights(event, arrival, settings);
    if settings.require_user_hash {
        // What is left out then has a warning for all companies, not for each trait.
        return;
    }
    invariants::same_again(event, arrival, settings);
    invariants::what_intercom_takes(event, arrival, settings);
    invariants::every_trait_is_sent_or_named(event, arrival, settings);
    invariants::every_property_is_sent_or_named(event, arrival, settings);
}

/// Checks that nobody has more done than they may.
fn check_rights(event: &Event<'_>, arrival: Arrival, settings: &Settings) {
    let Mapped::Deliver { actions, .. } = map(event, arrival, settings, &mut Budget::default())
    else {
        return;
    };
    let Sender {
        channel,
        is_verified,
    } = arrival.sender;
    let is_browser = matches!(channel, Channel::Browser | Channel::Public);
    for action in actions {
        let is_allowed = match action {
            Action::DeleteContact { .. } => channel == Channel::Segment,
            Action::MergeContact { .. } => channel != Channel::Public || is_verified,
            Action::UpsertCompany { .. }
            | Action::AttachCompany { .. }
            | Action::DetachCompany { .. } => {
                let is_trusted = is_verified && settings.verified_companies;
                !(is_browser && settings.require_user_hash) || is_trusted
            }
            Action::UpsertContact { .. } | Action::CreateEvent { .. } => true,
        };
        assert!(is_allowed, "{arrival:?}");
    }
}

/// Checks that an event comes out of the queue as it went in.
fn check_envelope(envelope: &Envelope<Event<'_>>) {
    let message = Message::new(envelope.source, envelope.received_at, &envelope.event);
    check_ids(&message);
    let is_taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(message.body().chars().all(is_taken), "{}", message.body());
    let ids = message.clone();
    let ids = ids.with_ids_alone(envelope.source, envelope.received_at, Some(&envelope.event));
    assert!(ids.fits());
    let ids = read_body(ids.body()).expect("our own body");
    assert!(ids.events[0].type_name().is_none());
    let read = read_body(message.body()).expect("our own body");
    assert_eq!(read.source, envelope.source);
    assert_eq!(read.received_at, envelope.received_at);
    let sent = envelope.event.fields().iter();
    let sent = sent.filter(|(key, _)| *key != "writeKey");
    assert!(
        read.events[0].fields().iter().eq(sent),
        "{}",
        message.body()
    );
    let arrival = Arrival {
        received_at_millis: read.received_at.timestamp_millis(),
        source: read.source,
        sender: Sender::by(Channel::Segment),
    };
    let settings = settings([0b1_0110, 20]);
    let again = map(&read.events[0], arrival, &settings, &mut Budget::default());
    let first = map(&envelope.event, arrival, &settings, &mut Budget::default());
    assert_eq!(again, first);
    check_mapping(&read.events[0], arrival, &settings);
}

/// Checks that SQS takes the ids of a message.
fn check_ids(message: &Message) {
    for id in [message.group_id(), message.deduplication_id()] {
        let is_taken = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        assert!(is_taken, "{id:?}");
    }
}
