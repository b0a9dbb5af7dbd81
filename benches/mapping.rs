//! Our own CPU and allocations per event: parsed, mapped, and the bodies for Intercom written.
//! No I/O. `--repeat N` only does it N times, for callgrind to count.

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use divan::{AllocProfiler, Bencher};
use segment_intercom::filters::{Filtered, Filters, Rules};
use segment_intercom::http_api::parse_call;
use segment_intercom::mapping::{Action, Arrival, Budget, Channel, Mapped, Sender, Settings, map};
use segment_intercom::segment::{Event, IgnoredUserIds, Kind};
use segment_intercom::source::Source;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const ARRIVAL: Arrival = Arrival {
    received_at_millis: 1_763_899_200_000,
    source: Source::Api,
    sender: Sender {
        channel: Channel::Server,
        is_verified: false,
    },
};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--repeat") {
        Some(place) => {
            let times: usize = arguments[place + 1].parse().expect("a number");
            let body = body(include_str!("../events/rest-identify.json"));
            let (settings, nobody) = (Settings::default(), IgnoredUserIds::default());
            for _ in 0..times {
                let body = black_box(&body);
                black_box(from_bytes_to_bodies(
                    body,
                    Kind::Identify,
                    &settings,
                    &nobody,
                ));
            }
        }
        None => divan::main(),
    }
}

/// An identify with a company and 20 traits.
#[divan::bench]
fn identify(bencher: Bencher) {
    measure(
        bencher,
        include_str!("../events/rest-identify.json"),
        Kind::Identify,
    );
}

/// A track with revenue.
#[divan::bench]
fn track(bencher: Bencher) {
    measure(
        bencher,
        include_str!("../events/rest-track.json"),
        Kind::Track,
    );
}

/// A group with a user.
#[divan::bench]
fn group(bencher: Bencher) {
    measure(
        bencher,
        include_str!("../events/rest-group.json"),
        Kind::Group,
    );
}

/// A batch of so many events, which differ, and ten filters that each look at them.
const BATCH: usize = 2_500;

/// What the mapping of the batch costs: the most that its filters may cost.
#[divan::bench(sample_count = 20)]
fn batch_mapping(bencher: Bencher) {
    let texts = batch();
    let events = events(&texts);
    let settings = Settings::default();
    bencher.bench(|| {
        let mapped = events
            .iter()
            .map(|event| map(event, ARRIVAL, &settings, &mut Budget::default()));
        mapped.flatten().count()
    });
}

/// Ten filters on the batch, of which one takes a property away and none drops an event.
#[divan::bench(sample_count = 20)]
fn batch_filters(bencher: Bencher) {
    let texts = batch();
    let events = events(&texts);
    let rules = Rules::parse(FILTERS).expect("a good file");
    let filters = Filters::new(Vec::new(), rules);
    let nobody = IgnoredUserIds::default();
    bencher.bench(|| {
        let filtered = events.iter().map(|event| filters.apply(event, &nobody));
        filtered
            .filter(|filtered| !matches!(filtered, Filtered::Dropped(_)))
            .count()
    });
}

const FILTERS: &str = r#"{"filters": [
    {"title": "1", "if": "event = 'Never'", "actions": [{"type": "DROP"}]},
    {"title": "2", "if": "contains( context.traits.email, '@example.org' )", "actions": [{"type": "DROP"}]},
    {"title": "3", "if": "match( event, 'Debug *' )", "actions": [{"type": "DROP"}]},
    {"title": "4", "if": "!( type in ['track', 'identify', 'group'] )", "actions": [{"type": "DROP"}]},
    {"title": "5", "if": "properties.revenue < 0", "actions": [{"type": "DROP"}]},
    {"title": "6", "if": "lowercase( properties.plan ) = 'free' and length( userId ) = 0", "actions": [{"type": "DROP"}]},
    {"title": "7", "if": "context.app.name = 'internal'", "actions": [{"type": "DROP"}]},
    {"title": "8", "if": "type = 'track'", "actions": [{"type": "SAMPLE", "percent": 1, "path": "userId"}]},
    {"title": "9", "if": "type = 'track'", "actions": [{"type": "DROP_PROPERTIES", "fields": {"properties": ["ssn"]}}]},
    {"title": "10", "if": "true", "actions": [{"type": "DROP_PROPERTIES", "fields": {"context.traits": ["phone"]}}]}
]}"#;

fn batch() -> Vec<String> {
    let track = |n: usize| {
        json!({"type": "track", "event": "Order Completed", "userId": format!("u{}", n / 5),
            "messageId": format!("m{n}"), "timestamp": "2026-01-05T10:00:00Z",
            "properties": {"revenue": 19.99, "currency": "eur", "plan": "pro", "ssn": "1", "n": n},
            "context": {"traits": {"email": "ada@example.com"}, "app": {"name": "shop"},
                "library": {"name": "analytics-node", "version": "3.1.0"}}})
        .to_string()
    };
    (0..BATCH).map(track).collect()
}

fn events(texts: &[String]) -> Vec<Event<'_>> {
    let event = |text| {
        let value = serde_json::from_str(text).expect("JSON");
        Event::new(value, &IgnoredUserIds::default()).expect("an object")
    };
    texts.iter().map(|text| event(text.as_str())).collect()
}

fn measure(bencher: Bencher, payload: &str, kind: Kind) {
    let body = body(payload);
    let (settings, nobody) = (Settings::default(), IgnoredUserIds::default());
    bencher.bench(|| from_bytes_to_bodies(black_box(&body), kind, &settings, &nobody));
}

/// The body of a REST API payload.
fn body(payload: &str) -> Vec<u8> {
    let payload: Value = serde_json::from_str(payload).expect("JSON");
    let body = payload["body"].as_str().expect("a body");
    STANDARD.decode(body).expect("base64")
}

/// Everything between the request's bytes and those of the calls to Intercom; gives back how
/// many bytes these are.
fn from_bytes_to_bodies(
    body: &[u8],
    kind: Kind,
    settings: &Settings,
    nobody: &IgnoredUserIds,
) -> usize {
    let entries = parse_call(body, Some(kind), nobody).expect("a call");
    let event = entries[0].event().expect("an event");
    let Ok(Mapped { actions, .. }) = map(event, ARRIVAL, settings, &mut Budget::default()) else {
        panic!("the event is to be delivered");
    };
    let bodies = actions.iter().map(|action| match action {
        Action::UpsertContact { contact, .. } => serde_json::to_vec(contact),
        Action::UpsertCompany { company } => serde_json::to_vec(company),
        Action::CreateEvent { event, .. } => serde_json::to_vec(event),
        _ => Ok(Vec::new()),
    });
    bodies.map(|body| body.expect("serialises").len()).sum()
}
