//! Messages of the retry queue: tried again in order, delayed, or given up.

mod record;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsEvent;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::delivery::{Delivery, Failure, Job, Undelivered};
use crate::intake::{NOT_TRIED, job, with_failure};
use crate::mapping::{self, Budget, Mapped, map};
use crate::queue::{Queue, Queues};
use crate::retry::Schedule;
use record::Record;

/// Most messages that SQS hands over from a FIFO queue at once.
const FULL_BATCH: usize = 10;

/// Tries queued events again.
#[derive(Debug)]
pub struct Redelivery {
    /// How the mapping is set.
    pub mapping: mapping::Settings,
    /// When to try again, when to give up.
    pub schedule: Schedule,
}

/// What is done with a message.
enum Fate {
    /// Deleted: Intercom has it.
    Delivered,
    /// Deleted: there is nothing to send.
    Skipped(Cow<'static, str>),
    /// Into the dead-letter queue.
    DeadLetter(Failure),
    /// Back to the end of its group, as a new message.
    EndOfGroup(Failure),
    /// Stays in front of its group, hidden for so long.
    Hide(Failure, Duration),
}

impl Redelivery {
    /// Tries the messages again until `deadline`; answers which of them stay in the queue, as
    /// the event source mapping's `ReportBatchItemFailures` wants it.
    pub async fn redeliver(
        &self,
        batch: &SqsEvent,
        invocation_id: &str,
        now: DateTime<Utc>,
        deadline: Instant,
        delivery: &Delivery,
        queues: &Queues,
    ) -> Value {
        let ignored = &self.mapping.ignored_user_ids;
        let records = batch.records.iter();
        let records: Vec<Record<'_>> = records.map(|sqs| Record::read(sqs, ignored)).collect();
        let mut budget = Budget::default();
        let mut fates: Vec<Option<Fate>> = Vec::with_capacity(records.len());
        let mut jobs = Vec::new();
        let mut record_of_job = Vec::new();
        let mut delay_of_group: HashMap<Cow<'_, str>, Duration> = HashMap::new();
        for (index, record) in records.iter().enumerate() {
            let held = delay_of_group.get(&record.group()).copied();
            let fate = match held.or_else(|| record.not_due_for(now)) {
                Some(delay) => {
                    delay_of_group.insert(record.group(), delay);
                    Err(Fate::Hide(
                        Failure::new("its first retry is not due yet"),
                        delay,
                    ))
                }
                None => self.job(record, &mut budget),
            };
            match fate {
                Ok(job) => {
                    jobs.push(job);
                    record_of_job.push(index);
                    fates.push(None);
                }
                Err(fate) => fates.push(Some(fate)),
            }
        }
        let outcomes = delivery.deliver(&jobs, deadline).await;
        for (index, outcome) in record_of_job.into_iter().zip(outcomes) {
            let mut fate = match outcome {
                Ok(_) => Fate::Delivered,
                Err(why) => self.fate(why, index, &records, now),
            };
            // Those of one group become visible together, so that SQS keeps their order.
            if let Fate::Hide(_, delay) = &mut fate {
                let group = records[index].group();
                *delay = *delay_of_group.entry(group).or_insert(*delay);
            }
            fates[index] = Some(fate);
        }
        let fates = fates.into_iter().flatten().collect();
        self.settle(&records, fates, invocation_id, queues).await
    }

    /// The job for a message, or what is done with it where there is none.
    fn job<'r>(&self, record: &'r Record<'_>, budget: &mut Budget) -> Result<Job<'r>, Fate> {
        let envelope = match &record.envelope {
            Ok(envelope) => envelope,
            Err(reason) => return Err(Fate::DeadLetter(Failure::new(reason.clone()))),
        };
        let arrival = record.arrival(envelope);
        match map(&envelope.event, arrival, &self.mapping, budget) {
            Mapped::Skip(reason) => Err(Fate::Skipped(reason)),
            Mapped::Reject(reason) => Err(Fate::DeadLetter(Failure::new(reason))),
            Mapped::Deliver { actions, .. } => Ok(Job {
                user: record.group(),
                ..job(
                    &envelope.event,
                    envelope.received_at.timestamp(),
                    actions,
                    arrival.sender.rights(&self.mapping),
                )
            }),
        }
    }

