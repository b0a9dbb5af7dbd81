//! Sends the messages of some groups to a queue, one call to SQS after another.
//!
//! A call has at most one message of each group whose place matters, and the group's next one
//! follows once SQS has accepted it: of several in one call, SQS could accept only a later one, and
//! hand it out before the earlier one arrives. Messages of tracks alone have no place: where there
//! are many, they go together.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::message::Message;
use super::sharing::{go_together, parts};
use super::{MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, NotTaken, Queue, QueueError, Queues};
use crate::mapping::PlannedCalls;

/// Pause before a call is repeated for a message that SQS didn't accept.
const PAUSE_BEFORE_REPEAT: Duration = Duration::from_millis(50);

/// A message to send, and the keys of the events that share it.
pub(super) struct Outbound<K> {
    keys: Vec<K>,
    message: Message,
    /// Whether it may come before or after the other messages of its group that say so too.
    has_no_place: bool,
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

/// Most reasons of one request that have letters of their own. A reason may quote its event: 2,500
/// made-up types are 2,500 reasons, and a few KB.
const MAX_REASONS: usize = 25;

/// The reason of the letters beyond [`MAX_REASONS`].
const FURTHER_REASON: &str =
    "one of more than 25 reasons in one request: the log has it, by the event's messageId";

/// Messages of a queue without groups or order, a group for each: all that have everything in common
/// share one, whosever they are.
pub(super) fn letters<K>(messages: Vec<(K, Message)>) -> Vec<Group<K>> {
    let mut parts: Vec<Vec<(K, Message)>> = Vec::new();
    let mut part_of: HashMap<String, (usize, usize)> = HashMap::new();
    for (key, mut message) in messages {
        let mut in_common = message.in_common();
        let is_known = |text: &String| part_of.contains_key(text);
        if part_of.len() >= MAX_REASONS && !in_common.as_ref().is_some_and(is_known) {
            message = message.with_common_reason(FURTHER_REASON);
            in_common = message.in_common();
        }
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
    let letter = |part| Group(VecDeque::from([Outbound::shared(part, false)]));
    parts.into_iter().map(letter).collect()
}

impl<K> Group<K> {
    fn of(messages: Vec<(K, Message)>) -> Self {
        let planned: Vec<PlannedCalls> = messages.iter().map(|(_, m)| m.planned).collect();
        let fits = |part: Range<usize>, next: usize| {
            let (last, next) = (&messages[part.end - 1].1, &messages[next].1);
            let bytes: usize = messages[part].iter().map(|(_, m)| m.bytes()).sum();
            bytes + next.bytes() <= MAX_BATCH_BYTES && last.can_share_with(next)
        };
        let parts = parts(&planned, fits);
        let go_together: Vec<bool> = go_together(&planned, &parts).collect();
        let mut messages = messages.into_iter();
        let outbound = parts.iter().zip(go_together);
        let outbound = outbound.map(|(part, has_no_place)| {
            Outbound::shared(messages.by_ref().take(part.len()).collect(), has_no_place)
        });
        Self(outbound.collect())
    }

    /// How many of its next messages may go in one call.
    fn ready(&self) -> usize {
        let ready = self.0.iter().take_while(|outbound| outbound.has_no_place);
        ready.take(MAX_BATCH_MESSAGES).count().max(1)
    }

    fn bytes_of_next(&self, count: usize) -> usize {
        let next = self.0.iter().take(count);
        next.map(|outbound| outbound.message.bytes()).sum()
    }

    /// The keys of all that is left: none of it may be queued before its next message, which wasn't.
    fn not_sent(self, error: &QueueError) -> impl Iterator<Item = (K, QueueError)> {
        let keys = self.0.into_iter().flat_map(|outbound| outbound.keys);
        keys.map(|key| (key, error.clone()))
    }
}

impl<K> Outbound<K> {
    fn shared(messages: Vec<(K, Message)>, has_no_place: bool) -> Self {
        let (keys, messages): (Vec<K>, Vec<Message>) = messages.into_iter().unzip();
        let message = Message::shared(&messages);
        Self {
            keys,
            message,
            has_no_place,
        }
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
            let messages = call
                .iter()
                .flat_map(|(group, count)| group.0.iter().take(*count));
            let sent = queues.send_batch(queue, messages.map(|outbound| &outbound.message));
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

    /// The groups whose next messages go in the next call, and how many of each, as many as fit.
    fn next_call(&mut self) -> Option<Vec<(Group<K>, usize)>> {
        let mut call: Vec<(Group<K>, usize)> = Vec::new();
        let (mut messages, mut bytes) = (0, 0);
        while let Some(group) = self.waiting.pop_front() {
            let fits = |count: &usize| {
                messages + count <= MAX_BATCH_MESSAGES
                    && bytes + group.bytes_of_next(*count) <= MAX_BATCH_BYTES
            };
            let count = (1..=group.ready()).rev().find(fits);
            // The first message goes, however large it is.
            let count = count.or_else(|| call.is_empty().then_some(1));
            let Some(count) = count else {
                self.waiting.push_front(group);
                break;
            };
            messages += count;
            bytes += group.bytes_of_next(count);
            call.push((group, count));
        }
        (!call.is_empty()).then_some(call)
    }

    /// Messages that SQS didn't accept are sent again, unless they would fail the same way.
    fn go_on(&mut self, call: Vec<(Group<K>, usize)>, mut not_taken: HashMap<usize, NotTaken>) {
        let mut first = 0;
        for (mut group, count) in call {
            let mut rest = group.0.split_off(count);
            let mut refused = None;
            for (place, outbound) in group.0.into_iter().enumerate().rev() {
                match not_taken.remove(&(first + place)) {
                    None => continue,
                    Some(NotTaken { error, is_final }) if is_final => refused = Some(error),
                    Some(_) => {}
                }
                rest.push_front(outbound);
            }
            first += count;
            match refused {
                Some(error) => self.failed.extend(Group(rest).not_sent(&error)),
                None if rest.is_empty() => {}
                None => self.waiting.push_back(Group(rest)),
            }
        }
    }

    fn fail(&mut self, call: Vec<(Group<K>, usize)>, error: &QueueError) {
        for (group, _) in call {
            self.failed.extend(group.not_sent(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::super::sharing::{TARGET_MESSAGES, time_to_send};
    use super::*;
    use crate::http_api::{MAX_BATCH_EVENTS, MAX_SEGMENT_EVENTS};
    use crate::mapping::MAX_CALLS_TOGETHER;
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
        let message = message.planned(PlannedCalls::Track);
        let mut messages = vec![((), message.clone()); count];
        messages[0].1 = message.not_before(received_at);
        messages
    }

    /// Of writes of one contact, each with a company of its own, every other one a track.
    fn mixed(count: usize) -> Vec<((), Message)> {
        let mut messages = events_of_one_user(count);
        for ((), message) in messages.iter_mut().step_by(2) {
            message.planned = PlannedCalls::Contact(4);
        }
        messages
    }

    const COUNTS: [usize; 8] = [
        1,
        25,
        26,
        500,
        501,
        MAX_BATCH_EVENTS,
        3_000,
        MAX_SEGMENT_EVENTS,
    ];

    #[test]
    fn the_time_to_send_is_that_of_as_many_calls_as_are_made() {
        for count in COUNTS {
            for messages in [events_of_one_user(count), mixed(count)] {
                let planned: Vec<PlannedCalls> = messages.iter().map(|((), m)| m.planned).collect();
                let reserved = time_to_send(planned.into_iter().map(|planned| ("u", planned)));
                let mut lane = Lane::new(groups(messages));
                let mut calls = 0;
                while let Some(call) = lane.next_call() {
                    lane.go_on(call, HashMap::new());
                    calls += 1;
                }
                assert!(
                    reserved >= Duration::from_millis(60) * calls,
                    "{count}: {calls} calls, {reserved:?}"
                );
            }
        }
    }

    #[test]
    fn a_message_takes_25_calls_of_intercom_as_long_as_a_full_batch_is_sent_within_5_s() {
        let most_events = |group: &Group<()>| {
            let events = group.0.iter().map(|outbound| outbound.keys.len());
            events.max().unwrap_or_default()
        };
        for count in COUNTS {
            let groups = groups(events_of_one_user(count));
            assert!(most_events(&groups[0]) <= MAX_CALLS_TOGETHER, "{count}");
        }
        // Each pair takes five calls.
        assert_eq!(most_events(&groups(mixed(300))[0]), 10);
        let full = groups(mixed(MAX_BATCH_EVENTS));
        assert!(
            full[0].0.len() <= TARGET_MESSAGES + 2,
            "{}",
            full[0].0.len()
        );
    }

    #[test]
    fn of_tracks_that_went_together_those_not_taken_are_sent_again_and_nothing_else() {
        let mut lane = Lane::new(groups(events_of_one_user(MAX_BATCH_EVENTS)));
        let call = lane.next_call().expect("a call");
        assert_eq!(call[0].1, MAX_BATCH_MESSAGES);
        let bodies = |call: &[(Group<()>, usize)]| -> Vec<String> {
            let (group, count) = &call[0];
            let ready = group.0.iter().take(*count);
            ready
                .map(|outbound| outbound.message.deduplication_id().to_owned())
                .collect()
        };
        let sent = bodies(&call);
        let error = || NotTaken {
            error: QueueError("busy".to_owned()),
            is_final: false,
        };
        lane.go_on(call, HashMap::from([(3, error()), (7, error())]));
        let again = bodies(&lane.next_call().expect("a call"));
        assert_eq!(again[..2], [sent[3].clone(), sent[7].clone()]);
        assert!(!again[2..].iter().any(|id| sent.contains(id)));
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
