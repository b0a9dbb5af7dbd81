//! What became of an event, in one line of the log, with the same fields on receipt and on retry.
//!
//! The fields: `docs/runbook.md#the-logs-lines`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use tracing::Level;

use crate::in_progress::{Fate, InProgress};
use crate::intercom::CallRecord;
use crate::invocation::{Invocation, millis};
use crate::log::COUNTED;
use crate::queue::message_id;
use crate::retry::Schedule;
use crate::segment::Event;
use crate::source::Source;
use crate::status::Status;

/// Hex digits of a user's hash in the log.
const USER_HASH_DIGITS: usize = 16;

/// Most bytes of warnings in one line, and of one of them. The rest is counted; preview shows all.
const WARNINGS_BYTES: usize = 2_000;
const WARNING_BYTES: usize = 300;

/// Most calls of Intercom named in one line; `calls` counts them all.
const CALLS_LOGGED: usize = 20;

/// What is left of an event once its fate is decided: nothing that borrows from its JSON.
#[derive(Debug)]
pub(crate) struct EventLine {
    /// None for what could not be read as an event.
    message_id: Option<String>,
    /// The user's hash.
    user: Option<String>,
    kind: Option<String>,
    source: Option<Source>,
    /// When it came in before, how long ago that was.
    age: Option<Duration>,
    /// Calls of Intercom made for it.
    calls: Vec<CallRecord>,
    warnings: Vec<String>,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// The circumstances of a line, which the fate doesn't tell.
pub(crate) struct LineContext<'c> {
    /// `event` on receipt, `queued event` on retry.
    pub(crate) message: &'static str,
    /// The level of one that is queued.
    pub(crate) level_if_queued: Level,
    /// How often SQS has handed it out.
    pub(crate) attempt: Option<u32>,
    /// Until its next attempt.
    pub(crate) delay: Option<Duration>,
    /// Since when it waits for its user, if it does.
    pub(crate) waiting_since: DateTime<Utc>,
    pub(crate) schedule: &'c Schedule,
    pub(crate) invocation: Invocation<'c>,
}

impl EventLine {
    pub(crate) fn of(event: &InProgress<'_>) -> Self {
        let entry = event.entry.event();
        Self {
            message_id: entry.map(|event| message_id(event).into_owned()),
            user: entry.and_then(Event::user).map(|user| hash(&user)),
            kind: entry.and_then(Event::type_name).map(str::to_owned),
            source: Some(event.source),
            age: event.age,
            calls: event.calls.clone(),
            warnings: warnings_of(event),
            fate: event.fate.clone(),
        }
    }

    /// The line of a message that can't be read.
    pub(crate) fn of_unreadable(fate: Fate) -> Self {
        Self {
            message_id: None,
            user: None,
            kind: None,
            source: None,
            age: None,
            calls: Vec::new(),
            warnings: Vec::new(),
            fate,
        }
    }

    /// The calls of Intercom, one after the other; the first ones, where there are many.
    fn calls_told(&self) -> Option<String> {
        let told = self.calls.iter().take(CALLS_LOGGED);
        let told: Vec<String> = told.map(ToString::to_string).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    pub(crate) fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Writes the line, and adds its event to the invocation's tally.
    pub(crate) fn write(&self, context: &LineContext<'_>) {
        let status = self.fate.status();
        context.invocation.tally.add(status);
        let failure = self.fate.failure();
        let latency = self.age.unwrap_or_default() + context.invocation.started.elapsed();
        let waits = match &self.fate {
            Fate::Waiting { otherwise, .. } => {
                let then = otherwise.status();
                Some(context.schedule.waits(context.waiting_since, then))
            }
            _ => None,
        };
        let intercom = self.calls_told();
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: COUNTED,
                    message_id = self.message_id,
                    user = self.user,
                    kind = self.kind,
                    source = self.source.map(Source::as_str),
                    status = status.as_str(),
                    reason = self.fate.reason(),
                    http_status = failure.and_then(|failure| failure.status),
                    intercom_request_id = failure.and_then(|f| f.request_id.as_deref()),
                    latency_ms = millis(latency),
                    calls = self.calls.len(),
                    intercom = intercom.as_deref(),
                    attempt = context.attempt,
                    delay_seconds = context.delay.map(|delay| delay.as_secs()),
                    waits = waits.as_deref(),
                    warnings = ?self.warnings,
                    "{}",
                    context.message
                )
            };
        }
        match status {
            Status::Lost => log!(error),
            Status::Rejected => log!(warn),
            Status::Queued if context.level_if_queued == Level::WARN => log!(warn),
            _ => log!(info),
        }
    }
}

/// What was changed or left out, as far as a line has room. What Intercom itself said comes first: only
/// the log tells it.
fn warnings_of(event: &InProgress<'_>) -> Vec<String> {
    let all = event.left_out.len() + event.warnings.len();
    let mapped = event.warnings.iter().map(ToString::to_string);
    let (mut named, mut bytes) = (Vec::new(), 0);
    for mut warning in event.left_out.iter().cloned().chain(mapped) {
        if warning.len() > WARNING_BYTES {
            warning.truncate(warning.floor_char_boundary(WARNING_BYTES));
            warning.push('…');
        }
        bytes += warning.len();
        if bytes > WARNINGS_BYTES {
            break;
        }
        named.push(warning);
    }
    let more = all - named.len();
    if more > 0 {
        named.push(format!("and {more} more, see preview"));
    }
    named
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
