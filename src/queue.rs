//! The two queues of SQS: events to try again, and events that can never be delivered.

mod keyless;
mod message;
mod sender;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, SendMessageBatchRequestEntry,
};
use futures_util::future::join_all;

pub use message::{
    ENVELOPE_VERSION, Envelope, Message, NOT_BEFORE_ATTRIBUTE, Source, queue_id, read_body,
};
pub use sender::sender;

use crate::aws;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Events to try again.
    Retry,
    /// Events that can never be delivered, with their reason.
    DeadLetter,
}

/// A message that wasn't taken. Says why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct QueueError(String);

/// Sends to and delays messages of the queues.
#[derive(Debug)]
pub struct Queues {
    client: aws_sdk_sqs::Client,
    retry_url: String,
    dead_letter_url: String,
}

/// Most messages in one call of SQS.
const BATCH: usize = 10;

/// Most bytes in one call, unless it is a single message: below SQS's limit.
const BATCH_BYTES: usize = 240 * 1024;

/// Calls of SQS under way at once. All messages of a group go the same lane, in order.
const LANES: usize = 16;

impl Queues {
    /// The two queues at these URLs.
    pub fn new(client: aws_sdk_sqs::Client, retry_url: String, dead_letter_url: String) -> Self {
        Self {
            client,
            retry_url,
            dead_letter_url,
        }
    }

    /// Sends messages in batches of ten, those of one group in order. The results stand in the
    /// order of the messages.
    pub async fn send(&self, queue: Queue, messages: &[Message]) -> Vec<Result<(), QueueError>> {
        let mut lanes: Vec<Vec<usize>> = vec![Vec::new(); LANES];
        for (index, message) in messages.iter().enumerate() {
            let mut hasher = DefaultHasher::new();
            message.group_id().hash(&mut hasher);
            let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
            lanes[lane].push(index);
        }
        let filled = lanes.iter().filter(|lane| !lane.is_empty());
        let sent = join_all(filled.map(|lane| self.send_lane(queue, messages, lane))).await;
        let mut results = vec![Ok(()); messages.len()];
        for (index, error) in sent.into_iter().flatten() {
            results[index] = Err(error);
        }
        results
    }

    /// Sends one lane, batch after batch; gives back what wasn't taken. What comes after that in
    /// its group isn't sent either: the sender repeats them all, and the later one, being a
    /// duplicate then, would keep its place before the earlier one.
    async fn send_lane(
        &self,
        queue: Queue,
        messages: &[Message],
        lane: &[usize],
    ) -> Vec<(usize, QueueError)> {
        let mut failed: Vec<(usize, QueueError)> = Vec::new();
        let mut rest = lane.to_vec();
        while !rest.is_empty() {
            let after = rest.split_off(batch_length(messages, &rest));
            failed.extend(self.send_batch(queue, messages, &rest).await);
            rest = Vec::with_capacity(after.len());
            for index in after {
                let group = messages[index].group_id();
                let mut earlier = failed.iter();
                match earlier.find(|(earlier, _)| messages[*earlier].group_id() == group) {
                    Some((_, error)) => failed.push((index, error.clone())),
                    None => rest.push(index),
                }
            }
        }
        failed
    }

    async fn send_batch(
        &self,
        queue: Queue,
        messages: &[Message],
        batch: &[usize],
    ) -> Vec<(usize, QueueError)> {
        let url = match queue {
            Queue::Retry => &self.retry_url,
            Queue::DeadLetter => &self.dead_letter_url,
        };
        let entries = batch.iter().map(|index| entry(*index, &messages[*index]));
        let request = self.client.send_message_batch().queue_url(url);
        match request.set_entries(Some(entries.collect())).send().await {
            Ok(answer) => answer
                .failed()
                .iter()
                .filter_map(|failed| {
                    let message = failed.message().unwrap_or("no message");
                    let error = QueueError(format!("{}: {message}", failed.code()));
                    Some((failed.id().parse().ok()?, error))
                })
                .collect(),
            Err(error) => {
                let error = QueueError(aws::reason(&error));
                batch.iter().map(|index| (*index, error.clone())).collect()
            }
        }
    }

    /// Hides messages of the retry queue for so long. A failure is only logged: the message
    /// then comes back after the queue's own visibility timeout.
    pub async fn hide(&self, receipts: &[(&str, Duration)]) {
        for batch in receipts.chunks(BATCH) {
            let entries = batch.iter().enumerate().map(|(index, (receipt, delay))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(*receipt)
                    .visibility_timeout(visibility_seconds(*delay))
                    .build()
                    .expect("id and receipt are set")
            });
            let request = self.client.change_message_visibility_batch();
            let request = request.queue_url(&self.retry_url);
            match request.set_entries(Some(entries.collect())).send().await {
                Ok(answer) => {
                    for failed in answer.failed() {
                        tracing::warn!(reason = failed.code(), "a message could not be delayed");
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        reason = aws::reason(&error),
                        "messages could not be delayed"
                    );
                }
            }
        }
    }
}

/// How many of the first messages of `lane` fit into one call; at least one.
fn batch_length(messages: &[Message], lane: &[usize]) -> usize {
    let mut bytes = 0;
    let fitting = lane.iter().take(BATCH).take_while(|index| {
        bytes += messages[**index].bytes();
        bytes <= BATCH_BYTES
    });
    fitting.count().max(1)
}

fn entry(index: usize, message: &Message) -> SendMessageBatchRequestEntry {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(message.body())
        .message_group_id(message.group_id())
        .message_deduplication_id(message.deduplication_id());
    for (name, value) in &message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .expect("the data type is set");
        entry = entry.message_attributes(*name, value);
    }
    entry.build().expect("id and body are set")
}

/// Whole seconds, rounded up, within what SQS takes (12 hours).
fn visibility_seconds(delay: Duration) -> i32 {
    const LONGEST: u64 = 12 * 60 * 60;
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds.min(LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_whole_seconds_of_at_most_twelve_hours() {
        assert_eq!(visibility_seconds(Duration::from_millis(1200)), 2);
        assert_eq!(visibility_seconds(Duration::from_secs(90_000)), 43_200);
    }
}
