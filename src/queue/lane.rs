//! Sends the messages of some groups to a queue, one call to SQS after another.
//!
//! A call has at most one message of each group, and the next one follows when SQS has accepted it:
//! of several in one call SQS may accept only a later one, and hand it out before the earlier one
//! arrives.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::message::Message;
use super::{
    CALLS_AT_ONCE, MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, NotTaken, Queue, QueueError, Queues,
};

/// Most events of one group that are sent one by one.
const MAX_SINGLE_EVENTS: usize = 25;

/// Events that share a message when a group has more than that.
const SHARED_EVENTS: usize = 10;

/// Messages of one group, so that 2,500 events of one user are sent within 5 s: where it has more
/// than 500, more than [`SHARED_EVENTS`] share a message.
const MAX_MESSAGES: usize = 50;

/// Most events in one message, which has to be delivered within one invocation.
const MAX_SHARED_EVENTS: usize = 50;

/// Pause before a call is repeated for a message that SQS didn't accept.
const PAUSE: Duration = Duration::from_millis(50);

/// Time that sending these users' events may take: one call after another for each user,
/// concurrently across users.
pub fn time_to_send<'u>(users: impl Iterator<Item = &'u str>) -> Duration {
    /// As slow as they get.
    const ONE_CALL: Duration = Duration::from_millis(60);
    let mut events_of: HashMap<&str, usize> = HashMap::new();
    let mut all = 0;
    for user in users {
        *events_of.entry(user).or_default() += 1;
        all += 1;
    }
    let most = events_of.into_values().max().unwrap_or_default();
    let calls = most.min(MAX_MESSAGES) + all / (MAX_BATCH_MESSAGES * CALLS_AT_ONCE);
    ONE_CALL.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX))
}

/// A message to send, and the keys of those that share it.
pub(super) struct Outbound<K> {
    keys: Vec<K>,
    message: Message,
}

/// The messages of one group that are still to be sent, in order; at least one.
pub(super) struct Group<K>(VecDeque<Outbound<K>>);

/// The messages by group; if a group has many, several events share one.
pub(super) fn groups<K>(messages: Vec<(K, Message)>) -> Vec<Group<K>> {
    let mut groups: IndexMap<String, Vec<(K, Message)>> = IndexMap::new();
    for (key, message) in messages {
        let group = groups.entry(message.group_id().to_owned()).or_default();
        group.push((key, message));
    }
    groups.into_values().map(Group::of).collect()
}

impl<K> Group<K> {
    fn of(messages: Vec<(K, Message)>) -> Self {
        let most = if messages.len() <= MAX_SINGLE_EVENTS {
            1
        } else {
            let share = messages.len().div_ceil(MAX_MESSAGES);
            share.clamp(SHARED_EVENTS, MAX_SHARED_EVENTS)
        };
        let mut group = VecDeque::new();
        let (mut part, mut bytes) = (Vec::new(), 0);
        for (key, message) in messages {
            let is_full = part.last().is_some_and(|(_, last): &(K, Message)| {
                part.len() == most
                    || bytes + message.bytes() > MAX_BATCH_BYTES
                    || !last.can_share_with(&message)
            });
            if is_full {
                group.push_back(Outbound::shared(std::mem::take(&mut part)));
                bytes = 0;
            }
            bytes += message.bytes();
            part.push((key, message));
        }
        group.push_back(Outbound::shared(part));
        Self(group)
    }

    pub(super) fn next(&self) -> &Message {
        &self.0[0].message
    }

    /// The group without its next message. None when that was the last one.
    fn without_next(mut self) -> Option<Self> {
        self.0.pop_front();
        (!self.0.is_empty()).then_some(self)
    }

    /// None of them may be queued before the next one, which isn't.
    fn not_sent(self, error: &QueueError) -> impl Iterator<Item = (K, QueueError)> {
        let keys = self.0.into_iter().flat_map(|outbound| outbound.keys);
        keys.map(|key| (key, error.clone()))
    }
}

impl<K> Outbound<K> {
    fn shared(messages: Vec<(K, Message)>) -> Self {
        let (keys, messages): (Vec<K>, Vec<Message>) = messages.into_iter().unzip();
        let message = Message::shared(&messages);
        Self { keys, message }
    }
}

/// Groups whose messages share calls.
pub(super) struct Lane<K> {
    waiting: VecDeque<Group<K>>,
    failed: Vec<(K, QueueError)>,
}

impl<K> Lane<K> {
    pub(super) fn new(groups: Vec<Group<K>>) -> Self {
        Self {
            waiting: groups.into(),
            failed: Vec::new(),
        }
    }

    /// Sends them, call after call; returns those that the queue may not have. Later ones of their
    /// groups aren't sent either: the sender repeats them all, and a later one, now a duplicate,
    /// would keep its place before the earlier one.
    pub(super) async fn send(
        mut self,
        queues: &Queues,
        queue: Queue,
        until: Instant,
    ) -> Vec<(K, QueueError)> {
        while let Some(call) = self.next_call() {
            let sent = queues.send_batch(queue, call.iter().map(Group::next));
            match tokio::time::timeout_at(until.into(), sent).await {
                Ok(Ok(not_taken)) => {
                    let is_all_taken = not_taken.is_empty();
                    self.go_on(call, not_taken);
                    if !is_all_taken {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Ok(Err(error)) => self.fail(call, &error),
                Err(_) => {
                    let error = QueueError("the queue did not answer in time".to_owned());
                    self.fail(call, &error);
                }
            }
        }
        self.failed
    }

    /// The groups whose next messages go in the next call, as many as fit.
    fn next_call(&mut self) -> Option<Vec<Group<K>>> {
        let mut call = vec![self.waiting.pop_front()?];
        let mut bytes = call[0].next().bytes();
        while let Some(group) = self.waiting.front() {
            bytes += group.next().bytes();
            if bytes > MAX_BATCH_BYTES {
                break;
            }
            call.extend(self.waiting.pop_front());
        }
        Some(call)
    }

    /// Messages that SQS didn't accept are sent again, unless they would fail the same way.
    fn go_on(&mut self, call: Vec<Group<K>>, mut not_taken: HashMap<usize, NotTaken>) {
        for (place, group) in call.into_iter().enumerate() {
            match not_taken.remove(&place) {
                None => self.waiting.extend(group.without_next()),
                Some(NotTaken { error, is_final }) if is_final => {
                    self.failed.extend(group.not_sent(&error));
                }
                Some(_) => self.waiting.push_back(group),
            }
        }
    }

    fn fail(&mut self, call: Vec<Group<K>>, error: &QueueError) {
        for group in call {
            self.failed.extend(group.not_sent(error));
        }
    }
}
