//! What would be sent for these events? The same mapping as delivery's, and nothing sent.

use serde_json::{Value, json};

use crate::http_api::MAX_ANSWER_BYTES;
use crate::intake::Entry;
use crate::mapping::{Arrival, Budget, Mapped, Settings, map};
use crate::queue::Source;
use crate::segment::Event;

/// The body of the answer to `POST /v1/preview`. `None` when it is larger than an answer may be.
pub fn preview(
    entries: &[Entry<'_>],
    received_at_millis: i64,
    source: Source,
    settings: &Settings,
) -> Option<Value> {
    let mut budget = Budget::default();
    let mut bytes = 0;
    let results: Option<Vec<Value>> = entries
        .iter()
        .map(|entry| {
            if budget.is_used_up() {
                return None;
            }
            let arrival = Arrival {
                received_at_millis,
                source,
                sender: entry.sender,
            };
            let result = preview_of(entry, arrival, settings, &mut budget);
            bytes += result.to_string().len();
            (bytes <= MAX_ANSWER_BYTES).then_some(result)
        })
        .collect();
    Some(json!({"results": results?}))
}

fn preview_of(
    entry: &Entry<'_>,
    arrival: Arrival,
    settings: &Settings,
    budget: &mut Budget,
) -> Value {
    let mapped = match (&entry.event, &entry.refusal) {
        (Some(event), None) => map(event, arrival, settings, budget),
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
