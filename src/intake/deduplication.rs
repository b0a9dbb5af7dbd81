//! Events that this instance took in the last minutes, so that a sender's repeat isn't delivered
//! again.

use std::num::NonZeroUsize;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::invocation::Request;
use crate::queue::queue_id;
use crate::segment::Event;
use crate::status::Status;
use crate::ttl_cache::TtlCache;

/// How long an event is remembered: as long as SQS deduplicates.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);

/// Events remembered. One takes some 200 bytes, at most 450, so all of them 2 to 4.5 MB.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// What became of each event. Two events are duplicates when they have the same messageId and user,
/// as in the queue, and came by the same write key or source: otherwise anybody with a public write
/// key could send another's messageId first, and the real event would count as the duplicate.
/// Segment compares the messageId alone. A repeat has the same user anyway, and a client that uses
/// one messageId for all of its users loses nothing here.
#[derive(Debug)]
pub struct Deduplication(TtlCache<(Status, DateTime<Utc>)>);

impl Deduplication {
    /// Nothing is remembered yet.
    pub fn new(clock: &Clock) -> Self {
        Self(TtlCache::new(ENTRIES, REMEMBERED_FOR, clock))
    }

    /// The key under which an event is remembered. `None` without a messageId.
    pub(super) fn key(event: &Event<'_>, request: &Request<'_>) -> Option<String> {
        let message_id = queue_id(event.message_id()?);
        let user = event.user();
        let user = user.as_deref().map(queue_id).unwrap_or_default();
        let source = request.source.as_str();
        let write_key = request.write_key.map(|key| &*key.fingerprint);
        let write_key = write_key.unwrap_or_default();
        Some(format!("{source} {write_key} {message_id} {user}"))
    }

    /// What became of it, if that was less than five minutes before `now`.
    pub(super) fn get(&self, key: &str, now: DateTime<Utc>) -> Option<Status> {
        let (status, at) = self.0.get(key)?;
        ((now - at).to_std().unwrap_or_default() < REMEMBERED_FOR).then_some(status)
    }

    pub(super) fn insert(&self, key: &str, status: Status, now: DateTime<Utc>) {
        self.0.insert(key, (status, now));
    }
}
