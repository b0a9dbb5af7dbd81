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

/// Whose event it is, as one text: the kind of id and the id of its user (userId, else email, else
/// anonymousId), else of the event itself. An anonymousId is never the user whose id has the same
/// text, and nobody without proof is somebody with it.
pub fn owner(event: &Event<'_>, is_unproven: bool) -> String {
    let user = event.user_id().map(|id| ("user", id));
    let user = user.or_else(|| Some(("email", event.email()?)));
    let user = user.or_else(|| Some(("anonymous", event.anonymous_id()?)));
    let (kind, id) = user.unwrap_or_else(|| ("event", message_id(event)));
    match (is_unproven, kind) {
        // The bare id, where no prefixed one can look like it.
        (false, "user") if !id.contains(':') => id.into_owned(),
        (false, kind) => format!("{kind}:{id}"),
        (true, kind) => format!("unproven-{kind}:{id}"),
    }
}

/// The [owners](owner) of the events of a lead with this anonymousId.
pub fn owners_of_lead(anonymous_id: &str) -> [String; 2] {
    ["", "unproven-"].map(|proof| format!("{proof}anonymous:{anonymous_id}"))
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

    #[test]
    fn one_text_of_two_kinds_is_two_owners() {
        let owner = |json: &str, is_unproven| {
            let value = serde_json::from_str(json).expect("JSON");
            let event = Event::new(value, &crate::segment::IgnoredUserIds::default());
            super::owner(&event.expect("an object"), is_unproven)
        };
        let all = [
            owner(r#"{"userId":"a@b.co"}"#, false),
            owner(r#"{"userId":"a@b.co"}"#, true),
            owner(r#"{"traits":{"email":"a@b.co"}}"#, false),
            owner(r#"{"anonymousId":"a@b.co"}"#, false),
            owner(r#"{"anonymousId":"a@b.co"}"#, true),
            owner(r#"{"messageId":"a@b.co"}"#, false),
            owner(r#"{"userId":"unproven-user:a@b.co"}"#, false),
        ];
        let different: std::collections::HashSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        assert_eq!(all[0], "a@b.co");
        assert_eq!([&all[3], &all[4]], owners_of_lead("a@b.co").each_ref());
    }
}
