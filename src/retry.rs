//! The backoff of retries: when an event is tried again. Whether it is: `in_progress/fate.rs`.
//!
//! As `docs/operations.md#retrying` tells users.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::status::Status;

/// The settings of retrying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// `RETRY_BASE_SECONDS`: delay of the first retry.
    pub base: Duration,
    /// `RETRY_MAX_SECONDS`: longest delay that this function chooses itself.
    pub max: Duration,
    /// `RETRY_HOURS`: age at which an event is given up on.
    pub give_up_after: Duration,
    /// `UNKNOWN_USER_SECONDS`: how long an event waits for its user.
    pub unknown_user: Duration,
}

/// Receives after which SQS itself moves a message out of its queue, without a reason
/// (`maxReceiveCount` of the template's retry and waiting queues).
const MAX_RECEIVES: u32 = 1000;

/// From this many receives on, the remaining ones must last for the remaining time.
const PLENTY_OF_RECEIVES: u32 = 500;

/// Receives kept in reserve: for instances that end before they can set a delay, and for the last
/// one, which gives up on the event.
const SPARE_RECEIVES: u32 = 100;

impl Schedule {
    /// How long a failed event of this age stays hidden: the base at first, then three times as
    /// long after each further failure, up to the maximum. Computed from the age: after delays of
    /// b, 3b, … the next delay is the base plus twice the event's age. `jitter` (0 to 1) picks a
    /// point in the upper half of the delay. Never less than Intercom asked for, with the same
    /// jitter on top so that not all events come back at once.
    pub fn delay(&self, age: Duration, asked: Option<Duration>, jitter: f64) -> Duration {
        let jitter = jitter.clamp(0.0, 1.0);
        let full = self
            .base
            .saturating_add(age.saturating_mul(2))
            .min(self.max);
        let own = full.mul_f64(0.5 + jitter / 2.0);
        let asked = asked.unwrap_or_default();
        own.max(asked + self.base.mul_f64(jitter).min(asked))
    }

    /// Until when an event waits for its user, and what becomes of it then, for a person who asks
    /// where it is.
    pub fn waits(&self, since: DateTime<Utc>, then: Status) -> String {
        let until = since + self.unknown_user;
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        let then = then.as_str();
        format!("waits until {until}, then {then}: UNKNOWN_USER_SECONDS")
    }

    /// The shortest delay that keeps SQS from moving a message away after this many `receives`,
    /// before the function itself gives up on it when the time `left` is over. Few messages ever need
    /// it: that takes days of short delays, or hours of a rate limit that others use up.
    pub fn least_delay(receives: u32, left: Duration) -> Duration {
        if receives < PLENTY_OF_RECEIVES {
            return Duration::ZERO;
        }
        let usable = MAX_RECEIVES - SPARE_RECEIVES;
        left / usable.saturating_sub(receives).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        base: Duration::from_secs(5),
        max: Duration::from_secs(900),
        give_up_after: Duration::from_secs(259_200),
        unknown_user: Duration::from_secs(900),
    };

    #[test]
    fn delays_grow_threefold_up_to_the_maximum() {
        let mut age = Duration::ZERO;
        let mut delays = Vec::new();
        for _ in 0..7 {
            let delay = SCHEDULE.delay(age, None, 1.0);
            delays.push(delay.as_secs());
            age += delay;
        }
        assert_eq!(delays, [5, 15, 45, 135, 405, 900, 900]);
        assert_eq!(SCHEDULE.delay(Duration::MAX, None, 1.0).as_secs(), 900);
        let age = Duration::from_secs(5);
        assert_eq!(SCHEDULE.delay(age, None, 0.0), Duration::from_millis(7500));
    }

    #[test]
    fn intercom_is_never_asked_before_the_time_it_named() {
        let asked = Some(Duration::from_secs(3600));
        let delay = |asked, jitter| SCHEDULE.delay(Duration::ZERO, asked, jitter).as_secs();
        assert_eq!(delay(asked, 0.0), 3600);
        assert_eq!(delay(asked, 1.0), 3605);
        assert_eq!(delay(None, 1.0), 5);
    }

    #[test]
    fn the_template_gives_as_many_receives_as_are_reckoned_with() {
        let template = include_str!("../template.yaml");
        let counts: Vec<&str> = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("maxReceiveCount: "))
            .collect();
        let expected = MAX_RECEIVES.to_string();
        // Of the retry and the waiting queue.
        assert_eq!(counts, [&*expected; 2]);
    }
}
