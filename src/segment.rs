//! Segment's side: what an event says, read the way Segment's own libraries read it.
//!
//! Pure: no clock, no environment, no I/O. Rules: `mapping.md`, "Reading a Segment event".

mod addressed;
mod date;
mod email;
mod event;
mod loose;

pub use addressed::is_addressed_to_intercom;
pub use date::{iso_timestamp, timestamp, timestamp_millis};
pub use email::looks_like_email;
pub(crate) use event::id_text;
pub use event::{Event, Kind, NotAnObject, WRITE_KEY};
pub use loose::{are_loosely_equal, get_loose, is_loosely};

/// A JSON value that borrows its strings from the request's bytes.
pub type Value<'e> = serde_json_borrow::Value<'e>;

/// A JSON object in the order it was sent. Repeated keys are kept; the first one wins when read.
pub type Object<'e> = serde_json_borrow::ObjectAsVec<'e>;
