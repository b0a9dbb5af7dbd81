//! Events that just came in: delivered now, queued for later, or put aside with a reason.

mod entry;
mod taken;

use std::borrow::Cow;
use std::collections::{HashMap, hash_map};
use std::time::Duration;

use chrono::Utc;

pub use entry::{Entry, EventResult, Invocation, Request, Status};
pub use taken::Taken;

use crate::config::DeliveryMode;
use crate::delivery::{Delivery, Failure, Job, Undelivered};
use crate::mapping::{self, Arrival, Budget, Mapped, Rights, Warning, map};
use crate::queue::{Message, NOT_BEFORE_ATTRIBUTE, Queue, Queues, Source};
use crate::retry::Schedule;
use crate::segment::{Event, Kind};

/// Time from the start of a request by which its answer is to be ready, queueing included:
/// Segment's webhook gives up after 5 s.
const ANSWER_WITHIN: Duration = Duration::from_millis(4700);

/// Most warnings in one line of the log, which CloudWatch bounds; preview shows all.
const WARNINGS_LOGGED: usize = 100;

/// Takes events in.
#[derive(Debug)]
pub struct Intake {
    /// How the mapping is set.
    pub mapping: mapping::Settings,
    /// Whether Intercom is called at all.
    pub mode: DeliveryMode,
    /// How long Intercom may take of a request.
    pub budget: Duration,
    /// When what failed is tried again.
    pub schedule: Schedule,
    /// What was taken before.
    pub taken: Taken,
}

/// What is done with an entry.
enum Fate {
    Delivered,
    Skipped(String),
    Queue {
        failure: Failure,
        /// How long the first retry has to wait.
        delay: Duration,
    },
    Reject(Failure),
    /// Not delivered again: this became of an event with its messageId in an earlier request.
    DuplicateOfTaken(Status),
    /// Not delivered again: the entry with this index has its messageId.
    DuplicateOfEntry(usize),
}

impl Intake {
    /// Delivers or queues the events of a request. The results stand in their order.
    ///
    /// An event that comes again within the request, or that an earlier request brought, isn't
    /// delivered again. (Of two invocations at once, which Lambda never hands to an instance,
    /// both would deliver it.)
    pub async fn take(
        &self,
        entries: &[Entry<'_>],
        request: &Request<'_>,
        delivery: &Delivery,
        queues: &Queues,
    ) -> Vec<EventResult> {
        let mut fates: Vec<Option<Fate>> = Vec::with_capacity(entries.len());
        let mut jobs = Vec::new();
        let mut entry_of_job = Vec::new();
        let mut entry_of_key = HashMap::new();
        let mut warnings: Vec<Vec<Warning<'_>>> = Vec::with_capacity(entries.len());
        let mut budget = Budget::default();
        for (index, entry) in entries.iter().enumerate() {
            let mapped = if budget.is_used_up() {
                Err(too_much_at_once())
            } else {
                self.map(entry, request, &mut budget)
            };
            let mapped = mapped.and_then(|mapped| {
                let is_first = self.first_of_its_kind(entry, request, index, &mut entry_of_key);
                is_first.map(|()| mapped)
            });
            let (fate, of_entry) = match mapped {
                Ok((job, of_entry)) => {
                    jobs.push(job);
                    entry_of_job.push(index);
                    (None, of_entry)
                }
                Err(fate) => (Some(fate), Vec::new()),
            };
            fates.push(fate);
            warnings.push(of_entry);
        }
        if self.mode == DeliveryMode::Inline {
            let deadline = request.invocation.started + self.budget;
            let outcomes = delivery.deliver(&jobs, deadline).await;
            for (index, outcome) in entry_of_job.into_iter().zip(outcomes) {
                let fate = outcome.map_or_else(|why| self.fate(why), |_warnings| Fate::Delivered);
                fates[index] = Some(fate);
            }
        }
        let queued_by_mode = || Fate::Queue {
            failure: Failure::new("DELIVERY_MODE is queue"),
            delay: Duration::ZERO,
        };
        let fates = fates
            .into_iter()
            .map(|fate| fate.unwrap_or_else(queued_by_mode))
            .collect();
        let results = self.store(entries, fates, request, queues).await;
        // With one lost the sender repeats them all, perhaps elsewhere. To skip some of them here
        // after that could leave an older event's effect on top of a newer one's.
        if results.iter().all(|result| result.status != Status::Lost) {
            for (key, index) in entry_of_key {
                self.taken.put(&key, results[index].status);
            }
        }
        for (result, warnings) in results.iter().zip(&warnings) {
            self.log(result, warnings, request.source);
        }
        results
    }

    fn map<'e>(
        &self,
        entry: &'e Entry<'_>,
        request: &Request<'_>,
        budget: &mut Budget,
    ) -> Result<(Job<'e>, Vec<Warning<'e>>), Fate> {
        let reject = |reason: &Cow<'static, str>| Fate::Reject(Failure::new(reason.clone()));
        let (event, refusal) = (entry.event.as_ref(), entry.refusal.as_ref());
        let event = match (event, refusal) {
            (Some(event), None) => event,
            (_, Some(reason)) => return Err(reject(reason)),
            (None, None) => return Err(reject(&"the event can't be read".into())),
        };
        let arrival = Arrival {
            received_at_millis: request.received_at.timestamp_millis(),
            source: request.source,
            sender: entry.sender,
        };
        match map(event, arrival, &self.mapping, budget) {
            Mapped::Deliver { actions, warnings } => {
                let received_at = request.received_at.timestamp();
                let rights = arrival.sender.rights(&self.mapping);
                Ok((job(event, received_at, actions, rights), warnings))
            }
            Mapped::Skip(reason) => Err(Fate::Skipped(reason.into_owned())),
            Mapped::Reject(reason) => Err(reject(&reason)),
        }
    }

