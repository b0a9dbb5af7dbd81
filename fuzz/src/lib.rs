//! What each fuzz target does with its bytes. `tests/corpus.rs` does the same, on stable Rust,
//! with every file in `corpus/`.

mod checks;
mod filters;
mod http;

use std::io::Write;
use std::str;

use flate2::Compression;
use flate2::write::GzEncoder;
use segment_intercom::entry::Entry;
use segment_intercom::http_api::{MAX_BODY_BYTES, Route, decode, without_byte_order_mark};
use segment_intercom::http_api::{
    MAX_SEGMENT_EVENTS, entries_of_array, parse_preview, replace_lone_surrogates,
};
use segment_intercom::mapping::{
    Anonymous, Channel, CollectContext, CompanyIdHash, Nested, Sender, Settings,
};
use segment_intercom::queue::{Message, read_body, sender};
use segment_intercom::segment::Kind;
use segment_intercom::trigger::{OwnQueues, Trigger};
use serde_json::value::RawValue;

use checks::{check_body, check_entries, check_ids, check_many, check_received, ignored};
pub use filters::filters;
pub use http::http;

/// The queues of which records are taken.
fn own_queues() -> OwnQueues {
    let url = |name| format!("https://sqs.us-east-1.amazonaws.com/123456789012/{name}");
    OwnQueues {
        retry: url("segment-intercom-retry.fifo"),
        waiting: url("segment-intercom-waiting"),
    }
}

/// Their ARNs, but for AWS's partition, which a URL doesn't say.
const ARNS: [&str; 2] = [
    ":sqs:us-east-1:123456789012:segment-intercom-retry.fifo",
    ":sqs:us-east-1:123456789012:segment-intercom-waiting",
];

/// Two bytes that choose the settings and the sender, then one event.
pub fn mapping(data: &[u8]) {
    let Some((choice, json)) = data.split_first_chunk() else {
        return;
    };
    let Ok(raw) = serde_json::from_slice::<&RawValue>(json) else {
        return;
    };
    let mut entry = Entry::parse(raw, &ignored());
    entry.sender = sender_of(*choice);
    check_entries(&[entry], &settings(*choice));
}

/// A byte that chooses the route and how the body is packed, then a body as it is sent; or, from
/// 110 to 119, the fields that a batch shares, a line feed, and an event that it holds 2,500 times.
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
    let packed = match choice {
        110..=119 => {
            return check_many(body, &settings([choice % 10, 20]));
        }
        120..=127 => body.chunks(3).flat_map(gzip).collect(),
        128.. => gzip(body),
        _ => return check_body(route, body),
    };
    if let Ok(unpacked) = decode(&packed, MAX_BODY_BYTES)
        && !packed.is_empty()
    {
        let json = without_byte_order_mark(body);
        assert_eq!(unpacked, replace_lone_surrogates(json.into()));
    }
    check_body(route, &packed);
}

/// What Lambda hands to the function.
pub fn trigger(data: &[u8]) {
    let Ok(payload) = serde_json::from_slice::<&RawValue>(data) else {
        return;
    };
    let trigger = Trigger::of(payload, &own_queues());
    let fields: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(payload.get()).ok();
    if fields.is_some_and(|fields| fields.contains_key("type")) {
        assert!(matches!(trigger, Ok(Trigger::Direct(_))), "{trigger:?}");
    }
    match trigger {
        Ok(Trigger::Http(request)) => http::check_request(&request),
        Ok(Trigger::Sqs(_, batch)) => {
            for record in &batch.records {
                let arn = record.event_source_arn.as_deref();
                let is_ours = |arn: &str| ARNS.iter().any(|own| arn.ends_with(own));
                assert!(arn.is_some_and(is_ours), "{arn:?}");
                let body = record.body.as_deref().unwrap_or_default();
                let Ok(received) = read_body(body, &ignored()) else {
                    continue;
                };
                let attribute = |name: &str| {
                    let attribute = record.message_attributes.get(name)?;
                    attribute.string_value.as_deref()
                };
                let sender = sender(received.source, 0, attribute);
                check_received(received, sender);
            }
        }
        Ok(Trigger::EventBridge(event) | Trigger::Direct(event)) => {
            let json = replace_lone_surrogates(event.get().as_bytes().into());
            if let Ok(mut entries) = entries_of_array(&json, MAX_SEGMENT_EVENTS, &ignored()) {
                for entry in &mut entries {
                    entry.sender = Sender::by(Channel::Segment);
                }
                check_entries(&entries, &Settings::default());
            }
        }
        Ok(Trigger::Preview(request)) => {
            let json = replace_lone_surrogates(request.events.get().as_bytes().into());
            let _ = parse_preview(&json, &ignored());
        }
        Err(unknown) => assert!(!unknown.to_string().is_empty()),
    }
}

/// The body of a message of the retry queue.
pub fn queue(data: &[u8]) {
    let Ok(body) = str::from_utf8(data) else {
        return;
    };
    match read_body(body, &ignored()) {
        Ok(received) => {
            let sender = sender(received.source, 0, |_| None);
            check_received(received, sender);
        }
        Err(reason) => {
            assert!(!reason.is_empty());
            check_ids(&Message::unreadable(body.to_owned()));
        }
    }
}

/// Who sent an event.
fn sender_of([flags, limit]: [u8; 2]) -> Sender {
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
