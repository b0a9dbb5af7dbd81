//! What is done with every event, whether it just came in or comes from the queue: it is mapped,
//! delivered, and its fate decided.

mod event_line;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

pub(crate) use event_line::{EventLine, LineContext};

use crate::delivery::{Delivery, merged_lead};
use crate::entry::{Entry, Parsed};
use crate::failure::{Code, Failure};
use crate::filters::Filters;
use crate::in_progress::{Fate, InProgress, Undelivered, decide};
use crate::invocation::Invocation;
use crate::mapping::{self, Arrival, Budget, Mapped, NotSent, map};
use crate::queue::{Message, Queue, owners_of_lead};
use crate::retry::Schedule;

/// Why an event is queued that its request has no memory for.
pub(crate) const NO_MEMORY: &str = "the events before it in its request have used up its memory";

/// Maps and delivers events, and decides what is done with each.
#[derive(Debug)]
pub struct Processing {
    /// The customer's own rules.
    pub filters: Filters,
    /// How the mapping is set.
    pub mapping: mapping::Settings,
    /// When to try again, when to give up.
    pub schedule: Schedule,
    /// The way to Intercom.
    pub delivery: Delivery,
}

impl Processing {
    /// Applies the customer's rules to events that were just read.
    pub(crate) fn filter<'b>(&'b self, entries: &mut [Entry<'b>]) {
        for entry in entries {
            entry.filter(&self.filters, &self.mapping.ignored_user_ids);
        }
    }

    /// Maps an event. One that isn't to be delivered has its fate. `budget` is that of its request.
    pub(crate) fn map(&self, event: &mut InProgress<'_>, budget: &mut Budget) {
        let mapped = match &event.entry.parsed {
            Parsed::Event(_) => map_entry(event.entry, event.arrival(), &self.mapping, budget),
            Parsed::Ids(_) => {
                event.fate = Fate::queued(NO_MEMORY);
                return;
            }
            Parsed::Rejected { code, reason, .. } => {
                event.fate = Fate::Rejected(*code, Failure::new(reason.clone()));
                return;
            }
        };
        match mapped {
            Ok(Mapped { actions, warnings }) => {
                (event.actions, event.warnings) = (actions, warnings);
            }
            Err(NotSent::Skip(reason)) => event.fate = Fate::Skipped(reason),
            Err(NotSent::Reject(reason)) => {
                event.fate = Fate::Rejected(Code::InvalidEvent, Failure::new(reason));
            }
            Err(NotSent::Forbid(reason)) => {
                event.fate = Fate::Rejected(Code::NotAllowed, Failure::new(reason));
            }
        }
    }

    /// Delivers mapped events until `deadline`, and decides what is done with each.
    pub(crate) async fn deliver<'p, 'e: 'p>(
        &self,
        events: impl Iterator<Item = &'p mut InProgress<'e>>,
        now: DateTime<Utc>,
        deadline: Instant,
    ) {
        let mut events: Vec<&mut InProgress<'e>> =
            events.filter(|event| event.is_to_be_delivered()).collect();
        if events.is_empty() {
            return;
        }
        let undecided = events.iter_mut().map(|event| &mut **event).collect();
        self.delivery
            .deliver(undecided, now.timestamp(), deadline)
            .await;
        // The same for all that begin to wait, so that those of one user can share a message.
        let jitter_of_waiting = fastrand::f64();
        for event in events {
            event.fate = match &event.outcome {
                Ok(()) => Fate::Delivered,
                Err(why) => {
                    let jitter = match why {
                        Undelivered::Waiting { .. } => jitter_of_waiting,
                        _ => fastrand::f64(),
                    };
                    decide(why, event.age, event.waited, &self.schedule, jitter)
                }
            };
        }
    }
}

/// Maps the event of an entry as the customer's rules left it.
pub(crate) fn map_entry<'e>(
    entry: &'e Entry<'e>,
    arrival: Arrival,
    settings: &mapping::Settings,
    budget: &mut Budget,
) -> Result<Mapped<'e>, NotSent> {
    let event = match &entry.parsed {
        Parsed::Event(event) | Parsed::Ids(event) => event,
        Parsed::Rejected { reason, .. } => return Err(NotSent::Reject(reason.clone())),
    };
    let (event, changes) = entry.filtered(event).map_err(NotSent::Skip)?;
    let mut mapped = map(event, arrival, settings, budget)?;
    mapped.warnings.splice(..0, changes.iter().cloned());
    Ok(mapped)
}

/// The queue that an event of this fate goes to, and its message with what has to be known there.
/// None for one that goes nowhere. `waiting_since` is when it began to wait, if it does.
pub(crate) fn addressed(
    message: Message,
    event: &InProgress<'_>,
    waiting_since: DateTime<Utc>,
    invocation: Invocation<'_>,
) -> Option<(Queue, Message)> {
    match &event.fate {
        Fate::Rejected(code, failure) => {
            let letter = message.with_failure(*code, failure, invocation.id);
            Some((Queue::DeadLetter, letter))
        }
        Fate::Queued { delay: None, .. } => Some((Queue::Retry, message)),
        Fate::Queued { delay, .. } => {
            let due = invocation.now + delay.unwrap_or_default();
            Some((Queue::Retry, message.not_before(due)))
        }
        Fate::Waiting { delay, .. } => {
            let message = message.waiting_since(waiting_since).after(*delay);
            Some((Queue::Waiting, message))
        }
        Fate::WaitIsOver => {
            let message = message.waiting_since(waiting_since);
            let message = match merged_lead(event) {
                Some(lead) => {
                    // The lead of a browser's alias is as unproven as its events were.
                    let [proven, unproven] = owners_of_lead(lead);
                    let is_of_browser = !event.rights.may_claim_contacts;
                    message.behind(if is_of_browser { &unproven } else { &proven })
                }
                None => message,
            };
            Some((Queue::Retry, message))
        }
        Fate::Delivered | Fate::Skipped(_) | Fate::Lost(_) => None,
    }
}
