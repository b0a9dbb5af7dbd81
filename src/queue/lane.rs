//! Messages of some groups on their way into a queue, one call of SQS after another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::message::Message;
use super::{MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, NotTaken, Queue, QueueError, Queues, Sent};

/// Most messages of one group that are sent one by one. Of more, ten share a message: SQS takes
/// a group's messages one call after another, and a request's 2,500 would take 10 s.
const MAX_SINGLE_MESSAGES: usize = 100;

/// Most events in one message, which has to be delivered within one invocation.
const MAX_SHARED_EVENTS: usize = 10;

/// Pause before a call is made again because of a message that SQS didn't take.
const PAUSE: Duration = Duration::from_millis(50);

/// A message to send, and the keys of those that share it.
#[derive(Clone)]
pub(super) struct Outbound<K> {
    keys: Vec<K>,
    pub(super) message: Message,
    /// Whether its group is out of order in the queue until it is sent.
    is_urgent: bool,
}

/// Messages in the order in which they are to be sent.
pub(super) struct Lane<K> {
    rest: VecDeque<Outbound<K>>,
    failed: Vec<(K, QueueError)>,
    /// Groups of which a message could not be sent, with the reason.
    stopped: HashMap<String, QueueError>,
}

impl<K: Copy> Lane<K> {
    pub(super) fn new(messages: Vec<(K, Message)>) -> Self {
        let mut sizes: HashMap<String, usize> = HashMap::new();
        for (_, message) in &messages {
            *sizes.entry(message.group_id().to_owned()).or_default() += 1;
        }
        let mut rest = VecDeque::new();
        let mut large: HashMap<String, Vec<(K, Message)>> = HashMap::new();
        for (key, message) in messages {
            if sizes[message.group_id()] <= MAX_SINGLE_MESSAGES {
                rest.push_back(shared(vec![(key, message)]));
                continue;
            }
            let group = large.entry(message.group_id().to_owned()).or_default();
            if group.last().is_some_and(|last| {
                let bytes: usize = group.iter().map(|(_, message)| message.bytes()).sum();
                group.len() == MAX_SHARED_EVENTS
                    || bytes + message.bytes() > MAX_BATCH_BYTES
                    || !last.1.can_share_with(&message)
            }) {
                rest.push_back(part_of_large(std::mem::take(group)));
            }
            group.push((key, message));
        }
        rest.extend(large.into_values().map(part_of_large));
        Self {
            rest,
            failed: Vec::new(),
            stopped: HashMap::new(),
        }
    }

    /// Sends them, call after call; gives back what the queue may not have. What comes after
    /// that in its group isn't sent either: the sender repeats them all, and the later one,
    /// being a duplicate then, would keep its place before the earlier one.
    pub(super) async fn send(
        mut self,
        queues: &Queues,
        queue: Queue,
        until: Instant,
    ) -> Vec<(K, QueueError)> {
        while let Some(batch) = self.next_batch() {
            let sent = queues.send_batch(queue, &batch);
            match tokio::time::timeout_at(until.into(), sent).await {
                Ok(Sent::All { but }) if but.is_empty() => {}
                Ok(Sent::All { but }) => {
                    self.repeat(batch, but);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Sent::Nothing(_)) if batch.iter().any(|outbound| outbound.is_urgent) => {
                    self.put_back(batch);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Sent::Nothing(error)) => self.fail(batch, &error),
                Err(_) => {
                    let error = QueueError("the queue did not answer in time".to_owned());
                    self.fail(batch, &error);
                }
            }
        }
        self.failed
    }

    /// The messages of the next call: those of stopped groups are passed over.
    fn next_batch(&mut self) -> Option<Vec<Outbound<K>>> {
        let mut batch: Vec<Outbound<K>> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.rest.front() {
            if let Some(error) = self.stopped.get(next.message.group_id()).cloned() {
                let next = self.rest.pop_front();
                self.failed
                    .extend(next.into_iter().flat_map(|n| keyed(n, &error)));
                continue;
            }
            bytes += next.message.bytes();
            let is_full = batch.len() == MAX_BATCH_MESSAGES || bytes > MAX_BATCH_BYTES;
            if is_full && !batch.is_empty() {
                break;
            }
            batch.extend(self.rest.pop_front());
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn fail(&mut self, batch: Vec<Outbound<K>>, error: &QueueError) {
        for outbound in batch {
            let group = outbound.message.group_id().to_owned();
            self.stopped.insert(group, error.clone());
            self.failed.extend(keyed(outbound, error));
        }
    }

    /// Puts the messages that SQS didn't take in front again, each with the later ones of its
    /// group in that call, which may have been taken: they go in once more under fresh ids, so
    /// that the group ends in order. That is harmless, since every event can come twice, and it
    /// keeps ten messages to a call, where one of a group to a call would take ten times as
    /// long. Only for these milliseconds is the group out of order: a later message
    /// that is handed out just then is delivered before the earlier one and once more after it,
    /// and a sender that is killed then leaves the group as it is.
    fn repeat(&mut self, batch: Vec<Outbound<K>>, but: Vec<(usize, NotTaken)>) {
        let mut but: HashMap<usize, NotTaken> = but.into_iter().collect();
        let mut torn: HashSet<String> = HashSet::new();
        let mut again = Vec::new();
        for (place, mut outbound) in batch.into_iter().enumerate() {
            let group = outbound.message.group_id();
            let is_torn = torn.contains(group);
            match but.remove(&place) {
                Some(NotTaken { error, is_final }) if is_final => {
                    self.stopped.insert(group.to_owned(), error.clone());
                    self.failed.extend(keyed(outbound, &error));
                }
                Some(_) => {
                    torn.insert(group.to_owned());
                    outbound.is_urgent = true;
                    again.push(outbound);
                }
                None if is_torn => {
                    outbound.message = outbound.message.with_fresh_id();
                    outbound.is_urgent = true;
                    again.push(outbound);
                }
                None => {}
            }
        }
        self.put_back(again);
    }

    fn put_back(&mut self, batch: Vec<Outbound<K>>) {
        for outbound in batch.into_iter().rev() {
            self.rest.push_front(outbound);
        }
    }
}

fn shared<K>(messages: Vec<(K, Message)>) -> Outbound<K> {
    let (keys, messages): (Vec<K>, Vec<Message>) = messages.into_iter().unzip();
    Outbound {
        keys,
        message: Message::shared(&messages),
        is_urgent: false,
    }
}

/// Messages of a group that are too many to be sent one by one. Under a fresh id: of a sender's
/// repeat, whose events may be shared out otherwise, SQS would take some for duplicates and not
/// others, and those would stand behind later ones. So all of it is in the queue once more, in
/// order.
fn part_of_large<K>(messages: Vec<(K, Message)>) -> Outbound<K> {
    let mut outbound = shared(messages);
    outbound.message = outbound.message.with_fresh_id();
    outbound
}

fn keyed<K>(outbound: Outbound<K>, error: &QueueError) -> Vec<(K, QueueError)> {
    let keys = outbound.keys.into_iter();
    keys.map(|key| (key, error.clone())).collect()
}
