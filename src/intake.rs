//! Events that just came in: delivered now, queued for later, or put aside with a reason.

mod entry;

use std::borrow::Cow;
use std::time::Duration;

use chrono::Utc;

pub use entry::{Entry, EventResult, Invocation, Request, Status};

use crate::config::DeliveryMode;
use crate::delivery::{Delivery, Failure, Job, Undelivered};
use crate::mapping::{self, Arrival, Mapped, Warning, map};
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
}

impl Intake {
    /// Delivers or queues the events of a request. The results stand in their order.
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
        let mut warnings: Vec<Vec<Warning<'_>>> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let (fate, of_entry) = match self.map(entry, request) {
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
                let fate = outcome.map_or_else(|why| self.fate(why), |()| Fate::Delivered);
                fates[index] = Some(fate);
            }
        }
        let queued_by_mode = || Fate::Queue {
            failure: Failure::new("DELIVERY_MODE is queue"),
            delay: Duration::ZERO,
        };
        let fates: Vec<Fate> = fates
            .into_iter()
            .map(|fate| fate.unwrap_or_else(queued_by_mode))
            .collect();
        let results = self.store(entries, &fates, request, queues).await;
        for (result, warnings) in results.iter().zip(&warnings) {
            self.log(result, warnings, request.source);
        }
        results
    }

    fn map<'e>(
        &self,
        entry: &'e Entry<'_>,
        request: &Request<'_>,
    ) -> Result<(Job<'e>, Vec<Warning<'e>>), Fate> {
        let reject = |reason: &Cow<'static, str>| Fate::Reject(Failure::new(reason.clone()));
        let (event, refusal) = (entry.event.as_ref(), entry.refusal.as_ref());
        let event = match (event, refusal) {
            (Some(event), None) => event,
            (_, Some(reason)) => return Err(reject(reason)),
            (None, None) => return Err(reject(&"the event can't be read".into())),
        };
        let arrival = Arrival {
            received_at: request.received_at.timestamp(),
            has_origin: request.has_origin,
        };
        match map(event, arrival, &self.mapping) {
            Mapped::Deliver { actions, warnings } => Ok((job(event, actions), warnings)),
            Mapped::Skip(reason) => Err(Fate::Skipped(reason.into_owned())),
            Mapped::Reject(reason) => Err(reject(&reason)),
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
            Undelivered::Waiting(failure) => at_once(failure),
            Undelivered::NotTried => at_once(Failure::new(NOT_TRIED)),
        }
    }

    /// Puts what is to be queued and what is rejected into their queues; what doesn't get there
    /// in time is lost for us, so the sender must keep it.
    async fn store(
        &self,
        entries: &[Entry<'_>],
        fates: &[Fate],
        request: &Request<'_>,
        queues: &Queues,
    ) -> Vec<EventResult> {
        let mut to_retry = (Vec::new(), Vec::new());
        let mut to_reject = (Vec::new(), Vec::new());
        for (index, (entry, fate)) in entries.iter().zip(fates).enumerate() {
            match fate {
                Fate::Queue { delay, .. } => {
                    to_retry.0.push(index);
                    to_retry.1.push(delayed(entry.message(request), *delay));
                }
                Fate::Reject(failure) => {
                    to_reject.0.push(index);
                    to_reject.1.push(with_failure(
                        entry.message(request),
                        failure,
                        request.invocation.id,
                    ));
                }
                Fate::Delivered | Fate::Skipped(_) => {}
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
        let mut lost: Vec<Option<String>> = vec![None; entries.len()];
        for (indexes, sent) in [(&to_retry.0, retried), (&to_reject.0, rejected)] {
            for (place, index) in indexes.iter().enumerate() {
                lost[*index] = match &sent {
                    Some(sent) => sent[place].as_ref().err().map(ToString::to_string),
                    None => Some("the queue did not answer in time".to_owned()),
                };
            }
        }
        let entries = entries.iter().zip(fates).zip(lost);
        entries
            .map(|((entry, fate), lost)| EventResult {
                message_id: entry.message_id().map(str::to_owned),
                type_name: entry.type_name().map(str::to_owned),
                status: if lost.is_some() {
                    Status::Lost
                } else {
                    fate.status()
                },
                reason: lost.or_else(|| fate.reason().map(str::to_owned)),
            })
            .collect()
    }
}

/// A job for an event's actions.
pub(crate) fn job<'e>(event: &'e Event<'_>, actions: Vec<mapping::Action<'e>>) -> Job<'e> {
    let own_user = || event.message_id().unwrap_or_default().into();
    Job {
        user: event.user().unwrap_or_else(own_user),
        is_identify: event.type_name() == Some(Kind::Identify.as_str()),
        actions,
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

impl Fate {
    fn status(&self) -> Status {
        match self {
            Self::Delivered => Status::Delivered,
            Self::Skipped(_) => Status::Skipped,
            Self::Queue { .. } => Status::Queued,
            Self::Reject(_) => Status::Rejected,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Skipped(reason) => Some(reason),
            Self::Queue { failure, .. } | Self::Reject(failure) => Some(&failure.reason),
        }
    }
}

/// Why an event wasn't even tried.
pub(crate) const NOT_TRIED: &str = "an earlier event of its user has to be delivered first";
