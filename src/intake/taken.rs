//! An event of a request, as it is taken in: new, or a duplicate.

use crate::failure::{Code, Failure};
use crate::in_progress::{Fate, InProgress};
use crate::queue::message_id;
use crate::status::{EventResult, Status};

/// An event of a request.
pub(super) struct Taken<'e> {
    pub(super) event: InProgress<'e>,
    /// Its deduplication key, unless it is a duplicate itself or isn't to be delivered.
    pub(super) key: Option<String>,
    /// What it repeats, if it does: it gets the same result, and is neither delivered nor queued.
    pub(super) duplicate_of: Option<DuplicateOf>,
}

/// What a duplicate repeats.
#[derive(Clone, Copy)]
pub(super) enum DuplicateOf {
    /// An event of an earlier request, which got this status.
    Earlier(Status),
    /// The event in this place of the same request.
    Entry(usize),
}

impl Taken<'_> {
    pub(super) fn become_duplicate_of(&mut self, first: DuplicateOf) {
        self.event.actions.clear();
        self.event.warnings.clear();
        self.duplicate_of = Some(first);
    }

    /// Its result, for the sender: one that waits for its user is queued like any other.
    pub(super) fn result(&self) -> EventResult {
        let InProgress { entry, fate, .. } = &self.event;
        let status = match fate.status() {
            Status::Waiting => Status::Queued,
            status => status,
        };
        EventResult {
            message_id: entry.event().map(|event| message_id(event).into_owned()),
            type_name: entry.type_name().map(str::to_owned),
            status,
            reason: fate.reason().map(str::to_owned),
        }
    }
}

/// Gives duplicates their fate, by what became of the first. Each is skipped, unless that would hide
/// from its sender that something has to be done.
pub(super) fn end_duplicates(events: &mut [Taken<'_>]) {
    for place in 0..events.len() {
        let first = match events[place].duplicate_of {
            None => continue,
            Some(DuplicateOf::Earlier(status)) => status,
            Some(DuplicateOf::Entry(first)) => events[first].result().status,
        };
        let word = first.as_str();
        let reason = format!("duplicate: an event with this messageId was already {word}");
        events[place].event.fate = match first {
            Status::Delivered | Status::Queued | Status::Waiting | Status::Skipped => {
                Fate::Skipped(reason.into())
            }
            // Intercom refused the first: what the mapping rejects is no duplicate.
            Status::Rejected => Fate::Rejected(Code::IntercomRefused, Failure::new(reason)),
            Status::Lost => Fate::Lost(reason.into()),
        };
    }
}
