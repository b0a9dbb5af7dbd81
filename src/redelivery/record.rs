//! One message of the batch, once its events have been tried.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::Level;

use crate::failure::Failure;
use crate::in_progress::{Fate, InProgress};
use crate::invocation::Invocation;
use crate::processing::{EventLine, LineContext};
use crate::queue::ReceivedMessage;
use crate::retry::Schedule;

/// One message of the batch. What its body held is forgotten, except for its events' lines.
pub(super) struct Record<'r> {
    pub(super) message: ReceivedMessage<'r>,
    /// Time since its events were first received.
    pub(super) age: Duration,
    /// How long its first retry isn't due yet: then nothing of it was tried.
    not_due_for: Option<Duration>,
    /// What became of each of its events; one line for a message that can't be read.
    pub(super) lines: Vec<EventLine>,
}

impl<'r> Record<'r> {
    pub(super) fn new(
        message: ReceivedMessage<'r>,
        now: DateTime<Utc>,
        events: &[InProgress<'_>],
    ) -> Self {
        let age = events.first().and_then(|event| event.age);
        Self {
            message,
            age: age.unwrap_or_default(),
            not_due_for: message.not_due_for(now),
            lines: events.iter().map(EventLine::of).collect(),
        }
    }

    /// Whether it stays in its queue. In the retry queue the later messages of its group then have
    /// to wait for it.
    pub(super) fn stays(&self) -> bool {
        self.lines.iter().any(is_kept)
    }

    /// Makes it stay for this long, whatever became of its events.
    pub(super) fn stay_whole(&mut self, delay: Duration) {
        for line in &mut self.lines {
            line.fate = Fate::Queued {
                failure: Failure::new("a message of its group could not be moved"),
                delay: Some(delay),
            };
        }
    }

    /// How long those of its events that stay have to wait.
    pub(super) fn delays(&self) -> impl Iterator<Item = Duration> {
        let kept = self.lines.iter().filter(|line| is_kept(line));
        let of_events = kept.filter_map(|line| line.fate.delay());
        of_events.chain(self.not_due_for)
    }

    /// The shortest delay that keeps SQS from moving the message away before its time is up.
    pub(super) fn least_delay(&self, schedule: &Schedule) -> Duration {
        let left = schedule.give_up_after.saturating_sub(self.age);
        Schedule::least_delay(self.message.receives(), left)
    }

    /// One line per event: what became of it. None while its first retry isn't due: nothing was
    /// tried, and its last line says what it waits for. `delay` is that of its group.
    pub(super) fn log(
        &self,
        delay: Option<Duration>,
        schedule: &Schedule,
        invocation: Invocation<'_>,
    ) {
        if self.not_due_for.is_some() {
            return;
        }
        for line in &self.lines {
            line.write(&LineContext {
                message: "queued event",
                level_if_queued: Level::INFO,
                attempt: Some(self.message.receives()),
                delay: if is_kept(line) {
                    delay
                } else {
                    line.fate.delay()
                },
                waiting_since: self.message.waiting_since().unwrap_or(invocation.now),
                schedule,
                invocation,
            });
        }
    }
}

fn is_kept(line: &EventLine) -> bool {
    matches!(line.fate, Fate::Queued { .. })
}
