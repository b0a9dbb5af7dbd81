//! Messages of the retry queue, tried again in order, delayed, or given up on; and those of events
//! that wait for somebody, tried again in no order.
//!
//! A message of the retry queue that has to be tried again stays there, hidden for a while. One that
//! waits is sent anew with a delay, and then deleted: a delayed message isn't in flight, of which
//! SQS allows 120,000. An instance that ends in between leaves it there twice, which is harmless.

mod record;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};

use crate::failure::{Code, Failure};
use crate::in_progress::{Fate, InProgress, Otherwise, Undelivered};
use crate::invocation::Invocation;
use crate::log::COUNTED;
use crate::mapping::Budget;
use crate::processing::{EventLine, Processing, addressed};
use crate::queue::{Message, Queue, Queues, Received, ReceivedMessage, owner};
use crate::time_budget::{RESERVE_TO_ANSWER_SQS, RESERVE_TO_DELAY, before};
use record::Record;

/// Most messages that SQS hands over from a FIFO queue at once.
const FULL_BATCH: usize = 10;

/// Most bytes of messages that are read and delivered together, unless it is a single one: JSON can
/// take fifty times as much memory once it is read.
const READ_AT_ONCE_BYTES: usize = 256 * 1024;

/// Age at which a message that was never tried shows that its group is too busy.
const BUSY_AFTER: Duration = Duration::from_mins(5);

/// Tries queued events again, for one invocation.
pub struct Redelivery<'i> {
    /// The queue that they are from.
    pub queue: Queue,
    /// What is done with each event.
    pub processing: &'i Processing,
    /// Where moved events go.
    pub queues: &'i Queues,
    /// The invocation that brought them.
    pub invocation: Invocation<'i>,
}

/// Messages for another queue or group, by the place of the record that they come from.
#[derive(Default)]
struct Moves {
    to_retry: Vec<(usize, Message)>,
    to_wait: Vec<(usize, Message)>,
    to_dead_letters: Vec<(usize, Message)>,
}

