//! Our own CPU and allocations per event: parsed, mapped, and the bodies for Intercom written.
//! No I/O. `--repeat N` only does it N times, for callgrind to count.

use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use divan::{AllocProfiler, Bencher};
use segment_intercom::http_api::parse_call;
use segment_intercom::mapping::{Action, Arrival, Budget, Channel, Mapped, Sender, Settings, map};
use segment_intercom::segment::{IgnoredUserIds, Kind};
use segment_intercom::source::Source;
use serde_json::Value;

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
            let settings = Settings::default();
            for _ in 0..times {
                black_box(from_bytes_to_bodies(
                    black_box(&body),
                    Kind::Identify,
                    &settings,
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

fn measure(bencher: Bencher, payload: &str, kind: Kind) {
    let body = body(payload);
    let settings = Settings::default();
    bencher.bench(|| from_bytes_to_bodies(black_box(&body), kind, &settings));
}

/// The body of a REST API payload.
fn body(payload: &str) -> Vec<u8> {
    let payload: Value = serde_json::from_str(payload).expect("JSON");
    let body = payload["body"].as_str().expect("a body");
    STANDARD.decode(body).expect("base64")
}

/// Everything between the request's bytes and those of the calls to Intercom; gives back how
/// many bytes these are.
fn from_bytes_to_bodies(body: &[u8], kind: Kind, settings: &Settings) -> usize {
    let entries = parse_call(body, Some(kind), &IgnoredUserIds::default()).expect("a call");
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
