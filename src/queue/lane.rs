//! Sends the messages of some groups to a queue, one call to SQS after another.
//!
//! A call has at most one message of each group, and the group's next one follows once SQS has
//! accepted it: of several in one call, SQS could accept only a later one, and hand it out before
//! the earlier one arrives.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::message::Message;
use super::{
    CALLS_AT_ONCE, MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, NotTaken, Queue, QueueError, Queues,
};

/// Most events of one group that are sent one by one.
const MAX_SINGLE_EVENTS: usize = 25;

/// Events that share a message when a group has more than that.
const SHARED_EVENTS: usize = 10;

/// Messages of one group to aim at, so that a full batch of one user's events is sent within 5 s:
/// where it has more than 500, more than [`SHARED_EVENTS`] share a message. Only events of Segment's
/// own, which come up to 5,000 at once, take more messages, because of [`MAX_SHARED_EVENTS`].
const TARGET_MESSAGES: usize = 50;

/// Most events in one message, which has to be delivered within one invocation.
const MAX_SHARED_EVENTS: usize = 50;

/// How many events of a group share a message when it has this many. Fewer share one where they
/// are large, or came by different senders.
fn events_per_message(events: usize) -> usize {
    if events <= MAX_SINGLE_EVENTS {
        return 1;
    }
    let share = events.div_ceil(TARGET_MESSAGES);
    share.clamp(SHARED_EVENTS, MAX_SHARED_EVENTS)
}

/// How many messages a group with this many events takes.
fn messages_for(events: usize) -> usize {
    events.div_ceil(events_per_message(events))
}

/// Pause before a call is repeated for a message that SQS didn't accept.
const PAUSE_BEFORE_REPEAT: Duration = Duration::from_millis(50);

/// Time that sending these users' events may take: one call after another for each user,
/// concurrently across users. `users` names the user of each event.
pub fn time_to_send<'u>(users: impl Iterator<Item = &'u str>) -> Duration {
    /// The slowest that a call gets.
    const ONE_CALL: Duration = Duration::from_millis(60);
    let mut events_of: HashMap<&str, usize> = HashMap::new();
    let mut all = 0;
    for user in users {
        *events_of.entry(user).or_default() += 1;
        all += 1;
    }
    let most = events_of.into_values().max().unwrap_or_default();
    // The first event, whose retry is due at a time of its own, shares no message with the others.
    let of_busiest_user = messages_for(most.saturating_sub(1)) + 1;
    let calls = of_busiest_user + all / (MAX_BATCH_MESSAGES * CALLS_AT_ONCE);
    ONE_CALL.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX))
}

/// A message to send, and the keys of the events that share it.
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

/// Messages of a queue without groups or order, a group for each: all that have everything in common
/// share one, whosever they are.
pub(super) fn letters<K>(messages: Vec<(K, Message)>) -> Vec<Group<K>> {
    let mut parts: Vec<Vec<(K, Message)>> = Vec::new();
    let mut part_of: HashMap<String, (usize, usize)> = HashMap::new();
    for (key, message) in messages {
        let in_common = message.in_common();
        let known = in_common
            .as_ref()
            .and_then(|in_common| part_of.get_mut(in_common));
        match (known, in_common) {
            (Some((place, bytes)), _) if *bytes + message.bytes() <= MAX_BATCH_BYTES => {
                *bytes += message.bytes();
                parts[*place].push((key, message));
            }
            (_, in_common) => {
                let place = (parts.len(), message.bytes());
                part_of.extend(in_common.map(|in_common| (in_common, place)));
                parts.push(vec![(key, message)]);
            }
        }
    }
    let letter = |part| Group(VecDeque::from([Outbound::shared(part)]));
    parts.into_iter().map(letter).collect()
}

impl<K> Group<K> {
    fn of(messages: Vec<(K, Message)>) -> Self {
        let most = events_per_message(messages.len());
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

    /// The keys of all that is left: none of it may be queued before its next message, which wasn't.
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

    /// Sends them, call after call. Returns those that the queue may not have. The later ones of
    /// their groups aren't sent either: the sender repeats them all, and a later one, by then a
    /// duplicate, would keep its place ahead of the earlier one.
    pub(super) async fn send(
        mut self,
        queues: &Queues,
        queue: Queue,
        until: Instant,
    ) -> Vec<(K, QueueError)> {
        while let Some(call) = self.next_call() {
            let sent = queues.send_batch(queue, call.iter().map(Group::next));
            match tokio::time::timeout_at(until, sent).await {
                Ok(Ok(not_taken)) => {
                    let is_all_taken = not_taken.is_empty();
                    self.go_on(call, not_taken);
                    if !is_all_taken {
                        tokio::time::sleep(PAUSE_BEFORE_REPEAT).await;
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::http_api::{MAX_BATCH_EVENTS, MAX_SEGMENT_EVENTS};
    use crate::segment::{Event, IgnoredUserIds};
    use crate::source::Source;

    /// As intake sends them: the first has a time of its own at which its retry is due.
    fn events_of_one_user(count: usize) -> Vec<((), Message)> {
        let received_at: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().expect("a date");
        let json = r#"{"type":"track","userId":"u","event":"E"}"#;
        let event = Event::new(
            serde_json::from_str(json).expect("valid JSON"),
            &IgnoredUserIds::default(),
        )
        .expect("an object");
        let message = Message::new(Source::Webhook, received_at, &event);
        let mut messages = vec![((), message.clone()); count];
        messages[0].1 = message.not_before(received_at);
        messages
    }

    #[test]
    fn the_time_to_send_is_that_of_as_many_messages_as_are_sent() {
        for count in [
            1,
            25,
            26,
            500,
            501,
            MAX_BATCH_EVENTS,
            3_000,
            MAX_SEGMENT_EVENTS,
        ] {
            let groups = groups(events_of_one_user(count));
            let messages = u32::try_from(groups[0].0.len()).expect("not that many");
            let one_call = Duration::from_millis(60);
            let reserved = time_to_send(std::iter::repeat_n("u", count));
            assert!(reserved >= one_call * messages, "{count}: {messages}");
        }
    }

    #[test]
    fn a_full_batch_of_one_user_takes_the_target_and_no_message_too_many_events() {
        assert_eq!(messages_for(MAX_BATCH_EVENTS), TARGET_MESSAGES);
        for count in [26, 500, MAX_BATCH_EVENTS, MAX_SEGMENT_EVENTS] {
            assert!(events_per_message(count) <= MAX_SHARED_EVENTS, "{count}");
        }
    }

    #[test]
    fn letters_with_one_reason_share_a_message_whosever_they_are() {
        let two_reasons: Vec<((), Message)> = events_of_one_user(2_499)
            .into_iter()
            .skip(1)
            .enumerate()
            .map(|(n, ((), message))| {
                let message = message.behind(&format!("user:{n}"));
                ((), message.with_attribute("reason", ["a", "b"][n % 2]))
            })
            .collect();
        let letters = letters(two_reasons);
        let events = letters.iter().map(|letter| letter.0[0].keys.len());
        assert_eq!(events.collect::<Vec<_>>(), [1_249, 1_249]);
    }
}
