//! Messages of the retry queue: tried again in order, delayed, or given up on.

mod fate;
mod record;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsEvent;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::delivery::{Delivery, Failure, Job, Tried, Undelivered};
use crate::invocation::Invocation;
use crate::job::job;
use crate::log::COUNTED;
use crate::mapping::{self, Budget, Mapped, NotSent, map};
use crate::queue::{Queue, Queues};
use crate::retry::Schedule;
use fate::Fate;
use record::Record;

/// Time kept back to set the delays once messages have been moved.
const MOVE_MARGIN: Duration = Duration::from_secs(2);

/// Time kept back to answer.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// Most messages that SQS hands over from a FIFO queue at once.
const FULL_BATCH: usize = 10;

/// Age at which a message that was never tried shows that its group is too busy.
const BUSY_AFTER: Duration = Duration::from_mins(5);

/// Tries queued events again.
#[derive(Debug)]
pub struct Redelivery {
    /// How the mapping is set.
    pub mapping: mapping::Settings,
    /// When to try again, when to give up.
    pub schedule: Schedule,
}

impl Redelivery {
    /// Tries the messages again while the invocation lasts; answers which of them stay in the
    /// queue, as the event source mapping's `ReportBatchItemFailures` wants it.
    pub async fn redeliver(
        &self,
        batch: &SqsEvent,
        invocation: Invocation<'_>,
        delivery: &Delivery,
        queues: &Queues,
    ) -> Value {
        let now = invocation.now;
        let ignored = &self.mapping.ignored_user_ids;
        let records = batch.records.iter();
        let mut records: Vec<Record<'_>> = records.map(|sqs| Record::read(sqs, ignored)).collect();
        warn_of_busy_user(&records, now);
        let tried = self
            .deliver(&records, invocation.deadline, now, delivery)
            .await;
        for (record, (mut fates, calls)) in records.iter_mut().zip(tried) {
            keep_whole(&mut fates);
            (record.fates, record.calls) = (fates, calls);
        }
        self.settle(&mut records, invocation, now, queues).await
    }