impl Redelivery<'_> {
    /// Tries the messages again while the invocation lasts; returns which of them stay in the
    /// queue, as the event source mapping's `ReportBatchItemFailures` wants it.
    pub async fn redeliver(&self, batch: &SqsEvent) -> SqsBatchResponse {
        let messages: Vec<ReceivedMessage<'_>> =
            batch.records.iter().map(ReceivedMessage).collect();
        let mut records: Vec<Record<'_>> = Vec::with_capacity(messages.len());
        let mut moves = Moves::default();
        // Groups of which nothing more is tried in this batch.
        let mut held: HashSet<&str> = HashSet::new();
        let mut rest = &*messages;
        while let Some(count) = read_at_once(rest) {
            let (together, later) = rest.split_at(count);
            self.try_together(together, &mut held, &mut records, &mut moves)
                .await;
            rest = later;
        }
        if self.queue == Queue::Retry {
            warn_of_busy_user(&records);
        }
        self.settle(&mut records, moves).await
    }

    /// Tries messages again, users concurrently.
    async fn try_together<'r>(
        &self,
        messages: &[ReceivedMessage<'r>],
        held: &mut HashSet<&'r str>,
        records: &mut Vec<Record<'r>>,
        moves: &mut Moves,
    ) {
        let now = self.invocation.now;
        let ignored = &self.processing.mapping.ignored_user_ids;
        let read: Vec<Result<Received<'_>, String>> = messages
            .iter()
            .map(|message| {
                let mut read = message.read(ignored)?;
                self.processing.filter(&mut read.entries);
                Ok(read)
            })
            .collect();
        let mut budget = Budget::default();
        let mut events: Vec<Vec<InProgress<'_>>> = Vec::with_capacity(messages.len());
        for (message, received) in messages.iter().zip(&read) {
            if message.not_due_for(now).is_some() {
                held.insert(message.group());
            }
            let mut of_message = self.begin(*message, received.as_ref().ok());
            if !held.contains(message.group()) {
                for event in &mut of_message {
                    self.processing.map(event, &mut budget);
                    // Its first line in the log named them.
                    event.warnings.clear();
                    self.end_wait(event);
                }
            }
            events.push(of_message);
        }
        let deadline = self.invocation.deadline;
        let to_deliver = events.iter_mut().flatten();
        self.processing.deliver(to_deliver, now, deadline).await;
        for ((message, received), mut events) in messages.iter().zip(&read).zip(events) {
            match self.queue {
                Queue::Waiting => self.keep_waiting(&mut events),
                Queue::Retry | Queue::DeadLetter => {
                    end_together(&mut events);
                    keep_whole(&mut events);
                }
            }
            let mut record = Record::new(*message, now, &events);
            let place = records.len();
            for event in &events {
                if !matches!(event.fate, Fate::Queued { .. }) {
                    let is_unproven = event.entry.sender.is_unproven(&self.processing.mapping);
                    let owner = event.entry.event().map(|event| owner(event, is_unproven));
                    let to_send = Message::of(event.entry, event.source, event.received_at);
                    let to_send = to_send.behind(&owner.unwrap_or_default());
                    let to_send = to_send.planned(event.planned());
                    self.move_to(event, to_send.with_fresh_id(), *message, place, moves);
                }
            }
            if let Err(reason) = received {
                let fate = if held.contains(message.group()) {
                    Fate::not_tried()
                } else {
                    let failure = Failure::new(reason);
                    let letter = Message::unreadable(message.body().to_owned());
                    let code = Code::UnreadableMessage;
                    let letter = letter.with_failure(code, &failure, self.invocation.id);
                    moves.to_dead_letters.push((place, letter.with_fresh_id()));
                    Fate::Rejected(code, failure)
                };
                record.lines.push(EventLine::of_unreadable(fate));
            }
            if record.stays() {
                held.insert(message.group());
            }
            records.push(record);
        }
    }

    /// The events of a message, not mapped yet.
    fn begin<'e>(
        &self,
        message: ReceivedMessage<'e>,
        received: Option<&'e Received<'e>>,
    ) -> Vec<InProgress<'e>> {
        let now = self.invocation.now;
        let since = |time: DateTime<Utc>| (now - time).to_std().unwrap_or_default();
        let mapping = &self.processing.mapping;
        let of_message = received.into_iter().flat_map(|received| {
            let Received {
                source,
                received_at,
                entries,
            } = received;
            entries.iter().map(move |entry| InProgress {
                age: Some(since(*received_at)),
                waited: message.waiting_since().map(since),
                user: message.group().into(),
                ..InProgress::new(entry, *source, *received_at, mapping)
            })
        });
        of_message.collect()
    }

    /// An event that has waited long enough isn't tried here: what its user has in the retry queue
    /// may make the contact.
    fn end_wait(&self, event: &mut InProgress<'_>) {
        let is_over = |waited| waited >= self.processing.schedule.unknown_user;
        let may_be_over = self.queue == Queue::Waiting && event.is_to_be_delivered();
        if may_be_over && event.waited.is_some_and(is_over) {
            event.fate = Fate::WaitIsOver;
        }
    }

    /// Whatever else kept an event that waits from being delivered, it goes on waiting.
    fn keep_waiting(&self, events: &mut [InProgress<'_>]) {
        for event in events {
            if let Fate::Queued { failure, delay } = &mut event.fate {
                event.fate = Fate::Waiting {
                    failure: std::mem::take(failure),
                    delay: delay.unwrap_or(self.processing.schedule.base),
                    otherwise: Otherwise::Rejected,
                };
            }
        }
    }

    /// Prepares the move of an event to the queue of its fate, if it goes to one.
    fn move_to(
        &self,
        event: &InProgress<'_>,
        to_send: Message,
        from: ReceivedMessage<'_>,
        place: usize,
        moves: &mut Moves,
    ) {
        let since = from.waiting_since().unwrap_or(self.invocation.now);
        match addressed(to_send, event, since, self.invocation) {
            Some((Queue::Retry, to_send)) => moves.to_retry.push((place, to_send)),
            Some((Queue::Waiting, to_send)) => moves.to_wait.push((place, to_send)),
            Some((Queue::DeadLetter, to_send)) => moves.to_dead_letters.push((place, to_send)),
            None => {}
        }
    }

    /// Carries out what was decided about each message. What can't be moved in time stays.
    async fn settle(&self, records: &mut [Record<'_>], moves: Moves) -> SqsBatchResponse {
        let moves = [
            (Queue::Retry, moves.to_retry),
            (Queue::Waiting, moves.to_wait),
            (Queue::DeadLetter, moves.to_dead_letters),
        ];
        let Invocation { started, ends, .. } = self.invocation;
        let until = before(ends, RESERVE_TO_DELAY, started);
        for (place, error) in self.queues.send(moves, until).await {
            tracing::error!(%error, "a message could not be moved, it stays in its queue");
            // The later messages of its group stay too: what was delivered of this one is delivered
            // again, and must not overwrite theirs.
            let group = records[place].message.group();
            let later = records[place..].iter_mut();
            for record in later.filter(|record| record.message.group() == group) {
                record.stay_whole(self.processing.schedule.base);
            }
        }
        let delays = self.delays(records);
        let kept = records.iter().filter(|record| record.stays());
        let receipt = |record: &Record<'_>| {
            let delay = delays.get(record.message.group());
            let receipt = record.message.receipt_handle()?;
            Some((receipt.to_owned(), delay.copied().unwrap_or_default()))
        };
        let receipts: Vec<(String, Duration)> = kept.clone().filter_map(receipt).collect();
        let until = before(ends, RESERVE_TO_ANSWER_SQS, started);
        if tokio::time::timeout_at(until, self.queues.hide(self.queue, &receipts))
            .await
            .is_err()
        {
            tracing::warn!("messages could not be delayed in time");
        }
        // An empty id, which no SQS message has, keeps the whole batch.
        let ids = kept.map(|record| record.message.id().unwrap_or_default().to_owned());
        let mut response = SqsBatchResponse::default();
        response.set_failures(ids);
        for record in records.iter() {
            let delay = delays.get(record.message.group()).copied();
            record.log(delay, &self.processing.schedule, self.invocation);
        }
        response
    }

    /// How long the messages of each group that stay are hidden: together, so that SQS keeps
    /// their order, and as long as the first of them asks for, which holds back the others.
    fn delays<'r>(&self, records: &[Record<'r>]) -> HashMap<&'r str, Duration> {
        let schedule = &self.processing.schedule;
        let mut wanted: HashMap<&str, (Option<Duration>, Duration)> = HashMap::new();
        for record in records.iter().filter(|record| record.stays()) {
            let (delay, least) = wanted.entry(record.message.group()).or_default();
            *delay = delay.or_else(|| record.delays().min());
            *least = record.least_delay(schedule).max(*least);
        }
        let delay = |delay: Option<Duration>, least| delay.unwrap_or(schedule.base).max(least);
        let wanted = wanted.into_iter();
        wanted
            .map(|(group, of_group)| (group, delay(of_group.0, of_group.1)))
            .collect()
    }
}

