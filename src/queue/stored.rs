//! Messages that a person looks at: received, then deleted, released or put to the back.

use std::time::Duration;

use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message as SqsMessage, MessageSystemAttributeName,
};
use chrono::{DateTime, Utc};

use super::{
    MAX_BATCH_MESSAGES, Message, Queue, QueueError, Queues, REJECTED_AT_ATTRIBUTE, aws_error,
};

/// How long a received message is hidden from other receivers: longer than an invocation lasts.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long SQS may search for messages. Without a wait it asks only some of its servers, and may
/// say that there is none.
const WAIT: Duration = Duration::from_secs(1);

/// A receive that timed out here may still have succeeded at SQS, which then hides its messages.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A message that was received.
#[derive(Debug)]
pub struct Stored {
    body: String,
    group_id: String,
    sent_at: DateTime<Utc>,
    receipt: String,
    attributes: Vec<(String, String)>,
}

impl Stored {
    fn new(message: SqsMessage) -> Self {
        let of_sqs = |name| {
            let attributes = message.attributes.as_ref();
            attributes.and_then(|attributes| attributes.get(&name))
        };
        let millis = of_sqs(MessageSystemAttributeName::SentTimestamp);
        let millis = millis.and_then(|millis| millis.parse().ok());
        let group_id = of_sqs(MessageSystemAttributeName::MessageGroupId);
        let group_id = group_id.cloned().unwrap_or_default();
        let attributes = message.message_attributes.unwrap_or_default().into_iter();
        let attributes = attributes.filter_map(|(name, value)| Some((name, value.string_value?)));
        Self {
            body: message.body.unwrap_or_default(),
            group_id,
            sent_at: DateTime::from_timestamp_millis(millis.unwrap_or_default())
                .unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            attributes: attributes.collect(),
        }
    }

    /// Its body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The group within which SQS keeps the order: the user. Empty in a queue without groups.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// When it was sent to its queue.
    pub fn sent_at(&self) -> DateTime<Utc> {
        self.sent_at
    }

    /// One of its message attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// A copy of the message for the back of its queue.
    pub fn to_the_back(&self) -> Message {
        let copy = Message::copy(self.body.clone(), self.group_id.clone());
        let attributes = self.attributes.iter();
        let copy = attributes.fold(copy, |copy, (name, value)| {
            copy.with_attribute(name.clone(), value)
        });
        match self.attribute(REJECTED_AT_ATTRIBUTE) {
            Some(_) => copy,
            None => copy.with_attribute(REJECTED_AT_ATTRIBUTE, &self.sent_at.to_rfc3339()),
        }
    }
}

impl Queues {
    /// Receives up to ten messages. From a FIFO queue, SQS skips groups with a message in flight.
    /// Empty when nothing is left.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn receive(&self, queue: Queue) -> Result<Vec<Stored>, QueueError> {
        let timeout = TimeoutConfig::builder()
            .operation_attempt_timeout(RECEIVE_TIMEOUT)
            .build();
        let config = aws_sdk_sqs::Config::builder().timeout_config(timeout);
        let request = self.client.receive_message().queue_url(self.url(queue)?);
        let answer = request
            .max_number_of_messages(MAX_BATCH_MESSAGES.try_into().unwrap_or(i32::MAX))
            .visibility_timeout(seconds(VISIBILITY_TIMEOUT))
            .wait_time_seconds(seconds(WAIT))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(|error| QueueError(aws_error::reason(&error)))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().map(Stored::new).collect())
    }

    /// Deletes messages.
    ///
    /// # Errors
    /// [`QueueError`] when one of them may still be there.
    pub async fn delete(
        &self,
        queue: Queue,
        messages: impl IntoIterator<Item = &Stored>,
    ) -> Result<(), QueueError> {
        let url = self.url(queue)?;
        let entries: Vec<DeleteMessageBatchRequestEntry> = messages
            .into_iter()
            .enumerate()
            .map(|(place, stored)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(place.to_string())
                    .receipt_handle(&stored.receipt)
                    .build()
                    .expect("id and receipt are set")
            })
            .collect();
        for batch in entries.chunks(MAX_BATCH_MESSAGES) {
            let request = self.client.delete_message_batch().queue_url(url);
            let answer = request.set_entries(Some(batch.to_vec())).send().await;
            let answer = answer.map_err(|error| QueueError(aws_error::reason(&error)))?;
            if let Some(failed) = answer.failed().first() {
                return Err(QueueError(failed.code().to_owned()));
            }
        }
        Ok(())
    }

    /// Makes messages visible to other receivers at once. A failure is only logged: their visibility
    /// timeout ends within a minute.
    pub async fn release(&self, queue: Queue, messages: &[Stored]) {
        let receipt = |stored: &Stored| (stored.receipt.clone(), Duration::ZERO);
        let receipts: Vec<_> = messages.iter().map(receipt).collect();
        self.hide(queue, &receipts).await;
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
