//! What is left out of an event that outgrows its memory.

use serde_json::json;
use serde_json::value::to_raw_value;

use crate::{ARRIVAL, preview_of, settings};

#[test]
fn a_company_that_the_event_has_no_memory_for_is_left_out_for_that_reason() {
    let settings = settings(|name| (name == "NESTED").then(|| "flatten".to_owned()));
    let event = json!({
        "type": "identify",
        "userId": "u1",
        "traits": {"list": vec![1; 5_000], "company": {"id": "c1"}},
    });
    let event = to_raw_value(&event).expect("JSON");
    let preview = preview_of(&event, ARRIVAL, &settings);
    let actions = preview["actions"].as_array().expect("actions");
    assert_eq!(actions.len(), 1, "the contact alone");
    let warnings = preview["warnings"].as_array().expect("warnings");
    let expected =
        "trait \"company\" left out: the event has used up the memory that one event may take";
    assert!(warnings.contains(&json!(expected)), "{warnings:?}");
}