/// How many of these messages are read and delivered together; None when there are none.
fn read_at_once(messages: &[ReceivedMessage<'_>]) -> Option<usize> {
    let mut bytes = 0;
    let fits = messages.iter().take_while(|message| {
        bytes += message.body().len();
        bytes <= READ_AT_ONCE_BYTES
    });
    let fits = fits.count();
    (!messages.is_empty()).then_some(fits.max(1))
}

/// When an event of a message is given up for its age, those after it that weren't tried end with
/// it: they were received together, so they are of the same age.
fn end_together(events: &mut [InProgress<'_>]) {
    let mut given_up: Option<Fate> = None;
    for event in events {
        if let Some(fate) = &given_up
            && event.outcome == Err(Undelivered::NotTried)
        {
            event.fate = fate.clone();
        } else if matches!(event.fate, Fate::Rejected(Code::GaveUp, _)) {
            given_up = Some(event.fate.clone());
        }
    }
}

/// As long as one event of a message has to be tried again, the whole message stays, nothing of it
/// is moved, and all of it comes again.
fn keep_whole(events: &mut [InProgress<'_>]) {
    let stays = |event: &InProgress<'_>| matches!(event.fate, Fate::Queued { .. });
    if !events.iter().any(stays) {
        return;
    }
    for event in events.iter_mut().filter(|event| !stays(event)) {
        if let Fate::Rejected(_, failure) | Fate::Waiting { failure, .. } = &mut event.fate {
            event.fate = Fate::Queued {
                failure: std::mem::take(failure),
                delay: None,
            };
        }
    }
}

/// Warns of a user whose events arrive faster than Intercom takes them one at a time, so that all of
/// them fall behind. Usually it isn't one user but an id that many share. The id may be an email, so
/// the log names one of its events instead.
fn warn_of_busy_user(records: &[Record<'_>]) {
    let Some(first) = records.first() else { return };
    let group = first.message.group();
    let is_one_group = records.iter().all(|other| other.message.group() == group);
    let was_behind = first.message.receives() == 1 && first.age >= BUSY_AFTER;
    if records.len() == FULL_BATCH && is_one_group && was_behind {
        tracing::warn!(
            target: COUNTED,
            alarm = "busy_user",
            message_id = first.lines.first().and_then(EventLine::message_id),
            age_seconds = first.age.as_secs(),
            "one user has more events than can be delivered one after another: look up this \
             event's user; if many people share that id, as with \"guest\" or \"0\", stop sending \
             it as userId"
        );
    }
}
