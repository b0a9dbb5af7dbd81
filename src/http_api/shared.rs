//! The fields that a batch shares among its events.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::{Field, Fields};
use crate::entry::Entry;
use crate::failure::Code;
use crate::segment::{Event, IgnoredUserIds, MAX_VALUES, Value, Weight};

/// Each event's message holds a copy, so the copies may add up to this many bytes of JSON.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What the copies may take in memory. The context of a browser takes 8 KB, 2,500 times.
const MOST_IN_MEMORY: usize = 32 * 1024 * 1024;

/// Levels of arrays and objects that are read; what nests deeper could not be read from the queue.
const MOST_LEVELS: usize = 127;

/// The fields of a batch that hold for each of its events, unless the event has its own.
const NAMES: [&str; 3] = ["context", "integrations", "sentAt"];

/// The shared fields of a batch, as JSON: what an event gets of it is parsed with the event.
#[derive(Debug, Default)]
pub(super) struct Shared<'b>(Vec<(&'static str, &'b RawValue)>);

impl<'b> Shared<'b> {
    /// Takes them from a batch's fields, for this many `events`. An error is the reason why none of
    /// the events can be taken: without these fields an event could go where it must not.
    pub(super) fn of(batch: &Fields<'b>, events: usize) -> Result<Self, Cow<'static, str>> {
        let mut shared = Vec::new();
        for name in NAMES {
            let Some(json) = batch.get(name).filter(|json| !is_null(json)) else {
                continue;
            };
            let unreadable =
                |why: &dyn std::fmt::Display| format!("the batch's {name} can't be read: {why}");
            // One more, since it goes into an event.
            if Weight::of(json.get()).levels + 1 > MOST_LEVELS {
                return Err(unreadable(&"recursion limit exceeded").into());
            }
            let values = Weight::of(json.get()).values;
            if values > MAX_VALUES {
                let reason = format!("it holds {values} values, at most {MAX_VALUES} are read");
                return Err(unreadable(&reason).into());
            }
            serde_json::from_str::<Value<'_>>(json.get()).map_err(|error| unreadable(&error))?;
            shared.push((name, json));
        }
        let json = shared.iter().map(|(_, json)| json.get());
        let bytes: usize = json.clone().map(str::len).sum();
        let in_memory: usize = json.map(|json| Weight::of(json).bytes).sum();
        if bytes.saturating_mul(events) > MOST_BYTES
            || in_memory.saturating_mul(events) > MOST_IN_MEMORY
        {
            let reason = "the batch's context and integrations are too large for so many events";
            return Err(reason.into());
        }
        Ok(Self(shared))
    }

    /// An event's entry with these fields under its own.
    pub(super) fn under(&self, entry: Entry<'b>, ignored: &IgnoredUserIds) -> Entry<'b> {
        if self.0.is_empty() {
            return entry;
        }
        let read = self.read_under(entry.raw);
        let event = read.map_err(|error| format!("the event can't be read: {error}"));
        match event.and_then(|event| Event::new(event, ignored).map_err(|error| error.to_string()))
        {
            Ok(event) => Entry::of(event, entry.raw),
            Err(reason) => entry.rejected(Code::InvalidEvent, reason.into()),
        }
    }

    fn read_under(&self, event: &'b RawValue) -> Result<Value<'b>, serde_json::Error> {
        let mut fields: Fields<'b> = serde_json::from_str(event.get())?;
        for (name, shared) in &self.0 {
            let merged = match fields.get(name).filter(|own| !is_null(own)) {
                None => Field::Json(shared),
                Some(own) => match (object(own), object(shared)) {
                    (Some(own), Some(shared)) => Field::Object(Fields::merged(own, shared)),
                    _ => continue,
                },
            };
            fields.insert(name, merged);
        }
        fields.parse()
    }
}

/// The fields of what may be an object.
fn object(json: &RawValue) -> Option<Fields<'_>> {
    serde_json::from_str(json.get()).ok()
}

fn is_null(json: &RawValue) -> bool {
    json.get() == "null"
}
