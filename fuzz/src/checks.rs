//! What holds for every body and event.

use segment_intercom::entry::{Entry, Parsed};
use segment_intercom::http_api::{
    Answer, ApiError, BodyError, MAX_BODY_BYTES, MAX_SEGMENT_EVENTS, Route, decode,
    entries_of_array, parse_call, parse_preview, user_hash_is_valid, write_key_in,
};
use segment_intercom::mapping::{
    Action, Arrival, Budget, Channel, Mapped, Sender, Settings, map, named_user,
};
use segment_intercom::preview::preview;
use segment_intercom::queue::{Envelope, Message, Received, read_body};
use segment_intercom::segment::{Event, IgnoredUserIds, Value};
use segment_intercom::source::Source;
use serde_json::value::RawValue;

use super::settings;

#[path = "../../tests/mapping/invariants.rs"]
mod invariants;

pub(super) fn check_body(route: Route, raw: &[u8]) {
    let body = match (route, decode(raw, MAX_BODY_BYTES)) {
        // Its signature covers the raw bytes, and nobody packs it.
        (Route::Webhook, _) => raw.into(),
        (_, Ok(body)) => body,
        (_, Err(broken)) => return check_refusal(broken, raw),
    };
    let (entries, channel) = if route == Route::Webhook {
        let entries = entries_of_array(&body, MAX_SEGMENT_EVENTS, &ignored());
        (entries, Channel::Server)
    } else {
        (parse(&body, route, &ignored()), Channel::Browser)
    };
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(broken) => return check_refusal(broken, &body),
    };
    if let Route::Single(kind) = route {
        let event = entries[0].event().expect("an event");
        assert_eq!(event.type_name(), Some(kind.as_str()));
        assert_eq!(entries.len(), 1);
    }
    for entry in &mut entries {
        entry.sender = Sender::by(channel);
    }
    check_entries(&entries, &Settings::default());
}

/// The userIds that mean nobody by default.
pub(super) fn ignored() -> IgnoredUserIds {
    IgnoredUserIds::default()
}

pub(super) fn parse<'b>(
    body: &'b [u8],
    route: Route,
    ignored: &IgnoredUserIds,
) -> Result<Vec<Entry<'b>>, BodyError> {
    match route {
        Route::Single(kind) => parse_call(body, Some(kind), ignored),
        Route::Batch => parse_call(body, None, ignored),
        _ => parse_preview(body, ignored),
    }
}

fn check_refusal(broken: BodyError, body: &[u8]) {
    let answer = Answer::from(&ApiError::from(broken)).into_payload(None);
    assert_eq!(answer["statusCode"], 400);
    // Whatever it holds, looking for a key in it must not panic.
    drop(write_key_in(body, MAX_BODY_BYTES));
}

/// Checks that a batch which holds one event as often as a request may stays within bounds.
pub(super) fn check_many(text: &[u8], settings: &Settings) {
    /// What the actions and warnings of a request may take as JSON: the function's own bound is
    /// of what they take in memory.
    const MOST_BYTES: usize = 64 * 1024 * 1024;
    const MAX_BATCH_EVENTS: usize = 2_500;
    let Some(line) = text.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (shared, event) = (&text[..line], &text[line + 1..]);
    let body_around = b"{\"batch\":[]}".len() + shared.len();
    let left = MAX_BODY_BYTES.saturating_sub(body_around);
    let count = MAX_BATCH_EVENTS.min(left / (event.len() + 1));
    let events = vec![event; count].join(&b","[..]);
    let body = [b"{", shared, b"\"batch\":[", &events, b"]}"].concat();
    let Ok(entries) = parse_call(&body, None, &settings.ignored_user_ids) else {
        return;
    };
    let mut budget = Budget::default();
    let mut bytes = 0;
    for entry in entries {
        if budget.is_used_up() {
            break;
        }
        let Parsed::Event(event) = entry.parsed else {
            return;
        };
        let arrival = arrival(Sender::by(Channel::Server));
        if let Ok(Mapped { actions, warnings }) = map(&event, arrival, settings, &mut budget) {
            let actions = serde_json::to_vec(&actions).expect("JSON");
            let warnings = warnings.iter().map(|warning| warning.to_string().len());
            bytes += actions.len() + warnings.sum::<usize>();
            assert!(bytes < MOST_BYTES);
        }
    }
}

/// Checks the events of a message, and what it may have done.
pub(super) fn check_received(received: Received<'_>, sender: Sender) {
    for entry in received.entries {
        let Parsed::Event(event) = entry.parsed else {
            check_non_event(entry.raw);
            continue;
        };
        check_rights(
            &event,
            Arrival {
                received_at_millis: received.received_at.timestamp_millis(),
                source: received.source,
                sender,
            },
            &Settings::default(),
        );
        check_envelope(&Envelope {
            v: 1,
            source: received.source,
            received_at: received.received_at,
            event,
        });
    }
}

