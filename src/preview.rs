//! What would be sent for these events? The same mapping as delivery's, and nothing sent.

use serde_json::{Value, json};

use crate::entry::{Entry, Parsed};
use crate::http_api::MAX_ANSWER_BYTES;
use crate::mapping::{Arrival, Budget, Mapped, NotSent, Settings, map};
use crate::segment::Event;
use crate::source::Source;
use crate::status::PreviewStatus;

/// The body of the answer to `POST /v1/preview`. `None` when it is larger than an answer may be.
///
/// `source` says by whose rules of time and `integrations`. None: an event with Segment's own fields
/// (`receivedAt` and `originalTimestamp`) was copied from Segment, any other comes from an SDK.
pub fn preview(
    entries: &[Entry<'_>],
    received_at_millis: i64,
    source: Option<Source>,
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
            let is_copied = || entry.event().is_some_and(Event::has_segments_own_times);
            let own_source = || {
                if is_copied() {
                    Source::Webhook
                } else {
                    Source::Api
                }
            };
            let arrival = Arrival {
                received_at_millis,
                source: source.unwrap_or_else(own_source),
                sender: entry.sender,
            };
            let mut result = preview_of(entry, arrival, settings, &mut budget);
            result["timeRules"] = if arrival.source.is_segment() {
                "segment".into()
            } else {
                "sdk".into()
            };
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
    match &entry.parsed {
        Parsed::Event(event) => preview_of_event(event, arrival, settings, budget),
        Parsed::Rejected { reason, .. } => {
            let rejected = Err(NotSent::Reject(reason.clone()));
            show(entry.message_id(), entry.type_name(), rejected)
        }
    }
}

/// What would be sent for this event.
fn preview_of_event(
    event: &Event<'_>,
    arrival: Arrival,
    settings: &Settings,
    budget: &mut Budget,
) -> Value {
    let mapped = map(event, arrival, settings, budget);
    show(event.message_id(), event.type_name(), mapped)
}

fn show(
    message_id: Option<&str>,
    type_name: Option<&str>,
    mapped: Result<Mapped<'_>, NotSent>,
) -> Value {
    let (status, reason, actions, warnings) = match mapped {
        Ok(Mapped { actions, warnings }) => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            (PreviewStatus::WouldDeliver, None, json!(actions), warnings)
        }
        Err(NotSent::Skip(reason)) => (
            PreviewStatus::WouldSkip,
            Some(reason),
            json!([]),
            Vec::new(),
        ),
        Err(NotSent::Reject(reason) | NotSent::Forbid(reason)) => (
            PreviewStatus::WouldReject,
            Some(reason),
            json!([]),
            Vec::new(),
        ),
    };
    let mut result = json!({
        "messageId": message_id,
        "type": type_name,
        "status": status,
    });
    if let Some(reason) = reason {
        result["reason"] = reason.into();
    }
    result["actions"] = actions;
    result["warnings"] = warnings.into();
    result
}
