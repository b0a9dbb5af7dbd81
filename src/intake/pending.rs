//! The events of a request between their receipt and their results.

use chrono::{DateTime, Utc};

use crate::delivery::{Failure, Job, Otherwise};
use crate::entry::Entry;
use crate::invocation::Request;
use crate::mapping::Warning;
use crate::queue::{Message, message_id};
use crate::status::{EventResult, Status};

/// An entry in progress, with the mapping's warnings about its event.
pub(super) struct Pending<'e> {
    pub(super) entry: &'e Entry<'e>,
    pub(super) warnings: Vec<Warning<'e>>,
    /// What Intercom wouldn't take of it, one line each.
    pub(super) left_out: Vec<String>,
    /// Calls of Intercom made for it.
    pub(super) calls: u32,
    /// Its deduplication key, unless it is a duplicate itself.
    pub(super) key: Option<String>,
    pub(super) fate: Fate<'e>,
}

/// An entry as a message, for either queue.
pub(super) fn message_of(entry: &Entry<'_>, request: &Request<'_>) -> Message {
    let message = match entry.event() {
        Some(event) => Message::new(request.source, request.received_at, event),
        None => Message::of_non_event(request.source, request.received_at, entry.raw),
    };
    let message = message.with_sender(request.source, entry.sender);
    match request.write_key {
        Some(key) if key.is_public => message.scoped_to_key(&key.fingerprint),
        _ => message,
    }
}

/// What is done with an entry.
pub(super) enum Fate<'e> {
    /// To be decided by its delivery.
    Deliver(Job<'e>),
    Delivered,
    Skipped(String),
    /// Into the retry queue.
    Queue {
        failure: Failure,
        /// When the first retry is due, where it isn't at once.
        not_before: Option<DateTime<Utc>>,
        /// What becomes of it after the wait, if Intercom doesn't know its user and no earlier
        /// event of the user waits for a retry: then it waits apart from the user's other events.
        parked: Option<Otherwise>,
    },
    Reject(Failure),
    /// Not delivered again: this became of an event with its messageId in an earlier request.
    DuplicateOfEarlier(Status),
    /// Not delivered again: the entry with this index has its messageId.
    DuplicateOfEntry(usize),
    /// Could be neither delivered nor queued.
    Lost(String),
}

impl Fate<'_> {
    pub(super) fn queued(reason: &str) -> Self {
        Self::Queue {
            failure: Failure::new(reason),
            not_before: None,
            parked: None,
        }
    }
}

/// The results, in the order of the entries.
pub(super) fn results(pending: &[Pending<'_>]) -> Vec<EventResult> {
    let mut results: Vec<EventResult> = Vec::with_capacity(pending.len());
    for Pending { entry, fate, .. } in pending {
        let (status, reason) = match fate {
            Fate::Delivered => (Status::Delivered, None),
            Fate::Skipped(reason) => (Status::Skipped, Some(reason.clone())),
            Fate::Queue { failure, .. } => (Status::Queued, Some(failure.reason.clone())),
            Fate::Reject(failure) => (Status::Rejected, Some(failure.reason.clone())),
            Fate::DuplicateOfEarlier(first) => duplicate_of(*first),
            Fate::DuplicateOfEntry(first) => duplicate_of(results[*first].status),
            Fate::Lost(reason) => (Status::Lost, Some(reason.clone())),
            Fate::Deliver(_) => unreachable!("deliver() decides all of them"),
        };
        results.push(EventResult {
            message_id: entry.event().map(|event| message_id(event).into_owned()),
            type_name: entry.type_name().map(str::to_owned),
            status,
            reason,
        });
    }
    results
}

/// Status and reason of a duplicate, by what became of the first. It is skipped, unless that would
/// hide from its sender that something has to be done.
fn duplicate_of(first: Status) -> (Status, Option<String>) {
    let status = match first {
        Status::Delivered | Status::Queued | Status::Waiting | Status::Skipped => Status::Skipped,
        Status::Rejected | Status::Lost => first,
    };
    let first = first.as_str();
    let reason = format!("duplicate: an event with this messageId was already {first}");
    (status, Some(reason))
}
