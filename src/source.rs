//! How an event came in. Kept with it, since it decides what its sender may do.

use serde::{Deserialize, Serialize};

/// How an event came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are named like the triggers")]
pub enum Source {
    Api,
    Webhook,
    EventBridge,
    Direct,
}

impl Source {
    /// Whether Segment itself sent it, rather than an SDK with a write key.
    pub fn is_segment(self) -> bool {
        self != Self::Api
    }

    /// Its name in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Webhook => "webhook",
            Self::EventBridge => "eventbridge",
            Self::Direct => "direct",
        }
    }
}
