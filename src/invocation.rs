//! One invocation of the function, the request it brought, and their time limits.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::secret::WriteKey;
use crate::source::Source;
use crate::status::Status;
use crate::time_budget::{ANSWER_WITHIN, RESERVE_TO_ANSWER, before};

/// One invocation of the function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'i> {
    /// Lambda's request id, as in its log.
    pub id: &'i str,
    /// When the function began to handle it: the time limits count from here.
    pub started: Instant,
    /// When that was.
    pub now: DateTime<Utc>,
    /// When what is left has to be queued: some seconds before Lambda ends it.
    pub deadline: Instant,
    /// When Lambda ends it.
    pub ends: Instant,
    /// What became of its events.
    pub tally: &'i Tally,
}

/// How many events became what.
#[derive(Debug, Default)]
pub struct Tally {
    delivered: AtomicU32,
    queued: AtomicU32,
    waiting: AtomicU32,
    skipped: AtomicU32,
    rejected: AtomicU32,
    lost: AtomicU32,
}

impl Tally {
    /// One more.
    pub fn add(&self, status: Status) {
        self.counter(status).fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn of(&self, status: Status) -> u32 {
        self.counter(status).load(Ordering::Relaxed)
    }

    fn counter(&self, status: Status) -> &AtomicU32 {
        match status {
            Status::Delivered => &self.delivered,
            Status::Queued => &self.queued,
            Status::Waiting => &self.waiting,
            Status::Skipped => &self.skipped,
            Status::Rejected => &self.rejected,
            Status::Lost => &self.lost,
        }
    }
}

/// What all events of a request share.
#[derive(Clone, Copy, Debug)]
pub struct Request<'i> {
    /// How they came in.
    pub source: Source,
    /// When they came in.
    pub received_at: DateTime<Utc>,
    /// The write key that authenticated them. `None` unless they came by a tracking route.
    pub write_key: Option<&'i WriteKey>,
    /// The invocation that brought them.
    pub invocation: Invocation<'i>,
    /// When everything that isn't delivered must be in a queue.
    pub store_until: Instant,
}

impl<'i> Request<'i> {
    /// The request that an invocation brought. HTTP's callers want their answer soon; AWS waits
    /// as long as the function may run.
    pub fn new(
        source: Source,
        write_key: Option<&'i WriteKey>,
        invocation: Invocation<'i>,
    ) -> Self {
        let Invocation { started, ends, .. } = invocation;
        let soon = started + ANSWER_WITHIN;
        let store_until = match source {
            Source::Api | Source::Webhook => soon,
            Source::EventBridge | Source::Direct => before(ends, RESERVE_TO_ANSWER, soon),
        };
        Self {
            source,
            received_at: invocation.now,
            write_key,
            invocation,
            store_until,
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
