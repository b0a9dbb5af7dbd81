//! What would be sent for these events? The same mapping as delivery's, and nothing sent.

use serde_json::{Value, json};

use crate::intake::Entry;
use crate::mapping::{Arrival, Mapped, Settings, map};
use crate::segment::Event;

/// The body of the answer to `POST /v1/preview`.
pub fn preview(entries: &[Entry<'_>], received_at: i64, settings: &Settings) -> Value {
    let results: Vec<Value> = entries
        .iter()
        .map(|entry| preview_of(entry, received_at, settings))
        .collect();
    json!({"results": results})
}

fn preview_of(entry: &Entry<'_>, received_at: i64, settings: &Settings) -> Value {
    let arrival = Arrival {
        received_at,
        sender: entry.sender,
    };
    let mapped = match (&entry.event, &entry.refusal) {
        (Some(event), None) => map(event, arrival, settings),
        (_, refusal) => Mapped::Reject(refusal.clone().unwrap_or_default()),
    };
    let mut result = json!({
        "messageId": entry.event.as_ref().and_then(Event::message_id),
        "type": entry.event.as_ref().and_then(Event::type_name),
    });
    let (status, reason, actions, warnings) = match mapped {
        Mapped::Deliver { actions, warnings } => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            ("would_deliver", None, json!(actions), warnings)
        }
        Mapped::Skip(reason) => ("would_skip", Some(reason), json!([]), Vec::new()),
        Mapped::Reject(reason) => ("would_reject", Some(reason), json!([]), Vec::new()),
    };
    result["status"] = status.into();
    if let Some(reason) = reason {
        result["reason"] = reason.into();
    }
    result["actions"] = actions;
    result["warnings"] = warnings.into();
    result
}
