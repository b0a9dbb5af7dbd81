//! Intercom's contacts by identity, cached across invocations. Bounded in size and age; an entry is
//! removed at the first answer that contradicts it.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::clock::Clock;
use crate::intercom::Contact;
use crate::mapping::Identity;
use crate::ttl_cache::TtlCache;

/// Entries of each cache: some 200 bytes each, about 2 MB for both.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// How long an id is cached. A wrong one gets a 404 and is looked up again.
const AGE: Duration = Duration::from_hours(1);

/// Shorter for emails, because an address can move to another contact.
const AGE_OF_EMAILS: Duration = Duration::from_mins(1);

/// What stays true of a contact, or is contradicted by an answer as soon as it doesn't. That excludes
/// memberships: another instance can undo one without any answer showing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownContact {
    /// Intercom's id.
    pub(super) id: String,
    /// Whether this contact is another user, into which the user was merged.
    pub(super) is_merged: bool,
    /// Whether it has no user id yet, and the next write gives it the user's.
    pub(super) is_to_be_claimed: bool,
    /// The user id that Intercom showed, where it had one.
    pub(super) user_id: Option<String>,
    /// Unix seconds; Intercom's may be later by now, never earlier.
    pub(super) last_seen_at: Option<i64>,
    /// Unix seconds.
    pub(super) created_at: Option<i64>,
    /// An email that Intercom refused for this contact.
    pub(super) refused_email: Option<String>,
}

impl KnownContact {
    /// A contact known only by its id.
    pub(super) fn with_id(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// A contact from a search. Its index lags behind, so only what never changes is kept.
    pub(super) fn found_by_search(found: Contact) -> Self {
        Self {
            user_id: found.user_id().map(str::to_owned),
            created_at: found.created_at,
            ..Self::with_id(found.id)
        }
    }
}

impl From<&Contact> for KnownContact {
    fn from(contact: &Contact) -> Self {
        Self {
            user_id: contact.user_id().map(str::to_owned),
            last_seen_at: contact.last_seen_at,
            created_at: contact.created_at,
            ..Self::with_id(&contact.id)
        }
    }
}

/// Contacts by identity.
#[derive(Debug)]
pub(super) struct ContactCache {
    by_id: TtlCache<KnownContact>,
    by_email: TtlCache<KnownContact>,
}

impl ContactCache {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            by_id: TtlCache::new(ENTRIES, AGE, clock),
            by_email: TtlCache::new(ENTRIES, AGE_OF_EMAILS, clock),
        }
    }

    pub(super) fn get(&self, identity: &Identity<'_>) -> Option<KnownContact> {
        let (cache, key) = self.place(identity);
        cache.get(&key)
    }

    pub(super) fn insert(&self, identity: &Identity<'_>, contact: KnownContact) {
        let (cache, key) = self.place(identity);
        cache.insert(&key, contact);
    }

    pub(super) fn remove(&self, identity: &Identity<'_>) {
        let (cache, key) = self.place(identity);
        cache.remove(&key);
    }

    /// The cache key of a contact. Different kinds of ids never collide.
    fn place(&self, identity: &Identity<'_>) -> (&TtlCache<KnownContact>, String) {
        match identity {
            Identity::ExternalId(id) => (&self.by_id, format!("user {id}")),
            Identity::AnonymousId(id) => (&self.by_id, format!("anonymous {id}")),
            Identity::Email(email) => (&self.by_email, email.to_ascii_lowercase()),
        }
    }
}
