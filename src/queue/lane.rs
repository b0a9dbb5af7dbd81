//! Sends the messages of some groups to a queue, one call to SQS after another.
//!
//! A call has at most one message of each group, and the group's next one follows once SQS has
//! accepted it: of several in one call, SQS could accept only a later one, and hand it out before
//! the earlier one arrives. Tracks carry their own time, so messages of nothing else share calls.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::message::{Message, Work};
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

/// Most events in one message.
const MAX_SHARED_EVENTS: usize = 50;

/// Most calls to Intercom that the events of one message need, by their own count, unless it has a
/// single event: it has to be delivered within one invocation, and is tried again as a whole.
const MAX_SHARED_CALLS: usize = 25;

/// Events that are written as one call.
const MAX_MERGED_EVENTS: usize = 25;

/// How many events of a group share a message when it has this many. Fewer share one where they
/// are large, or came by different senders.
fn events_per_message(events: usize) -> usize {
    if events <= MAX_SINGLE_EVENTS {
        return 1;
    }
    let share = events.div_ceil(TARGET_MESSAGES);
    share.clamp(SHARED_EVENTS, MAX_SHARED_EVENTS)
}

/// Calls to SQS, one after another, that a group of events takes.
fn calls_for(works: &[Work]) -> usize {
    let most = events_per_message(works.len());
    let (mut calls, mut in_call) = (0, 0);
    let mut works = works;
    while !works.is_empty() {
        let mut load = Load::default();
        let fits = works
            .iter()
            .take(most)
            .take_while(|work| load.takes(**work));
        let (part, rest) = works.split_at(fits.count().max(1));
        works = rest;
        let is_in_any_order = part.iter().all(|work| work.is_in_any_order);
        if !is_in_any_order || in_call == 0 || in_call == MAX_BATCH_MESSAGES {
            calls += 1;
            in_call = 0;
        }
        in_call = if is_in_any_order { in_call + 1 } else { 0 };
    }
    calls
}

/// What delivering the events of one message takes.
#[derive(Clone, Copy, Default)]
struct Load {
    calls: usize,
    /// Events at the end that are written as one.
    merged: usize,
}

impl Load {
    /// Adds an event, if a message may hold it too.
    fn takes(&mut self, work: Work) -> bool {
        let is_written_already = work.is_merged && (1..MAX_MERGED_EVENTS).contains(&self.merged);
        let calls = self.calls + if is_written_already { 0 } else { work.calls };
        if self.calls > 0 && calls > MAX_SHARED_CALLS {
            return false;
        }
        self.calls = calls;
        self.merged = match (work.is_merged, is_written_already) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => self.merged + 1,
        };
        true
    }
}

/// Pause before a call is repeated for a message that SQS didn't accept.
const PAUSE_BEFORE_REPEAT: Duration = Duration::from_millis(50);

/// Time that sending these users' events may take: one call after another for each user,
/// concurrently across users. `events` names the user of each event, and what delivering it takes.
pub fn time_to_send<'u>(events: impl Iterator<Item = (&'u str, Work)>) -> Duration {
    /// The slowest that a call gets.
    const ONE_CALL: Duration = Duration::from_millis(60);
    let mut events_of: HashMap<&str, Vec<Work>> = HashMap::new();
    let mut all = 0;
    for (user, work) in events {
        events_of.entry(user).or_default().push(work);
        all += 1;
    }
    // The first event, whose retry is due at a time of its own, shares no message with the others.
    let calls_of = |works: &Vec<Work>| calls_for(&works[1..]) + 1;
    let of_busiest_user = events_of.values().map(calls_of).max().unwrap_or_default();
    let calls = of_busiest_user + all / (MAX_BATCH_MESSAGES * CALLS_AT_ONCE);
    ONE_CALL.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX))
}

