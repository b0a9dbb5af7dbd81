//! Segment's side: events, read the way Segment's own libraries read them.
//!
//! Pure: no clock, no environment, no I/O.

mod date;
mod email;
mod event;
mod id;
mod identity;
mod ignored_user_ids;
mod integrations;
mod key_matching;
mod options;
mod repeated;
mod time;
mod weight;

pub use date::{iso_timestamp, timestamp};
pub use email::email_address;
pub use event::{Event, Kind, NotAnObject, WRITE_KEY};
pub use id::{INEXACT, NO_ID, read_id};
pub(crate) use id::{clean, id_text};
pub use identity::IdField;
pub use ignored_user_ids::IgnoredUserIds;
pub use integrations::{is_addressed_to_intercom, is_delivered_by_page, switch};
pub use key_matching::{are_same_key, get_matching, key_matches};
pub use options::ACTIVE;
pub(crate) use repeated::{Parts, object_of, with_last_of_equal_keys};
pub use time::EventTime;
pub use weight::{MAX_VALUES, Weight};

/// A JSON value that borrows its strings from the request's bytes.
pub type Value<'e> = serde_json_borrow::Value<'e>;

/// A value as JSON. Its `Display` would copy it first.
pub(crate) fn json_of(value: &Value<'_>) -> String {
    serde_json::to_string(value).expect("a JSON value is JSON")
}

/// A JSON object in the order it was sent. In an [`Event`] each key occurs once.
pub type Object<'e> = serde_json_borrow::ObjectAsVec<'e>;