    /// What is done with an event that wasn't delivered.
    fn fate(
        &self,
        why: Undelivered,
        index: usize,
        records: &[Record<'_>],
        now: DateTime<Utc>,
    ) -> Fate {
        let record = &records[index];
        let age = record.age(now);
        match why {
            Undelivered::Skipped(reason) => Fate::Skipped(reason),
            Undelivered::Rejected(failure) => Fate::DeadLetter(failure),
            Undelivered::Retry { failure, .. } if age >= self.schedule.give_up_after => {
                Fate::DeadLetter(given_up(failure, self.schedule.give_up_after))
            }
            Undelivered::Retry { failure, after } => {
                // A used-up rate limit says itself when to come back; it is no failed try.
                let is_rate_limit = failure.status == Some(429);
                let attempt = if is_rate_limit { 1 } else { record.attempt() };
                let delay = self.schedule.delay(attempt, after, fastrand::f64());
                Fate::Hide(failure, delay)
            }
            Undelivered::NotTried => Fate::Hide(Failure::new(NOT_TRIED), self.schedule.base),
            Undelivered::Waiting { failure, .. } if age >= self.schedule.unknown_user => {
                Fate::DeadLetter(given_up(failure, self.schedule.unknown_user))
            }
            Undelivered::Waiting { failure, .. } => {
                let mut behind = records[index + 1..].iter();
                let others_are_behind = behind.any(|other| other.group() == record.group());
                // A full batch may have cut them off.
                let others_may_be_behind = records.len() == FULL_BATCH && record.attempt() > 1;
                if others_are_behind || others_may_be_behind {
                    Fate::EndOfGroup(failure)
                } else {
                    Fate::Hide(failure, self.schedule.delay_of_waiting(age))
                }
            }
        }
    }

    /// Does with each message what was decided. A message that can't be moved stays.
    async fn settle(
        &self,
        records: &[Record<'_>],
        fates: Vec<Fate>,
        invocation_id: &str,
        queues: &Queues,
    ) -> Value {
        let mut to_dead_letter = (Vec::new(), Vec::new());
        let mut to_end_of_group = (Vec::new(), Vec::new());
        for (index, (record, fate)) in records.iter().zip(&fates).enumerate() {
            match fate {
                Fate::DeadLetter(failure) => {
                    to_dead_letter.0.push(index);
                    to_dead_letter
                        .1
                        .push(with_failure(record.message(), failure, invocation_id));
                }
                Fate::EndOfGroup(_) => {
                    // The old message's own id: sent twice, it is still taken once.
                    let id = record.sqs.message_id.as_deref().unwrap_or_default();
                    to_end_of_group.0.push(index);
                    to_end_of_group
                        .1
                        .push(record.message().with_deduplication_id(id));
                }
                Fate::Delivered | Fate::Skipped(_) | Fate::Hide(..) => {}
            }
        }
        let (dead, moved) = tokio::join!(
            queues.send(Queue::DeadLetter, &to_dead_letter.1),
            queues.send(Queue::Retry, &to_end_of_group.1),
        );
        let mut hidden: HashMap<usize, Duration> = HashMap::new();
        let sent = to_dead_letter
            .0
            .iter()
            .zip(dead)
            .chain(to_end_of_group.0.iter().zip(moved));
        for (index, result) in sent {
            if let Err(error) = result {
                tracing::error!(%error, "a message could not be moved, it stays in the retry queue");
                hidden.insert(*index, self.schedule.base);
            }
        }
        for (index, (record, fate)) in records.iter().zip(&fates).enumerate() {
            record.log(fate);
            if let Fate::Hide(_, delay) = fate {
                hidden.insert(index, *delay);
            }
        }
        let receipt = |index: &usize| records[*index].sqs.receipt_handle.as_deref();
        let receipts: Vec<(&str, Duration)> = hidden
            .iter()
            .filter_map(|(index, delay)| Some((receipt(index)?, *delay)))
            .collect();
        queues.hide(&receipts).await;
        let mut failed: Vec<usize> = hidden.into_keys().collect();
        failed.sort_unstable();
        let failures: Vec<Value> = failed
            .into_iter()
            .map(|index| json!({"itemIdentifier": records[index].sqs.message_id}))
            .collect();
        json!({"batchItemFailures": failures})
    }
}

fn given_up(failure: Failure, after: Duration) -> Failure {
    let (number, unit) = match after.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => (seconds / 3600, "hours"),
        seconds => (seconds, "seconds"),
    };
    Failure {
        reason: format!("given up after {number} {unit}: {}", failure.reason),
        ..failure
    }
}