    /// An error when the entry is a duplicate. Only what is to be delivered is asked for here:
    /// anything else has a reason of its own each time.
    fn first_of_its_kind(
        &self,
        entry: &Entry<'_>,
        request: &Request<'_>,
        index: usize,
        entry_of_key: &mut HashMap<String, usize>,
    ) -> Result<(), Fate> {
        let event = entry.event.as_ref();
        let Some(key) = event.and_then(|event| Taken::key(event, request)) else {
            return Ok(());
        };
        if let Some(status) = self.taken.get(&key) {
            return Err(Fate::DuplicateOfTaken(status));
        }
        match entry_of_key.entry(key) {
            hash_map::Entry::Occupied(first) => Err(Fate::DuplicateOfEntry(*first.get())),
            hash_map::Entry::Vacant(place) => {
                place.insert(index);
                Ok(())
            }
        }
    }

    /// One line per event: what became of it, and all that the mapping changed.
    fn log(&self, result: &EventResult, warnings: &[Warning<'_>], source: Source) {
        let more = warnings.len().saturating_sub(WARNINGS_LOGGED);
        let shown = warnings.iter().take(WARNINGS_LOGGED);
        let mut warnings: Vec<String> = shown.map(ToString::to_string).collect();
        if more > 0 {
            warnings.push(format!("and {more} more, see preview"));
        }
        let message_id = result.message_id.as_deref();
        let kind = result.type_name.as_deref();
        let reason = result.reason.as_deref();
        let (status, source) = (result.status.as_str(), source.as_str());
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(message_id, kind, status, reason, source, ?warnings, "event")
            };
        }
        match result.status {
            Status::Lost => log!(error),
            Status::Rejected => log!(warn),
            Status::Queued if self.mode == DeliveryMode::Inline => log!(warn),
            Status::Queued | Status::Delivered | Status::Skipped => log!(info),
        }
    }

    /// What is done with an event that wasn't delivered.
    fn fate(&self, why: Undelivered) -> Fate {
        let at_once = |failure| Fate::Queue {
            failure,
            delay: Duration::ZERO,
        };
        match why {
            Undelivered::Skipped(reason) => Fate::Skipped(reason.into_owned()),
            Undelivered::Rejected(failure) => Fate::Reject(failure),
            Undelivered::Retry { failure, after } => Fate::Queue {
                failure,
                delay: self.schedule.delay(1, after, fastrand::f64()),
            },
            Undelivered::Waiting { failure, .. } => at_once(failure),
            Undelivered::NotTried => at_once(Failure::new(NOT_TRIED)),
        }
    }

    /// Puts what is to be queued and what is rejected into their queues; what doesn't get there
    /// in time is lost for us, so the sender must keep it. What is too large for a queue is
    /// rejected, with a record of its ids.
    async fn store(
        &self,
        entries: &[Entry<'_>],
        mut fates: Vec<Fate>,
        request: &Request<'_>,
        queues: &Queues,
    ) -> Vec<EventResult> {
        let mut to_retry = (Vec::new(), Vec::new());
        let mut to_reject = (Vec::new(), Vec::new());
        for (index, (entry, fate)) in entries.iter().zip(&mut fates).enumerate() {
            let (Fate::Queue { failure, .. } | Fate::Reject(failure)) = fate else {
                continue;
            };
            let mut message = entry.message(request);
            if !message.fits() {
                let reason = format!(
                    "only the ids of this event are kept, because its {} bytes are more than a \
                     queue takes: {}",
                    message.body().len(),
                    failure.reason
                );
                let failure = std::mem::take(failure);
                *fate = Fate::Reject(Failure { reason, ..failure });
                let event = entry.event.as_ref();
                message = message.with_ids_alone(request.source, request.received_at, event);
            }
            match fate {
                Fate::Queue { delay, .. } => {
                    to_retry.0.push(index);
                    to_retry.1.push(delayed(message, *delay));
                }
                Fate::Reject(failure) => {
                    to_reject.0.push(index);
                    to_reject
                        .1
                        .push(with_failure(message, failure, request.invocation.id));
                }
                _ => {}
            }
        }
        let left = ANSWER_WITHIN.saturating_sub(request.invocation.started.elapsed());
        let sent = tokio::time::timeout(left, async {
            tokio::join!(
                queues.send(Queue::Retry, &to_retry.1),
                queues.send(Queue::DeadLetter, &to_reject.1),
            )
        });
        let (retried, rejected) = sent.await.ok().unzip();
        let mut lost: Vec<Option<&str>> = vec![None; entries.len()];
        for (indexes, sent) in [(&to_retry.0, retried), (&to_reject.0, rejected)] {
            for (place, index) in indexes.iter().enumerate() {
                lost[*index] = match &sent {
                    Some(sent) => sent[place].as_ref().err().map(|error| {
                        // AWS's own words are for the log: they name accounts and roles.
                        tracing::error!(%error, "an event could not be queued");
                        "the queue did not take it"
                    }),
                    None => Some("the queue did not answer in time"),
                };
            }
        }
        let mut results: Vec<EventResult> = Vec::with_capacity(entries.len());
        for ((entry, fate), lost) in entries.iter().zip(&fates).zip(lost) {
            let (status, reason) = match (lost, fate) {
                (Some(reason), _) => (Status::Lost, Some(reason.to_owned())),
                (None, Fate::Delivered) => (Status::Delivered, None),
                (None, Fate::Skipped(reason)) => (Status::Skipped, Some(reason.clone())),
                (None, Fate::Queue { failure, .. }) => {
                    (Status::Queued, Some(failure.reason.clone()))
                }
                (None, Fate::Reject(failure)) => (Status::Rejected, Some(failure.reason.clone())),
                (None, Fate::DuplicateOfTaken(first)) => duplicate_of(*first),
                (None, Fate::DuplicateOfEntry(first)) => duplicate_of(results[*first].status),
            };
            results.push(EventResult {
                message_id: entry.message_id().map(str::to_owned),
                type_name: entry.type_name().map(str::to_owned),
                status,
                reason,
            });
        }
        results
    }
}

