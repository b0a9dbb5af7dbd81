//! The queues of SQS: events to try again, events that wait for their user, and events that can
//! never be delivered.

mod envelope;
mod ids;
mod keyless;
mod lane;
mod message;
mod received;
mod sender_attributes;
mod sharing;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue,
    SendMessageBatchRequestEntry,
};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

pub use envelope::{ENVELOPE_VERSION, Envelope, Received, read_body};
pub use ids::{message_id, owner, owners_of_lead, queue_id};
pub use message::Message;
pub use received::ReceivedMessage;
pub use sender_attributes::sender;
pub use sharing::time_to_send;

use crate::aws_error;
use lane::Lane;

/// One of the stack's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Events to try again, those of a user in order: a FIFO queue.
    Retry,
    /// Events that wait for somebody to exist, or to be found. A standard queue: a FIFO queue hands
    /// out no more once 120,000 messages are hidden, and a waiting event is hidden for long.
    Waiting,
    /// Events that can never be delivered, with their reason: a standard queue, the template's
    /// `RejectedQueue`.
    DeadLetter,
}

/// Why SQS didn't do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct QueueError(String);

/// The stack's queues: sends and delays messages.
#[derive(Debug)]
pub struct Queues {
    client: aws_sdk_sqs::Client,
    retry_url: String,
    waiting_url: String,
    dead_letter_url: String,
}

/// Most messages in one call to SQS.
const MAX_BATCH_MESSAGES: usize = 10;

/// Most bytes in one call, unless it is a single message. SQS takes 1 MiB.
const MAX_BATCH_BYTES: usize = 1000 * 1024;

/// Calls to SQS in flight at once.
const CALLS_AT_ONCE: usize = 16;

/// Longest delay of a message that SQS takes.
const MAX_DELAY_SECONDS: u64 = 15 * 60;

/// Longest that SQS hides a message: 12 hours, counted from the receive, which is no further back
/// than the queue's visibility timeout (3 minutes).
const MAX_HIDDEN_SECONDS: u64 = 12 * 60 * 60 - 5 * 60;

/// A message that SQS didn't take.
struct NotTaken {
    error: QueueError,
    /// Whether a retry would fail the same way.
    is_final: bool,
}

impl Queues {
    /// The queues at these URLs.
    pub fn new(
        client: aws_sdk_sqs::Client,
        retry_url: String,
        waiting_url: String,
        dead_letter_url: String,
    ) -> Self {
        Self {
            client,
            retry_url,
            waiting_url,
            dead_letter_url,
        }
    }

    fn url(&self, queue: Queue) -> &str {
        match queue {
            Queue::Retry => &self.retry_url,
            Queue::Waiting => &self.waiting_url,
            Queue::DeadLetter => &self.dead_letter_url,
        }
    }

    /// Sends messages to their queues, those of one group in order, until `until`. Returns the key
    /// of each message that its queue may not have, with the reason.
    pub async fn send<K, const N: usize>(
        &self,
        messages: [(Queue, Vec<(K, Message)>); N],
        until: Instant,
    ) -> Vec<(K, QueueError)> {
        let to_queue = |(queue, messages)| self.send_to(queue, messages, until);
        let failed = join_all(messages.map(to_queue)).await;
        failed.into_iter().flatten().collect()
    }

    async fn send_to<K>(
        &self,
        queue: Queue,
        messages: Vec<(K, Message)>,
        until: Instant,
    ) -> Vec<(K, QueueError)> {
        let groups = match queue {
            Queue::DeadLetter => lane::letters(messages),
            Queue::Retry | Queue::Waiting => lane::groups(messages),
        };
        let mut groups = groups.into_iter();
        let lanes = std::iter::from_fn(|| {
            let lane: Vec<_> = groups.by_ref().take(MAX_BATCH_MESSAGES).collect();
            (!lane.is_empty()).then(|| Lane::new(lane))
        });
        stream::iter(lanes)
            .map(|lane| lane.send(self, queue, until))
            .buffer_unordered(CALLS_AT_ONCE)
            .concat()
            .await
    }

    /// Sends messages in one call. Returns those that SQS didn't take, by their place.
    ///
    /// # Errors
    /// [`QueueError`] when the call failed: SQS may have taken any of them, or none.
    async fn send_batch(
        &self,
        queue: Queue,
        batch: impl Iterator<Item = &Message>,
    ) -> Result<HashMap<usize, NotTaken>, QueueError> {
        let url = self.url(queue);
        let entries = batch.enumerate();
        let entries = entries.map(|(place, message)| entry(queue, place, message));
        let request = self.client.send_message_batch().queue_url(url);
        let answer = request.set_entries(Some(entries.collect())).send().await;
        let answer = answer.map_err(|error| QueueError(aws_error::reason(&error)))?;
        let not_taken = |failed: &BatchResultErrorEntry| {
            let message = failed.message().unwrap_or("no message");
            let error = QueueError(format!("{}: {message}", failed.code()));
            let is_final = failed.sender_fault();
            Some((failed.id().parse().ok()?, NotTaken { error, is_final }))
        };
        Ok(answer.failed().iter().filter_map(not_taken).collect())
    }

    /// Hides received messages for the given delays. A failure is only logged: the message then
    /// comes back when its visibility timeout ends.
    pub async fn hide(&self, queue: Queue, receipts: &[(String, Duration)]) {
        let url = self.url(queue);
        for batch in receipts.chunks(MAX_BATCH_MESSAGES) {
            let entries = batch.iter().enumerate().map(|(index, (receipt, delay))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(whole_seconds(*delay, MAX_HIDDEN_SECONDS))
                    .build()
                    .expect("id and receipt are set")
            });
            let request = self.client.change_message_visibility_batch().queue_url(url);
            match request.set_entries(Some(entries.collect())).send().await {
                Ok(answer) => {
                    for failed in answer.failed() {
                        tracing::warn!(reason = failed.code(), "a message could not be delayed");
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        reason = aws_error::reason(&error),
                        "messages could not be delayed"
                    );
                }
            }
        }
    }
}

fn entry(queue: Queue, place: usize, message: &Message) -> SendMessageBatchRequestEntry {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(message.body());
    entry = match queue {
        Queue::Retry => entry
            .message_group_id(message.group_id())
            .message_deduplication_id(message.deduplication_id()),
        // Groups keep no order here: they keep one user's events from crowding out the others'.
        Queue::Waiting => entry
            .message_group_id(message.group_id())
            .delay_seconds(whole_seconds(message.delay, MAX_DELAY_SECONDS)),
        Queue::DeadLetter => entry,
    };
    for (name, value) in &message.attributes {
        let value = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .expect("the data type is set");
        entry = entry.message_attributes(&**name, value);
    }
    entry.build().expect("id and body are set")
}

/// Whole seconds, rounded up.
fn whole_seconds(delay: Duration, most: u64) -> i32 {
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(seconds.min(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_whole_seconds_that_end_within_twelve_hours_of_the_receive() {
        let hidden = |delay| whole_seconds(delay, MAX_HIDDEN_SECONDS);
        assert_eq!(hidden(Duration::from_millis(1200)), 2);
        assert_eq!(hidden(Duration::from_secs(90_000)), 42_900);
    }
}
