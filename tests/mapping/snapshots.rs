//! Whole payloads as Segment's libraries send them, with settings that do the most.

use insta::assert_json_snapshot;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{ARRIVAL, preview_of, settings};

fn preview(payload: &str) -> Value {
    let settings = settings(|name| match name {
        "COLLECT_CONTEXT" => Some("true".to_owned()),
        "NESTED" => Some("flatten".to_owned()),
        "METADATA_LIMIT" => Some("14".to_owned()),
        "RICH_LINK_PROPERTIES" => Some("receipt".to_owned()),
        _ => None,
    });
    let event: &RawValue = serde_json::from_str(payload).expect("JSON");
    preview_of(event, ARRIVAL, &settings)
}

#[test]
fn identify_of_a_browser() {
    assert_json_snapshot!(preview(include_str!("payloads/identify.json")));
}

#[test]
fn group_of_a_server() {
    assert_json_snapshot!(preview(include_str!("payloads/group.json")));
}

#[test]
fn order_of_a_server() {
    assert_json_snapshot!(preview(include_str!("payloads/track.json")));
}