/// What becomes of the events for which a request has no memory left: they come back from the
/// queue ten at a time.
fn too_much_at_once() -> Fate {
    Fate::Queue {
        failure: Failure::new("the events before it in its request have used up its memory"),
        delay: Duration::ZERO,
    }
}

/// Status and reason of an event of which the first became this. It is skipped, but not where
/// that would hide from its sender that there is something to do.
fn duplicate_of(first: Status) -> (Status, Option<String>) {
    let status = match first {
        Status::Delivered | Status::Queued | Status::Skipped => Status::Skipped,
        Status::Rejected | Status::Lost => first,
    };
    let first = first.as_str();
    let reason = format!("duplicate: an event with this messageId was already {first}");
    (status, Some(reason))
}

/// A job for an event's actions.
pub(crate) fn job<'e>(
    event: &'e Event<'_>,
    received_at: i64,
    actions: Vec<mapping::Action<'e>>,
    rights: Rights,
) -> Job<'e> {
    let own_user = || event.message_id().unwrap_or_default().into();
    Job {
        user: event.user().unwrap_or_else(own_user),
        received_at,
        is_identify: event.type_name() == Some(Kind::Identify.as_str()),
        actions,
        rights,
    }
}

/// A message with the attributes that say why its event is in the dead-letter queue. Its
/// `requestId` is Intercom's, else that of the invocation.
pub(crate) fn with_failure(message: Message, failure: &Failure, invocation_id: &str) -> Message {
    let status = failure.status.map(|status| status.to_string());
    let request_id = failure.request_id.as_deref().unwrap_or(invocation_id);
    message
        .with_attribute("reason", &failure.reason)
        .with_attribute("status", status.as_deref().unwrap_or("rejected"))
        .with_attribute("requestId", request_id)
}

/// A message whose event isn't to be tried again before this delay is over.
fn delayed(message: Message, delay: Duration) -> Message {
    if delay.is_zero() {
        return message;
    }
    let not_before = Utc::now() + delay;
    message.with_attribute(NOT_BEFORE_ATTRIBUTE, &not_before.to_rfc3339())
}

/// Why an event wasn't even tried.
pub(crate) const NOT_TRIED: &str = "an earlier event of its user has to be delivered first";
