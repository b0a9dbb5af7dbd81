//! Group and deduplication ids as SQS takes them.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::envelope::json;
use super::keyless::Keyless;
use crate::segment::Event;

/// Most characters of an id.
const MAX_ID_CHARS: usize = 128;

/// An id as SQS takes it for groups and deduplication: up to 128 printable ASCII characters without
/// spaces. Any other is replaced by its SHA-256.
pub fn queue_id(id: &str) -> Cow<'_, str> {
    let fits =
        (1..=MAX_ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(sha256(id))
    }
}

/// The event's messageId. For an event that came without one, the SHA-256 of the event, in the queues
/// and in the log: the same each time that it is tried.
pub fn message_id<'e>(event: &'e Event<'_>) -> Cow<'e, str> {
    event
        .message_id()
        .map_or_else(|| sha256(&json(&Keyless(event))).into(), Cow::Borrowed)
}

/// A deduplication id that no queue has seen.
pub(super) fn fresh_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

pub(super) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_sqs_refuses_become_hashes() {
        assert_eq!(queue_id("user-1@example.com"), "user-1@example.com");
        for id in ["two words", "é", "", &"x".repeat(129)] {
            assert_eq!(queue_id(id).len(), 64, "{id}");
        }
    }
}
