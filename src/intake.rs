//! Events that just came in: delivered now, queued for later, skipped or rejected with a reason.

mod deduplication;
mod pending;

use std::collections::{HashMap, HashSet, hash_map};
use std::time::Duration;

pub use deduplication::Deduplication;
use tracing::Level;

use crate::delivery::{Delivery, Failure, Tried, Undelivered};
use crate::entry::{Entry, Parsed};
use crate::event_line::EventLine;
use crate::invocation::{Request, millis};
use crate::job::{NOT_TRIED, job};
use crate::mapping::{self, Arrival, Budget, Mapped, NotSent, map};
use crate::queue::{Queue, Queues, time_to_send};
use crate::retry::Schedule;
use crate::status::{EventResult, Status};
use pending::{Fate, Pending, message_of, results};

/// Most warnings in one log line, whose size CloudWatch limits; preview shows all.
const WARNINGS_LOGGED: usize = 100;

/// `DELIVERY_MODE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Call Intercom in the request, queue what fails for now.
    #[default]
    Inline,
    /// Queue everything.
    Queue,
}

/// Takes events in.
#[derive(Debug)]
pub struct Intake {
    /// The mapping's settings.
    pub mapping: mapping::Settings,
    /// Whether Intercom is called at all.
    pub mode: DeliveryMode,
    /// How long a request may spend on Intercom.
    pub budget: Duration,
    /// When what failed is tried again.
    pub schedule: Schedule,
    /// The events taken recently.
    pub deduplication: Deduplication,
}

