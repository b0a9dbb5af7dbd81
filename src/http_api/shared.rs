//! The fields that a batch shares among its events.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Deserializer};

use crate::segment::{Event, Value};

/// Every event gets its own copy, which takes up to 20 times the memory of its JSON. So the copies'
/// JSON may add up to this much.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The fields of a batch that hold for each of its events, unless the event has its own.
#[derive(Default, Deserialize)]
pub(super) struct Shared<'b> {
    #[serde(borrow, default, deserialize_with = "value")]
    context: Value<'b>,
    #[serde(borrow, default, deserialize_with = "value")]
    integrations: Value<'b>,
    #[serde(borrow, default, deserialize_with = "value", rename = "sentAt")]
    sent_at: Value<'b>,
}

// Derived code would require one lifetime for both.
fn value<'de: 'b, 'b, D: Deserializer<'de>>(json: D) -> Result<Value<'b>, D::Error> {
    Value::deserialize(json)
}

impl<'b> Shared<'b> {
    /// Reads them from a batch's body, where they are `bytes` long, for this many `events`. An
    /// error is the reason why none of the events can be taken: without these fields an event could
    /// go where it must not.
    ///
    /// They are read in place, one level below the body, as in an event: what nests too deep for
    /// the queue nests too deep here.
    pub(super) fn read(
        body: &'b [u8],
        bytes: usize,
        events: usize,
    ) -> Result<Self, Cow<'static, str>> {
        if bytes == 0 {
            return Ok(Self::default());
        }
        if bytes.saturating_mul(events) > MOST_BYTES {
            let reason = "the batch's context and integrations are too large for so many events";
            return Err(reason.into());
        }
        let unreadable = |error| format!("the batch's common fields can't be read: {error}");
        Ok(serde_json::from_slice(body).map_err(unreadable)?)
    }

    pub(super) fn merged_under(&self, event: Event<'b>) -> Event<'b> {
        let mut fields = event.into_fields();
        for (key, shared) in [
            ("context", &self.context),
            ("integrations", &self.integrations),
            ("sentAt", &self.sent_at),
        ] {
            match (fields.get_mut(key), shared) {
                (_, Value::Null) => {}
                (Some(Value::Object(own)), Value::Object(shared)) => {
                    let mut others = shared.clone().into_vec();
                    let keys: HashSet<&str> = own.keys().collect();
                    others.retain(|(key, _)| !keys.contains(&**key));
                    for (key, value) in others {
                        // Escaped keys can't be borrowed; Segment's own have none.
                        if let Cow::Borrowed(key) = key {
                            own.insert_unchecked_and_get_mut(key, value);
                        }
                    }
                }
                (None | Some(Value::Null), shared) => {
                    fields.insert(key, shared.clone());
                }
                (Some(_), _) => {}
            }
        }
        Event::new(Value::Object(fields)).expect("an object's fields make an object")
    }
}
