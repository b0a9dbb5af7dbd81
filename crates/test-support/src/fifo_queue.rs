//! A model of an SQS FIFO queue. Pure: the time is an argument.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

/// How long a second message with the same deduplication id is taken for a duplicate.
const DEDUPLICATION_WINDOW: Duration = Duration::from_mins(5);

/// Most messages in one batch.
const BATCH: usize = 10;

/// How long a message that was handed out stays hidden, as `template.yaml` sets it.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(3);

/// What a sender says of a message.
#[derive(Clone, Debug)]
pub struct Message {
    pub group_id: String,
    pub deduplication_id: String,
    pub body: String,
    pub attributes: Value,
    /// Until it is handed out for the first time.
    pub delay: Duration,
}

#[derive(Debug)]
struct Stored {
    id: String,
    message: Message,
    receipt: String,
    receive_count: u32,
    visible_at: Duration,
    sent_at: Duration,
}

/// The queue, its messages in the order received.
#[derive(Debug)]
pub struct FifoQueue {
    arn: &'static str,
    messages: Vec<Stored>,
    /// When each deduplication id was taken.
    taken: HashMap<String, Duration>,
    last_number: u64,
    /// The longest that a message of each group was here.
    held: HashMap<String, Duration>,
}

impl FifoQueue {
    /// An empty queue with this ARN.
    pub fn new(arn: &'static str) -> Self {
        Self {
            arn,
            messages: Vec::new(),
            taken: HashMap::new(),
            last_number: 0,
            held: HashMap::new(),
        }
    }

    /// Takes a message, unless it is a duplicate.
    pub fn send(&mut self, message: Message, now: Duration) {
        let taken = self.taken.get(&message.deduplication_id);
        if taken.is_some_and(|taken| now < *taken + DEDUPLICATION_WINDOW) {
            return;
        }
        self.taken.insert(message.deduplication_id.clone(), now);
        let id = format!("message-{}", self.next_number());
        let visible_at = now + message.delay;
        self.messages.push(Stored {
            id,
            message,
            receipt: String::new(),
            receive_count: 0,
            visible_at,
            sent_at: now,
        });
    }

    /// Hands out up to ten messages: of some groups that have none in flight, the first ones.
    /// The groups are mixed, the order within each is kept.
    pub fn receive(&mut self, now: Duration, rng: &mut Rng) -> Batch {
        let mut groups = self.free_groups(now);
        rng.shuffle(&mut groups);
        let mut left = BATCH;
        let mut chosen: Vec<VecDeque<usize>> = Vec::new();
        for group in groups {
            let length = rng.usize(1..=BATCH).min(left).min(group.len());
            chosen.push(group.into_iter().take(length).collect());
            left -= length;
            if left == 0 {
                break;
            }
        }
        let mut records = Vec::new();
        while !chosen.is_empty() {
            let place = rng.usize(..chosen.len());
            match chosen[place].pop_front() {
                Some(index) => records.push(self.hand_out(index, now)),
                None => drop(chosen.swap_remove(place)),
            }
        }
        Batch { records }
    }

    /// The visible messages of each group that has none in flight.
    fn free_groups(&self, now: Duration) -> Vec<Vec<usize>> {
        let in_flight = self.messages.iter().filter(|m| m.visible_at > now);
        let locked: HashSet<&str> = in_flight.map(|m| &*m.message.group_id).collect();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut place_of: HashMap<&str, usize> = HashMap::new();
        for (index, stored) in self.messages.iter().enumerate() {
            let group = &*stored.message.group_id;
            if locked.contains(group) {
                continue;
            }
            let place = *place_of.entry(group).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(index);
        }
        groups
    }

    fn hand_out(&mut self, index: usize, now: Duration) -> Value {
        let receipt = format!("receipt-{}", self.next_number());
        let stored = &mut self.messages[index];
        stored.receipt = receipt;
        stored.receive_count += 1;
        stored.visible_at = now + VISIBILITY_TIMEOUT;
        stored.record(self.arn)
    }

    /// Deletes the messages with these ids.
    pub fn delete(&mut self, ids: &[&str], now: Duration) {
        for stored in &self.messages {
            if ids.contains(&&*stored.id) {
                let group = stored.message.group_id.clone();
                let longest = self.held.entry(group).or_default();
                *longest = (*longest).max(now.saturating_sub(stored.sent_at));
            }
        }
        self.messages.retain(|stored| !ids.contains(&&*stored.id));
    }

    /// Hides the message with this receipt from now on for `timeout`. A receipt that is no longer
    /// the last one changes nothing.
    pub fn hide(&mut self, receipt: &str, timeout: Duration, now: Duration) {
        let mut messages = self.messages.iter_mut();
        if let Some(stored) = messages.find(|stored| stored.receipt == receipt) {
            stored.visible_at = now + timeout;
        }
    }

    /// When the next hidden message becomes visible, of those that count.
    pub fn next_visible(
        &self,
        now: Duration,
        counts: impl Fn(&Message) -> bool,
    ) -> Option<Duration> {
        let counted = self.messages.iter();
        let counted = counted.filter(|stored| counts(&stored.message));
        let times = counted.map(|stored| stored.visible_at);
        times.filter(|visible_at| *visible_at > now).min()
    }

    /// The longest that a message of each group was in the queue.
    pub fn held(&self) -> HashMap<String, Duration> {
        self.held.clone()
    }

    /// Takes all messages out.
    pub fn take_all(&mut self) -> Vec<Message> {
        let messages = self.messages.drain(..);
        messages.map(|stored| stored.message).collect()
    }

    /// Takes those messages out of which `keep` says no.
    pub fn retain(&mut self, keep: impl Fn(&Message) -> bool) {
        self.messages.retain(|stored| keep(&stored.message));
    }

    /// Whether no message is left.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages are left, hidden ones too.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The bodies of all messages.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().map(|stored| &stored.message)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Stored {
    /// As the event source mapping hands it to the function.
    fn record(&self, arn: &str) -> Value {
        let attributes = self.message.attributes.as_object();
        let attributes: serde_json::Map<String, Value> = attributes
            .into_iter()
            .flatten()
            .map(|(name, value)| {
                let value = json!({"stringValue": value["StringValue"], "dataType": "String"});
                (name.clone(), value)
            })
            .collect();
        json!({
            "messageId": self.id,
            "receiptHandle": self.receipt,
            "body": self.message.body,
            "attributes": {
                "ApproximateReceiveCount": self.receive_count.to_string(),
                "SentTimestamp": self.sent_at.as_millis().to_string(),
                "MessageGroupId": self.message.group_id,
                "MessageDeduplicationId": self.message.deduplication_id,
            },
            "messageAttributes": attributes,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "us-east-1",
        })
    }
}

/// Messages handed out together.
#[derive(Debug)]
pub struct Batch {
    records: Vec<Value>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The payload for the function.
    pub fn payload(&self) -> Value {
        json!({"Records": self.records})
    }

    /// The ids of the messages that the function's answer lets go, in order.
    pub fn done(&self, answer: &Value) -> Vec<&str> {
        let failures = answer["batchItemFailures"].as_array().expect("failures");
        let failed: HashSet<&str> = failures
            .iter()
            .filter_map(|failure| failure["itemIdentifier"].as_str())
            .collect();
        let ids = self
            .records
            .iter()
            .map(|record| record["messageId"].as_str());
        ids.map(|id| id.expect("an id"))
            .filter(|id| !failed.contains(id))
            .collect()
    }
}
