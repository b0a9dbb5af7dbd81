//! What became of an event: the words that answers, previews and the log share.

use serde::Serialize;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Intercom has it.
    Delivered,
    /// It is in the retry queue.
    Queued,
    /// It is in the waiting queue, apart from its user's other events, until Intercom knows the
    /// user.
    Waiting,
    /// There was nothing to send.
    Skipped,
    /// It is in the dead-letter queue.
    Rejected,
    /// Neither delivered nor queued: the sender has to keep it.
    Lost,
}

impl Status {
    /// The word, as it is serialised.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
            Self::Lost => "lost",
        }
    }
}

/// What would become of an event, as far as its mapping can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words of `Status`")]
pub enum PreviewStatus {
    WouldDeliver,
    WouldSkip,
    WouldReject,
}

/// What became of an event, as senders of webhooks and direct callers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventResult {
    /// Its messageId.
    #[serde(rename = "messageId")]
    pub message_id: Option<String>,
    /// Its type as sent.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// What became of it.
    pub status: Status,
    /// Why, unless it was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