impl Intake {
    /// Delivers or queues the events of a request. The results are in the order of the entries.
    ///
    /// An event that comes again within the request, or that an earlier request brought, isn't
    /// delivered again. (Two concurrent invocations would both deliver it, but Lambda gives an
    /// instance only one at a time.)
    pub async fn take(
        &self,
        entries: &[Entry<'_>],
        request: &Request<'_>,
        delivery: &Delivery,
        queues: &Queues,
    ) -> Vec<EventResult> {
        let mut first_of_key = HashMap::new();
        let mut budget = Budget::default();
        let pending = entries.iter().enumerate();
        let pending = pending.map(|(index, entry)| {
            let mut pending = self.map(entry, request, &mut budget);
            self.find_duplicate(&mut pending, index, request, &mut first_of_key);
            pending
        });
        let mut pending: Vec<Pending<'_>> = pending.collect();
        self.deliver(&mut pending, request, delivery).await;
        store(&mut pending, request, queues).await;
        let results = results(&pending);
        // When one is lost, the sender repeats them all, perhaps to another instance. If this one
        // then skipped some, an older event could end up on top of a newer one. Not in queue mode:
        // for as long as an event is remembered here, SQS drops its repeat from anywhere.
        let is_any_lost = results.iter().any(|result| result.status == Status::Lost);
        for (pending, result) in pending.iter().zip(&results) {
            let is_in_its_place =
                self.mode == DeliveryMode::Queue && result.status == Status::Queued;
            if let Some(key) = &pending.key
                && (!is_any_lost || is_in_its_place)
            {
                self.deduplication
                    .insert(key, result.status, request.received_at);
            }
            self.log(result, pending, request);
        }
        results
    }

    fn map<'e>(
        &self,
        entry: &'e Entry<'e>,
        request: &Request<'_>,
        budget: &mut Budget,
    ) -> Pending<'e> {
        let mut warnings = Vec::new();
        let fate = match &entry.parsed {
            // Queue the rest: retries come ten at a time, each batch with its own budget.
            _ if budget.is_used_up() => {
                Fate::queued("the events before it in its request have used up its memory")
            }
            Parsed::Rejected { reason, .. } => Fate::Reject(Failure::new(reason.clone())),
            Parsed::Event(event) => {
                let arrival = Arrival {
                    received_at_millis: request.received_at.timestamp_millis(),
                    source: request.source,
                    sender: entry.sender,
                };
                match map(event, arrival, &self.mapping, budget) {
                    Err(NotSent::Skip(reason)) => Fate::Skipped(reason.into_owned()),
                    Err(NotSent::Reject(reason)) => Fate::Reject(Failure::new(reason)),
                    Ok(Mapped {
                        actions,
                        warnings: of_event,
                    }) => {
                        warnings = of_event;
                        let rights = arrival.sender.rights(&self.mapping);
                        Fate::Deliver(job(event, actions, request.received_at, rights))
                    }
                }
            }
        };
        Pending {
            entry,
            warnings,
            left_out: Vec::new(),
            calls: 0,
            key: None,
            fate,
        }
    }

    /// Finds duplicates among the events to be delivered. All others get a reason of their own every
    /// time.
    fn find_duplicate(
        &self,
        pending: &mut Pending<'_>,
        index: usize,
        request: &Request<'_>,
        first_of_key: &mut HashMap<String, usize>,
    ) {
        let (Fate::Deliver(_), Some(event)) = (&pending.fate, pending.entry.event()) else {
            return;
        };
        let Some(key) = Deduplication::key(event, request) else {
            return;
        };
        let duplicate = if let Some(status) = self.deduplication.get(&key, request.received_at) {
            Fate::DuplicateOfEarlier(status)
        } else {
            match first_of_key.entry(key) {
                hash_map::Entry::Occupied(first) => Fate::DuplicateOfEntry(*first.get()),
                hash_map::Entry::Vacant(place) => {
                    pending.key = Some(place.key().clone());
                    place.insert(index);
                    return;
                }
            }
        };
        pending.warnings.clear();
        pending.fate = duplicate;
    }

    /// Delivers, or queues, the events that are still undecided.
    async fn deliver(
        &self,
        pending: &mut [Pending<'_>],
        request: &Request<'_>,
        delivery: &Delivery,
    ) {
        // Users with a queued event that their later events must not overtake.
        let mut behind: HashSet<String> = HashSet::new();
        let (mut indexes, mut jobs) = (Vec::new(), Vec::new());
        for (index, pending) in pending.iter_mut().enumerate() {
            if let Fate::DuplicateOfEarlier(Status::Queued) = pending.fate
                && let Some(event) = pending.entry.event()
            {
                behind.extend(event.user().map(std::borrow::Cow::into_owned));
            }
            if !matches!(pending.fate, Fate::Deliver(_)) {
                continue;
            }
            let queued = Fate::queued("DELIVERY_MODE is queue");
            let Fate::Deliver(job) = std::mem::replace(&mut pending.fate, queued) else {
                continue;
            };
            if self.mode == DeliveryMode::Queue {
                continue;
            }
            if behind.contains(&*job.user) {
                pending.fate = Fate::queued(NOT_TRIED);
                continue;
            }
            indexes.push(index);
            jobs.push(job);
        }
        if jobs.is_empty() {
            return;
        }
        let to_store = time_to_send(jobs.iter().map(|job| &*job.user));
        let deadline = request.invocation.started + self.budget;
        let deadline = request
            .store_until
            .checked_sub(to_store)
            .map_or(deadline, |latest| latest.min(deadline));
        let tried = delivery
            .deliver(&jobs, request.received_at.timestamp(), deadline)
            .await;
        // Once for all of them, so that those of one user can share a message.
        let first_retry = self.schedule.delay(Duration::ZERO, None, fastrand::f64());
        let first_retry = request.received_at + first_retry;
        for ((index, job), Tried { outcome, calls }) in indexes.into_iter().zip(&jobs).zip(tried) {
            pending[index].calls = calls;
            pending[index].fate = match outcome {
                Ok(left_out) => {
                    pending[index].left_out = left_out;
                    Fate::Delivered
                }
                Err(Undelivered::Skipped(reason)) => Fate::Skipped(reason.into_owned()),
                Err(Undelivered::Rejected(failure)) => Fate::Reject(failure),
                Err(
                    Undelivered::Retry { failure, after }
                    | Undelivered::RateLimited { failure, after },
                ) => {
                    // The first holds back the others of its user.
                    let is_first = behind.insert(job.user.clone().into_owned());
                    let delay = self.schedule.delay(Duration::ZERO, after, fastrand::f64());
                    Fate::Queue {
                        failure,
                        not_before: is_first.then(|| request.received_at + delay),
                        parked: None,
                    }
                }
                Err(Undelivered::Waiting { failure, otherwise })
                    if !behind.contains(&*job.user) =>
                {
                    Fate::Queue {
                        failure,
                        not_before: Some(first_retry),
                        parked: Some(otherwise),
                    }
                }
                Err(Undelivered::Waiting { failure, .. }) => Fate::queued(&failure.reason),
                Err(Undelivered::NotTried) => Fate::queued(NOT_TRIED),
            };
        }
    }

    /// One line per event: what became of it, and all that was changed or left out.
    fn log(&self, result: &EventResult, pending: &Pending<'_>, request: &Request<'_>) {
        let mapped = pending.warnings.iter().map(ToString::to_string);
        let more = pending.warnings.len().saturating_sub(WARNINGS_LOGGED);
        let left_out = pending.left_out.iter().cloned();
        let mut warnings: Vec<String> = mapped.take(WARNINGS_LOGGED).chain(left_out).collect();
        if more > 0 {
            warnings.push(format!("and {more} more, see preview"));
        }
        let (failure, first_retry, parked) = match &pending.fate {
            Fate::Queue {
                failure,
                not_before,
                parked,
            } => (Some(failure), *not_before, parked.as_ref()),
            Fate::Reject(failure) => (Some(failure), None, None),
            _ => (None, None, None),
        };
        let delay = first_retry.and_then(|time| (time - request.received_at).to_std().ok());
        EventLine {
            message: "event",
            level: match result.status {
                Status::Lost => Level::ERROR,
                Status::Rejected => Level::WARN,
                Status::Queued if self.mode == DeliveryMode::Inline && parked.is_none() => {
                    Level::WARN
                }
                _ => Level::INFO,
            },
            event: pending.entry.event(),
            source: Some(request.source),
            status: if parked.is_some() && result.status == Status::Queued {
                Status::Waiting
            } else {
                result.status
            },
            reason: result.reason.as_deref(),
            failure,
            latency_ms: millis(request.invocation.started.elapsed()),
            attempt: None,
            delay_seconds: delay.map(|delay| delay.as_secs()),
            calls: pending.calls,
            waits: parked.map(|then| self.schedule.waits(request.received_at, then.status())),
            warnings: &warnings,
        }
        .write(request.invocation.tally);
    }
}