    /// Tries the events. Returns what is to be done with those of each message, and how many calls
    /// to Intercom each took.
    async fn deliver(
        &self,
        records: &[Record<'_>],
        deadline: Instant,
        now: DateTime<Utc>,
        delivery: &Delivery,
    ) -> Vec<(Vec<Fate>, Vec<u32>)> {
        let mut fates: Vec<Vec<Fate>> = Vec::with_capacity(records.len());
        let (mut jobs, mut places) = (Vec::new(), Vec::new());
        // Groups of which nothing more is tried in this batch.
        let mut held = Vec::new();
        let mut budget = Budget::default();
        for (index, record) in records.iter().enumerate() {
            let group = record.group();
            let not_due_for = record.not_due_for(now);
            fates.push(if held.contains(&group) {
                record.each(Fate::not_tried)
            } else if let Some(delay) = not_due_for {
                held.push(group);
                let failure = || Failure::new("its first retry is not due yet");
                record.each(|| Fate::Stays(failure(), Some(delay)))
            } else {
                let mut of_record = Vec::new();
                for fate in self.jobs(record, &mut budget) {
                    of_record.push(fate.unwrap_or_else(|job| {
                        jobs.push(job);
                        places.push((index, of_record.len()));
                        Fate::not_tried()
                    }));
                }
                of_record
            });
        }
        let tried = delivery.deliver(&jobs, now.timestamp(), deadline).await;
        let mut calls_of: Vec<Vec<u32>> = fates.iter().map(|fates| vec![0; fates.len()]).collect();
        let mut given_up: Option<(usize, Fate)> = None;
        for ((index, place), Tried { outcome, calls }) in places.into_iter().zip(tried) {
            calls_of[index][place] = calls;
            let may_be_tried_again = matches!(
                outcome,
                Err(Undelivered::Retry { .. } | Undelivered::RateLimited { .. })
            );
            let was_not_tried = matches!(outcome, Err(Undelivered::NotTried));
            let fate = match (outcome, &given_up) {
                // They were received together, so they are of the same age and end together.
                (_, Some((same, fate))) if was_not_tried && *same == index => fate.clone(),
                (Ok(left_out), _) => Fate::Delivered(left_out),
                (Err(why), _) => self.fate(why, &records[index], now),
            };
            if may_be_tried_again && matches!(fate, Fate::Rejected(_)) {
                given_up = Some((index, fate.clone()));
            }
            fates[index][place] = fate;
        }
        fates.into_iter().zip(calls_of).collect()
    }

    /// What is done with each event of a message, or the job that decides it.
    fn jobs<'r>(&self, record: &'r Record<'_>, budget: &mut Budget) -> Vec<Result<Fate, Job<'r>>> {
        let received = match &record.received {
            Ok(received) => received,
            Err(reason) => return vec![Ok(Fate::Rejected(Failure::new(reason.clone())))],
        };
        let arrival = record.arrival(received);
        let events = received.events.iter();
        events
            .map(|event| match map(event, arrival, &self.mapping, budget) {
                Err(NotSent::Skip(reason)) => Ok(Fate::Skipped(reason)),
                Err(NotSent::Reject(reason)) => Ok(Fate::Rejected(Failure::new(reason))),
                Ok(Mapped { actions, .. }) => Err(Job {
                    user: record.group(),
                    ..job(
                        event,
                        actions,
                        received.received_at,
                        arrival.sender.rights(&self.mapping),
                    )
                }),
            })
            .collect()
    }

    /// Carries out what was decided about each message. What can't be moved in time stays.
    async fn settle(
        &self,
        records: &mut [Record<'_>],
        invocation: Invocation<'_>,
        now: DateTime<Utc>,
        queues: &Queues,
    ) -> Value {
        let first_retry = self.schedule.delay(Duration::ZERO, None, fastrand::f64());
        let (mut dead, mut parked) = (Vec::new(), Vec::new());
        for (index, record) in records.iter().enumerate() {
            for (place, fate) in record.fates.iter().enumerate() {
                let message = || record.message(place).with_fresh_id();
                match fate {
                    Fate::Rejected(failure) => {
                        dead.push((index, message().with_failure(failure, invocation.id)));
                    }
                    Fate::Parked(..) => {
                        let message = message().parked(now).not_before(now + first_retry);
                        parked.push((index, message));
                    }
                    Fate::Delivered(_) | Fate::Skipped(_) | Fate::Waits(..) | Fate::Stays(..) => {}
                }
            }
        }
        let until = before(invocation, MOVE_MARGIN);
        let moved = [(Queue::Retry, parked), (Queue::DeadLetter, dead)];
        for (index, error) in queues.send(moved, until).await {
            tracing::error!(%error, "a message could not be moved, it stays in the retry queue");
            // The later messages of its group stay too: what was delivered of this one is delivered
            // again, and must not overwrite theirs.
            let group = records[index].group();
            let later = records[index..].iter_mut();
            for record in later.filter(|record| record.group() == group) {
                record.fates = record.each(|| {
                    let failure = Failure::new("a message of its group could not be moved");
                    Fate::Stays(failure, Some(self.schedule.base))
                });
            }
        }
        let delays = self.delays(records, now);
        let kept = records.iter().filter(|record| record.stays());
        let receipt = |record: &Record<'_>| {
            let delay = delays.get(&*record.group()).copied().unwrap_or_default();
            Some((record.sqs.receipt_handle.clone()?, delay))
        };
        let receipts: Vec<(String, Duration)> = kept.clone().filter_map(receipt).collect();
        let until = before(invocation, ANSWER_MARGIN).into();
        if tokio::time::timeout_at(until, queues.hide(Queue::Retry, &receipts))
            .await
            .is_err()
        {
            tracing::warn!("messages could not be delayed in time");
        }
        let failures = kept.map(|record| json!({"itemIdentifier": record.sqs.message_id}));
        let failures: Vec<Value> = failures.collect();
        for record in records.iter() {
            let delay = delays.get(&*record.group()).copied();
            record.log(delay, &self.schedule, invocation);
        }
        json!({"batchItemFailures": failures})
    }

    /// How long the messages of each group that stay are hidden: together, so that SQS keeps
    /// their order. Waiting messages return with the earliest due.
    fn delays<'r>(
        &self,
        records: &[Record<'r>],
        now: DateTime<Utc>,
    ) -> HashMap<Cow<'r, str>, Duration> {
        let mut wanted: HashMap<_, (Option<Duration>, Duration)> = HashMap::new();
        for record in records.iter().filter(|record| record.stays()) {
            let (delay, least) = wanted.entry(record.group()).or_default();
            *delay = delay.iter().copied().chain(record.delays()).min();
            *least = record.least_delay(now, &self.schedule).max(*least);
        }
        let delay = |delay: Option<Duration>, least| delay.unwrap_or(self.schedule.base).max(least);
        let wanted = wanted.into_iter();
        wanted
            .map(|(group, of_group)| (group, delay(of_group.0, of_group.1)))
            .collect()
    }
}

/// The instant `margin` before Lambda ends the invocation.
fn before(invocation: Invocation<'_>, margin: Duration) -> Instant {
    let instant = invocation.ends.checked_sub(margin);
    instant.map_or(invocation.started, |instant| {
        instant.max(invocation.started)
    })
}

/// As long as one event of a message has to be tried again, the whole message stays, nothing of it
/// is moved, and all of it comes again.
fn keep_whole(fates: &mut [Fate]) {
    if !fates.iter().any(Fate::stays) {
        return;
    }
    for fate in fates {
        if let Fate::Rejected(failure) | Fate::Parked(failure, _) = fate {
            *fate = Fate::Stays(std::mem::take(failure), None);
        }
    }
}

/// Warns of a user whose events arrive faster than Intercom takes them one at a time, so that all of
/// them fall behind. Usually it isn't one user but an id that many share. The id may be an email, so
/// the log names one of its events instead.
fn warn_of_busy_user(records: &[Record<'_>], now: DateTime<Utc>) {
    let Some(first) = records.first() else { return };
    let is_one_group = records.iter().all(|other| other.group() == first.group());
    let was_behind = first.attempt() == 1 && first.age(now) >= BUSY_AFTER;
    let is_parked = first.waiting_since().is_some();
    if records.len() == FULL_BATCH && is_one_group && was_behind && !is_parked {
        tracing::warn!(
            target: COUNTED,
            alarm = "busy_user",
            message_id = first.first_message_id(),
            age_seconds = first.age(now).as_secs(),
            "one user has more events than can be delivered one after another: look up this \
             event's user; if many people share that id, as with \"guest\" or \"0\", stop sending \
             it as userId"
        );
    }
}
