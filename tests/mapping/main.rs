//! What Segment events become in Intercom, case by case, and properties that hold for every
//! event.

mod cases;
mod invariants;
mod memory;
mod properties;
mod snapshots;

use segment_intercom::config::Config;
use segment_intercom::entry::Entry;
use segment_intercom::mapping::{Arrival, Channel, Sender, Settings};
use segment_intercom::preview::preview;
use segment_intercom::source::Source;
use serde_json::Value;
use serde_json::value::RawValue;

/// Every case is received at 2023-11-14T22:13:20Z.
const ARRIVAL: Arrival = Arrival {
    received_at_millis: 1_700_000_000_000,
    source: Source::Webhook,
    sender: Sender {
        channel: Channel::Segment,
        is_verified: false,
    },
};

/// What the preview says of one event.
fn preview_of(event: &RawValue, arrival: Arrival, settings: &Settings) -> Value {
    let mut entry = Entry::parse(event, &settings.ignored_user_ids);
    entry.sender = arrival.sender;
    let body = preview(
        &[entry],
        arrival.received_at_millis,
        Some(arrival.source),
        settings,
    );
    let mut body = body.expect("it is small enough");
    body["results"][0].take()
}

/// The mapping's settings when these environment variables are set.
fn settings(lookup: impl Fn(&str) -> Option<String>) -> Settings {
    let required = [
        "SECRET_ID",
        "RETRY_QUEUE_URL",
        "WAITING_QUEUE_URL",
        "DEAD_LETTER_QUEUE_URL",
    ];
    let config = Config::read(|name| {
        let needed = || required.contains(&name).then(|| "any".to_owned());
        lookup(name).or_else(needed)
    });
    config.expect("the settings are allowed").mapping
}
