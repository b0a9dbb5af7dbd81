//! A single event or an array of events, as Segment and AWS send them.

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::body_error::{BodyError, from_json};
use super::gzip::without_byte_order_mark;
use crate::entry::Entry;
use crate::segment::{IgnoredUserIds, Weight};

/// Limit of events from Segment itself or from AWS. Segment's webhook sends at most 4,000.
pub const MAX_SEGMENT_EVENTS: usize = 5_000;

/// Memory for the values of a body's events. Of those after it only the ids are kept, and they are
/// queued: a body of 4 MB could take 300 MB. 5,000 pages of a browser take some 30 MB.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// The entries of a body that is one event or an array of events, at most `most`. Their size isn't
/// checked: Segment enforced its limit when it accepted them.
///
/// # Errors
/// [`BodyError::Json`], [`BodyError::TooManyEvents`].
pub fn entries_of_array<'b>(
    body: &'b [u8],
    most: usize,
    ignored: &IgnoredUserIds,
) -> Result<Vec<Entry<'b>>, BodyError> {
    let raw: &RawValue = from_json(body)?;
    let items: Vec<&RawValue> = if raw.get().starts_with('[') {
        from_json(body)?
    } else {
        vec![raw]
    };
    if items.len() > most {
        let events = items.len();
        return Err(BodyError::TooManyEvents { events, most });
    }
    let mut bytes = 0;
    let entries = items.into_iter().map(|item| {
        bytes += Weight::of(item.get()).bytes;
        let entry = Entry::parse(item, ignored);
        // A single one is always kept: its values have a bound of their own.
        if bytes > KEPT_BYTES {
            entry.with_ids_alone(ignored)
        } else {
            entry
        }
    });
    Ok(entries.collect())
}

/// The first element's JSON, if the body begins like an array. Nothing after it is read.
pub(super) fn first_of_array(body: &[u8]) -> Option<&str> {
    struct First<'f, 'b>(&'f mut Option<&'b RawValue>);

    impl<'b> Visitor<'b> for First<'_, 'b> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'b>>(self, mut elements: A) -> Result<(), A::Error> {
            *self.0 = elements.next_element()?;
            Ok(())
        }
    }

    let mut first = None;
    let mut json = serde_json::Deserializer::from_slice(without_byte_order_mark(body));
    // Fails when there is a second element, which doesn't matter here.
    drop(json.deserialize_seq(First(&mut first)));
    first.map(RawValue::get)
}