/// Sends queued and rejected events to their queues. One that doesn't get there in time is lost to
/// us, so the sender must keep it. One that is too large for a queue is rejected with a record of
/// its ids.
async fn store(pending: &mut [Pending<'_>], request: &Request<'_>, queues: &Queues) {
    let (mut to_retry, mut to_reject) = (Vec::new(), Vec::new());
    for (index, pending) in pending.iter_mut().enumerate() {
        let (Fate::Queue { failure, .. } | Fate::Reject(failure)) = &mut pending.fate else {
            continue;
        };
        let mut message = message_of(pending.entry, request);
        if !message.fits() {
            let reason = format!(
                "only the ids of this event are kept, because its {} bytes are more than a queue \
                 takes: {}",
                message.body().len(),
                failure.reason
            );
            let failure = std::mem::take(failure);
            pending.fate = Fate::Reject(Failure { reason, ..failure });
            let event = pending.entry.event();
            message = message.with_ids_alone(request.source, request.received_at, event);
        }
        match &pending.fate {
            Fate::Queue {
                not_before, parked, ..
            } => {
                if parked.is_some() {
                    message = message.parked(request.received_at);
                }
                if let Some(time) = not_before {
                    message = message.not_before(*time);
                }
                to_retry.push((index, message));
            }
            Fate::Reject(failure) => {
                let message = message.with_failure(failure, request.invocation.id);
                to_reject.push((index, message));
            }
            _ => {}
        }
    }
    let stored = [(Queue::Retry, to_retry), (Queue::DeadLetter, to_reject)];
    let lost = queues.send(stored, request.store_until).await;
    for (index, error) in lost {
        // AWS's own words are for the log: they name accounts and roles.
        tracing::error!(%error, "an event could not be queued");
        pending[index].fate = Fate::Lost("the queue did not take it".to_owned());
    }
}