/// A message to send, and the keys of the events that share it.
pub(super) struct Outbound<K> {
    keys: Vec<K>,
    message: Message,
    /// Whether it may come before or after others like it.
    is_in_any_order: bool,
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
        let in_common = message
            .in_common()
            .map(|in_common| format!("{in_common:?}"));
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
        let (mut part, mut bytes, mut load) = (Vec::new(), 0, Load::default());
        for (key, message) in messages {
            let is_full = part.last().is_some_and(|(_, last): &(K, Message)| {
                part.len() == most
                    || bytes + message.bytes() > MAX_BATCH_BYTES
                    || !last.can_share_with(&message)
            });
            if is_full || !load.takes(message.work) {
                group.push_back(Outbound::shared(std::mem::take(&mut part)));
                (bytes, load) = (0, Load::default());
                load.takes(message.work);
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

    /// How many of its messages may be sent in one call with at most so many, of so many bytes.
    fn in_one_call(&self, most: usize, bytes: usize) -> usize {
        let mut left = bytes.saturating_sub(self.next().bytes());
        let together = self.0.iter().skip(1).take_while(|outbound| {
            let bytes = outbound.message.bytes();
            let fits = outbound.is_in_any_order && bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        });
        let together = if self.0[0].is_in_any_order {
            together.count()
        } else {
            0
        };
        (1 + together).min(most)
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
        Self {
            is_in_any_order: messages.iter().all(|message| message.work.is_in_any_order),
            message: Message::shared(&messages),
            keys,
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
            match tokio::time::timeout_at(until.into(), sent).await {
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

    /// The groups whose next messages go in the next call, as many as fit, with how many of each.
    fn next_call(&mut self) -> Option<Vec<(Group<K>, usize)>> {
        let mut call: Vec<(Group<K>, usize)> = Vec::new();
        let (mut left, mut bytes) = (MAX_BATCH_MESSAGES, MAX_BATCH_BYTES);
        while let Some(group) = self.waiting.front() {
            // A single message is sent whatever its size.
            if left == 0 || (!call.is_empty() && group.next().bytes() > bytes) {
                break;
            }
            // Each of the other groups has room for one.
            let most = left.saturating_sub(self.waiting.len() - 1).max(1);
            let count = group.in_one_call(most, bytes);
            let sent = group.0.iter().take(count);
            let sent: usize = sent.map(|outbound| outbound.message.bytes()).sum();
            (left, bytes) = (left - count, bytes.saturating_sub(sent));
            call.extend(self.waiting.pop_front().map(|group| (group, count)));
        }
        (!call.is_empty()).then_some(call)
    }

    /// Messages that SQS didn't accept are sent again, unless they would fail the same way.
    fn go_on(&mut self, call: Vec<(Group<K>, usize)>, mut not_taken: HashMap<usize, NotTaken>) {
        let mut place = 0;
        for (mut group, count) in call {
            let mut again = VecDeque::new();
            let mut refused = None;
            for outbound in group.0.drain(..count) {
                if let Some(NotTaken { error, is_final }) = not_taken.remove(&place) {
                    refused = refused.or(is_final.then_some(error));
                    again.push_back(outbound);
                }
                place += 1;
            }
            again.append(&mut group.0);
            let group = Group(again);
            match refused {
                Some(error) => self.failed.extend(group.not_sent(&error)),
                None if group.0.is_empty() => {}
                None => self.waiting.push_back(group),
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

    use super::*;
    use crate::http_api::{MAX_BATCH_EVENTS, MAX_SEGMENT_EVENTS};
    use crate::segment::{Event, IgnoredUserIds};
    use crate::source::Source;

    const TRACK: Work = Work {
        calls: 1,
        is_in_any_order: true,
        is_merged: false,
    };
    const IDENTIFY: Work = Work {
        calls: 1,
        is_in_any_order: false,
        is_merged: true,
    };
    const GROUP: Work = Work {
        calls: 3,
        is_in_any_order: false,
        is_merged: false,
    };

    /// As intake sends them: the first has a time of its own at which its retry is due.
    fn events_of_one_user(count: usize, work: Work) -> Vec<((), Message)> {
        let received_at: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().expect("a date");
        let json = r#"{"type":"track","userId":"u","event":"E"}"#;
        let event = serde_json::from_str(json).expect("valid JSON");
        let event = Event::new(event, &IgnoredUserIds::default()).expect("an object");
        let message = Message::new(Source::Webhook, received_at, &event).with_work(work);
        let mut messages = vec![((), message.clone()); count];
        messages[0].1 = message.not_before(received_at);
        messages
    }

    /// The calls that sending these messages takes, when SQS accepts all.
    fn calls_of(messages: Vec<((), Message)>) -> usize {
        let mut lane = Lane::new(groups(messages));
        let mut calls = 0;
        while let Some(call) = lane.next_call() {
            calls += 1;
            lane.go_on(call, HashMap::new());
        }
        calls
    }

    #[test]
    fn the_time_to_send_is_that_of_as_many_calls_as_are_made() {
        for work in [TRACK, IDENTIFY, GROUP] {
            for count in [1, 25, 26, 500, 501, MAX_BATCH_EVENTS, MAX_SEGMENT_EVENTS] {
                let calls = u32::try_from(calls_of(events_of_one_user(count, work)));
                let one_call = Duration::from_millis(60);
                let reserved = time_to_send(std::iter::repeat_n(("u", work), count));
                let calls = calls.expect("not that many");
                assert!(reserved >= one_call * calls, "{work:?} {count}: {calls}");
            }
        }
    }

    #[test]
    fn a_full_batch_of_one_user_takes_few_calls_and_no_message_too_much_work() {
        for (work, most) in [(TRACK, 51), (IDENTIFY, 51), (GROUP, 314)] {
            let calls = calls_of(events_of_one_user(MAX_BATCH_EVENTS, work));
            assert!(calls <= most, "{work:?}: {calls}");
        }
        for (work, most) in [(TRACK, 25), (IDENTIFY, 50), (GROUP, 8)] {
            for count in [26, 500, MAX_BATCH_EVENTS, MAX_SEGMENT_EVENTS] {
                for group in groups(events_of_one_user(count, work)) {
                    let events = group.0.iter().map(|outbound| outbound.keys.len());
                    assert!(events.max() <= Some(most), "{work:?} {count}");
                }
            }
        }
    }

    #[test]
    fn a_refused_message_keeps_its_place_among_those_whose_order_counts() {
        let mut lane = Lane::new(groups(events_of_one_user(500, TRACK)));
        let messages = lane.waiting[0].0.len();
        let call = lane.next_call().expect("a call");
        let in_call = call[0].1;
        assert!(in_call > 1);
        let error = QueueError("busy".to_owned());
        let refused = NotTaken {
            error,
            is_final: false,
        };
        lane.go_on(call, HashMap::from([(1, refused)]));
        assert_eq!(lane.waiting[0].0.len(), messages - in_call + 1);
        let ordered = Lane::new(groups(events_of_one_user(500, IDENTIFY)));
        assert_eq!(ordered.waiting[0].in_one_call(10, MAX_BATCH_BYTES), 1);
    }

    #[test]
    fn letters_with_one_reason_share_a_message_whosever_they_are() {
        let two_reasons: Vec<((), Message)> = events_of_one_user(2_499, TRACK)
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
