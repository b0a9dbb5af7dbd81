//! What Segment events become in Intercom: its rules, case by case, and
//! properties that hold for every event.

mod cases;
mod invariants;
mod properties;
mod snapshots;

use segment_intercom::config::Config;
use segment_intercom::intake::Entry;
use segment_intercom::mapping::{Channel, Sender, Settings};
use segment_intercom::preview::preview;
use serde_json::Value;
use serde_json::value::RawValue;

/// Every case is received at 2023-11-14T22:13:20Z.
const RECEIVED_AT: i64 = 1_700_000_000;

/// What the preview says of one event.
fn preview_of(event: &RawValue, has_origin: bool, settings: &Settings) -> Value {
    let mut entry = Entry::parse(event);
    entry.sender = Sender::by(if has_origin {
        Channel::Browser
    } else {
        Channel::Segment
    });
    let mut body = preview(&[entry], RECEIVED_AT, settings);
    body["results"][0].take()
}

/// The mapping's settings when these environment variables are set.
fn settings(lookup: impl Fn(&str) -> Option<String>) -> Settings {
    let required = ["SECRET_ID", "RETRY_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"];
    let config = Config::read(|name| {
        let needed = || required.contains(&name).then(|| "any".to_owned());
        lookup(name).or_else(needed)
    });
    config.expect("the settings are allowed").mapping
}
