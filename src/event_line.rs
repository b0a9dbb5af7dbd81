//! What became of an event, in one line of the log, with the same fields on receipt and on retry.
//!
//! The fields: `docs/runbook.md#the-logs-lines`.

use sha2::{Digest, Sha256};
use tracing::Level;

use crate::delivery::Failure;
use crate::invocation::Tally;
use crate::log::COUNTED;
use crate::queue::message_id;
use crate::segment::Event;
use crate::source::Source;
use crate::status::Status;

/// Hex digits of a user's hash in the log.
const USER_HASH_DIGITS: usize = 16;

/// One event and what became of it.
#[derive(Debug)]
pub(crate) struct EventLine<'l> {
    /// `event` on receipt, `queued event` on retry.
    pub(crate) message: &'static str,
    pub(crate) level: Level,
    /// None for what could not be read as an event.
    pub(crate) event: Option<&'l Event<'l>>,
    pub(crate) source: Option<Source>,
    pub(crate) status: Status,
    pub(crate) reason: Option<&'l str>,
    /// Intercom's answer, where that is the reason.
    pub(crate) failure: Option<&'l Failure>,
    /// From the event's first receipt until now.
    pub(crate) latency_ms: u64,
    /// Calls of Intercom made for it now.
    pub(crate) calls: u32,
    /// How often SQS has handed it out.
    pub(crate) attempt: Option<u32>,
    /// Until its next attempt.
    pub(crate) delay_seconds: Option<u64>,
    /// Until when it waits for its user, and what happens then.
    pub(crate) waits: Option<String>,
    pub(crate) warnings: &'l [String],
}

impl EventLine<'_> {
    /// Writes the line, and adds its event to the invocation's tally.
    pub(crate) fn write(&self, tally: &Tally) {
        tally.add(self.status);
        let message_id = self.event.map(message_id);
        let user = self.event.and_then(Event::user).map(|user| hash(&user));
        let kind = self.event.and_then(Event::type_name);
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: COUNTED,
                    message_id = message_id.as_deref(),
                    user,
                    kind,
                    source = self.source.map(Source::as_str),
                    status = self.status.as_str(),
                    reason = self.reason,
                    http_status = self.failure.and_then(|failure| failure.status),
                    intercom_request_id = self.failure.and_then(|f| f.request_id.as_deref()),
                    latency_ms = self.latency_ms,
                    calls = self.calls,
                    attempt = self.attempt,
                    delay_seconds = self.delay_seconds,
                    waits = self.waits.as_deref(),
                    warnings = ?self.warnings,
                    "{}",
                    self.message
                )
            };
        }
        match self.level {
            Level::ERROR => log!(error),
            Level::WARN => log!(warn),
            _ => log!(info),
        }
    }
}

/// The first hex digits of the SHA-256 of who an event is about (userId, else email, else
/// anonymousId), so that a person's events can be found by whoever knows the id
/// (`printf %s ID | sha256sum | cut -c1-16`), and nobody reads the id off the log.
/// Unkeyed on purpose, so whoever searches needs no key; a guessable id can be confirmed.
fn hash(user: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(user));
    digits.truncate(USER_HASH_DIGITS);
    digits
}
