//! The bodies of the Tracking API: a single call, a batch, a preview.

use serde_json::value::RawValue;

use super::body_error::{BodyError, from_json};
use super::event_array::entries_of_array;
use super::fields::Fields;
use super::shared::Shared;
use crate::entry::Entry;
use crate::failure::Code;
use crate::segment::{Event, IgnoredUserIds, Kind};

/// Segment's limit of one event, in bytes.
pub const MAX_EVENT_BYTES: usize = 32 * 1024;

/// Segment's limit of a body, unpacked, in bytes.
pub const MAX_BODY_BYTES: usize = 500 * 1024;

/// Segment's limit of events in a batch.
pub const MAX_BATCH_EVENTS: usize = 2_500;

/// The events of a Tracking API call; `kind` is a single call's, None a batch's.
///
/// # Errors
/// [`BodyError`]. One bad event of a batch is no error: it comes as a rejected [`Entry`].
pub fn parse_call<'b>(
    body: &'b [u8],
    kind: Option<Kind>,
    ignored: &IgnoredUserIds,
) -> Result<Vec<Entry<'b>>, BodyError> {
    match kind {
        Some(kind) => parse_single(body, kind, ignored),
        None => parse_batch(body, ignored),
    }
}

fn parse_single<'b>(
    body: &'b [u8],
    kind: Kind,
    ignored: &IgnoredUserIds,
) -> Result<Vec<Entry<'b>>, BodyError> {
    let raw: &RawValue = from_json(body)?;
    let Ok(mut event) = Event::new(from_json(body)?, ignored) else {
        return Err(BodyError::Shape("the body must be a JSON object"));
    };
    event.set_type(kind);
    if raw.get().len() > MAX_EVENT_BYTES {
        return Err(BodyError::EventTooLarge);
    }
    Ok(vec![Entry::of(event, raw)])
}

fn parse_batch<'b>(body: &'b [u8], ignored: &IgnoredUserIds) -> Result<Vec<Entry<'b>>, BodyError> {
    let batch: Fields<'_> = match serde_json::from_slice(body) {
        Ok(batch) => batch,
        Err(error) if error.is_data() => return Err(BodyError::Shape(NO_BATCH)),
        Err(error) => return Err(BodyError::Json(error.to_string())),
    };
    let items = batch
        .get("batch")
        .map(|items| serde_json::from_str(items.get()));
    let Some(Ok(items)) = items else {
        return Err(BodyError::Shape(NO_BATCH));
    };
    let items: Vec<&RawValue> = items;
    if items.len() > MAX_BATCH_EVENTS {
        return Err(BodyError::TooManyEvents {
            events: items.len(),
            most: MAX_BATCH_EVENTS,
        });
    }
    let shared = Shared::of(&batch, items.len());
    let entries = items.into_iter().map(|raw| {
        let entry = Entry::parse(raw, ignored);
        let is_event = entry.rejection().is_none();
        let entry = match &shared {
            Ok(shared) if is_event => shared.under(entry, ignored),
            Err(reason) if is_event => entry.rejected(Code::InvalidEvent, reason.clone()),
            _ => entry,
        };
        rejected_if_large(entry)
    });
    Ok(entries.collect())
}

const NO_BATCH: &str = "the body must be a JSON object with an array \"batch\"";

/// The events of a preview: one with its `type`, an array of them, or a batch.
///
/// # Errors
/// [`BodyError`]. One bad event is no error: it comes as a rejected [`Entry`].
pub fn parse_preview<'b>(
    body: &'b [u8],
    ignored: &IgnoredUserIds,
) -> Result<Vec<Entry<'b>>, BodyError> {
    match parse_batch(body, ignored) {
        Err(BodyError::Shape(_)) => {}
        parsed => return parsed,
    }
    let entries = entries_of_array(body, MAX_BATCH_EVENTS, ignored)?;
    Ok(entries.into_iter().map(rejected_if_large).collect())
}

fn rejected_if_large(entry: Entry<'_>) -> Entry<'_> {
    if entry.raw.get().len() > MAX_EVENT_BYTES {
        entry.rejected(Code::TooLarge, BodyError::EventTooLarge.to_string().into())
    } else {
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_call(body: &[u8], kind: Option<Kind>) -> Result<Vec<Entry<'_>>, BodyError> {
        super::parse_call(body, kind, &IgnoredUserIds::default())
    }

    #[test]
    fn a_batch_shares_its_fields() {
        let body = br#"{"writeKey":"k","sentAt":"2020","context":{"ip":"1","app":{"name":"x"}},
            "integrations":{"All":false},"batch":[
            {"type":"track","writeKey":"k","context":{"ip":"2"}},
            {"type":"track","context":null,"integrations":{"Intercom":true},"sentAt":"2021"},
            7]}"#;
        let entries = parse_call(body, None).expect("a batch");
        let events: Vec<String> = entries
            .iter()
            .filter_map(|entry| Some(entry.event()?.as_value().to_string()))
            .collect();
        assert_eq!(
            events,
            [
                r#"{"type":"track","writeKey":"k","context":{"ip":"2","app":{"name":"x"}},"integrations":{"All":false},"sentAt":"2020"}"#,
                r#"{"type":"track","context":{"ip":"1","app":{"name":"x"}},"integrations":{"Intercom":true,"All":false},"sentAt":"2021"}"#,
            ]
        );
        assert!(entries[2].rejection().is_some());
    }

    #[test]
    fn bodies_that_are_refused() {
        let single = |body: &[u8]| parse_call(body, Some(Kind::Track)).map(drop);
        let batch = |body: &[u8]| parse_call(body, None).map(drop);
        assert!(matches!(single(b"{"), Err(BodyError::Json(_))));
        assert!(matches!(single(b""), Err(BodyError::Json(_))));
        assert!(matches!(single(b"[]"), Err(BodyError::Shape(_))));
        assert!(matches!(batch(b"{\"batch\":[}"), Err(BodyError::Json(_))));
        assert!(matches!(batch(b"{}"), Err(BodyError::Shape(_))));
        assert!(matches!(batch(b"[]"), Err(BodyError::Shape(_))));
        assert!(matches!(batch(b"[[{}]]"), Err(BodyError::Shape(_))));
        assert!(matches!(
            batch(br#"{"batch":{}}"#),
            Err(BodyError::Shape(_))
        ));
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(MAX_EVENT_BYTES));
        assert_eq!(single(large.as_bytes()), Err(BodyError::EventTooLarge));
        let many = format!(r#"{{"batch":[{}1]}}"#, "1,".repeat(MAX_BATCH_EVENTS));
        let too_many = BodyError::TooManyEvents {
            events: MAX_BATCH_EVENTS + 1,
            most: MAX_BATCH_EVENTS,
        };
        assert_eq!(batch(many.as_bytes()), Err(too_many));
    }

    #[test]
    fn one_bad_event_never_sinks_its_batch() {
        let large = format!(
            r#"{{"type":"track","x":"{}"}}"#,
            "x".repeat(MAX_EVENT_BYTES)
        );
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        let body = format!(
            r#"{{"batch":[{large},{{"type":"track"}},{{"x":{deep}}},{{"x":"\ud800"}},{{"x":1e999}},null]}}"#
        );
        let entries = parse_call(body.as_bytes(), None).expect("a batch");
        let refused: Vec<bool> = entries
            .iter()
            .map(|entry| entry.rejection().is_some())
            .collect();
        assert_eq!(refused, [true, false, true, true, true, true]);
    }
}