/// Checks events whose senders are known.
pub(super) fn check_entries(entries: &[Entry<'_>], settings: &Settings) {
    for event in entries.iter().filter_map(Entry::event) {
        let user_id = event.user_id();
        assert!(user_id.is_none_or(|id| !settings.ignored_user_ids.contains(&id)));
    }
    let millis = received_at().timestamp_millis();
    if let Some(shown) = preview(entries, millis, Some(Source::Api), settings) {
        let results = shown["results"].as_array().expect("a list");
        assert_eq!(results.len(), entries.len());
        for (entry, result) in entries.iter().zip(results) {
            assert!(entry.rejection().is_none() || result["status"] == "would_reject");
        }
    }
    for entry in entries {
        let Some(event) = entry.event() else {
            check_non_event(entry.raw);
            continue;
        };
        check_mapping(event, arrival(entry.sender), settings);
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

pub(super) fn arrival(sender: Sender) -> Arrival {
    Arrival {
        received_at_millis: received_at().timestamp_millis(),
        source: Source::Api,
        sender,
    }
}

fn received_at() -> chrono::DateTime<chrono::Utc> {
    "2023-11-14T22:13:20Z".parse().expect("a date")
}

/// Checks what an event becomes.
pub(super) fn check_mapping(event: &Event<'_>, arrival: Arrival, settings: &Settings) {
    check_rights(event, arrival, settings);
    if settings.require_user_hash {
        // What is left out then has a warning for all companies, not for each trait.
        return;
    }
    invariants::same_again(event, arrival, settings);
    invariants::what_intercom_takes(event, arrival, settings);
    invariants::every_trait_is_sent_or_named(event, arrival, settings);
    invariants::every_field_is_used_or_named(event, arrival, settings);
    invariants::every_property_is_sent_or_named(event, arrival, settings);
}

/// Checks that nobody has more done than they may.
fn check_rights(event: &Event<'_>, arrival: Arrival, settings: &Settings) {
    let Ok(Mapped { actions, .. }) = map(event, arrival, settings, &mut Budget::default()) else {
        return;
    };
    let Sender {
        channel,
        is_verified,
    } = arrival.sender;
    let is_public = channel == Channel::Public;
    let needs_proof = settings.require_user_hash && (is_public || channel == Channel::Browser);
    assert!(
        !needs_proof || is_verified || named_user(event).is_none(),
        "{arrival:?}"
    );
    for action in actions {
        let is_allowed = match action {
            Action::DeleteContact { .. } => channel == Channel::Segment,
            Action::MergeContact { .. } if needs_proof || is_public => {
                is_verified && event.previous_id() == event.anonymous_id()
            }
            Action::UpsertCompany { .. }
            | Action::AttachCompany { .. }
            | Action::DetachCompany { .. } => {
                !needs_proof || is_verified && settings.verified_companies
            }
            Action::UpsertContact { .. }
            | Action::CreateEvent { .. }
            | Action::MergeContact { .. } => true,
        };
        assert!(is_allowed, "{arrival:?}");
    }
}

/// Checks that an event comes out of the queue as it went in, and alone.
fn check_envelope(envelope: &Envelope<Event<'_>>) {
    let message = Message::new(envelope.source, envelope.received_at, &envelope.event);
    check_ids(&message);
    check_ids(
        &message
            .clone()
            .behind(&envelope.event.user().unwrap_or_default()),
    );
    check_ids(&message.clone().scoped_to("0123456789abcdef"));
    let is_taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(message.body().chars().all(is_taken), "{}", message.body());
    let ids = message.clone();
    let ids = ids.with_ids_alone(envelope.source, envelope.received_at, Some(&envelope.event));
    assert!(ids.fits());
    let ids = read_body(ids.body(), &ignored()).expect("our own body");
    assert!(ids.entries[0].type_name().is_none());
    let read = read_body(message.body(), &ignored()).expect("our own body");
    assert_eq!(read.source, envelope.source);
    assert_eq!(read.received_at, envelope.received_at);
    let [entry] = read.entries.as_slice() else {
        panic!("one event became {}", read.entries.len());
    };
    let event = entry.event().expect("an event");
    let sent = envelope.event.fields().iter();
    let sent = sent.filter(|(key, _)| *key != "writeKey");
    assert!(event.fields().iter().eq(sent), "{}", message.body());
    let arrival = Arrival {
        received_at_millis: read.received_at.timestamp_millis(),
        source: read.source,
        sender: Sender::by(Channel::Segment),
    };
    let settings = settings([0b1_0110, 20]);
    let again = map(event, arrival, &settings, &mut Budget::default());
    let first = map(&envelope.event, arrival, &settings, &mut Budget::default());
    assert_eq!(again, first);
    check_mapping(event, arrival, &settings);
}

/// Checks that SQS takes the ids of a message.
pub(super) fn check_ids(message: &Message) {
    for id in [message.group_id(), message.deduplication_id()] {
        let is_taken = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        assert!(is_taken, "{id:?}");
    }
}
