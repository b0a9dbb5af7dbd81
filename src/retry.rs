//! When an event is tried again, and when it is given up.

use std::time::Duration;

/// The settings of retrying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// `RETRY_BASE_SECONDS`: delay of the first retry.
    pub base: Duration,
    /// `RETRY_MAX_SECONDS`: longest delay that this function chooses itself.
    pub max: Duration,
    /// `RETRY_HOURS`: age at which an event is given up.
    pub give_up_after: Duration,
    /// `UNKNOWN_USER_SECONDS`: how long an event waits for its user.
    pub unknown_user: Duration,
}

/// Longest time for which an event that waits for its user keeps the user's later events, which
/// may hold the identify that makes the user, from being tried.
const LONGEST_WAIT_IN_FRONT: Duration = Duration::from_secs(30);

impl Schedule {
    /// How long a message that failed for the `attempt`th time (from 1) stays hidden: the base
    /// times 3ⁿ, at most the maximum, of which `jitter` (0 to 1) chooses the upper half; and at
    /// least what Intercom asked for, with the same jitter on top so that not all come back at
    /// once.
    pub fn delay(&self, attempt: u32, asked: Option<Duration>, jitter: f64) -> Duration {
        let factor = 3_u32.saturating_pow(attempt.saturating_sub(1));
        let full = self.base.saturating_mul(factor).min(self.max);
        let own = full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        let asked = asked.unwrap_or_default();
        own.max(asked + self.base.mul_f64(jitter.clamp(0.0, 1.0)).min(asked))
    }

    /// How long an event of this age that waits for its user stays hidden. By age, because
    /// going to the end of its group starts the count of its tries again.
    pub fn delay_of_waiting(&self, age: Duration) -> Duration {
        age.clamp(self.base, self.base.max(LONGEST_WAIT_IN_FRONT))
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
        let seconds = |attempt| SCHEDULE.delay(attempt, None, 1.0).as_secs();
        let delays: Vec<u64> = (1..=7).map(seconds).collect();
        assert_eq!(delays, [5, 15, 45, 135, 405, 900, 900]);
        assert_eq!(seconds(u32::MAX), 900);
        assert_eq!(SCHEDULE.delay(2, None, 0.0), Duration::from_millis(7500));
    }

    #[test]
    fn intercom_is_never_asked_before_the_time_it_named() {
        let asked = Some(Duration::from_secs(3600));
        assert_eq!(SCHEDULE.delay(1, asked, 0.0).as_secs(), 3600);
        assert_eq!(SCHEDULE.delay(1, asked, 1.0).as_secs(), 3605);
        assert_eq!(SCHEDULE.delay(1, None, 1.0).as_secs(), 5);
    }

    #[test]
    fn a_waiting_event_stays_in_front_only_shortly() {
        let seconds = |age| {
            SCHEDULE
                .delay_of_waiting(Duration::from_secs(age))
                .as_secs()
        };
        assert_eq!([0, 5, 20, 800].map(seconds), [5, 5, 20, 30]);
    }
}
