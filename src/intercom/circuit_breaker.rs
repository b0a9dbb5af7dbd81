//! A circuit breaker for an Intercom that doesn't answer. Pure: the time is an argument.

use std::time::{Duration, SystemTime};

/// No call is made for this long after one that timed out: each would block this instance for its
/// whole time limit, and with it a share of the account's concurrency.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// A timeout shorter than this doesn't prove that Intercom hangs.
const FAIR_CHANCE: Duration = Duration::from_secs(1);

/// Open while calls are refused. Times are wall-clock times: no other clock goes on while Lambda
/// freezes the instance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CircuitBreaker {
    opened_at: Option<SystemTime>,
}

impl CircuitBreaker {
    /// How long no call is to be made, `None` if one may be made now. Once that time is over one
    /// call tries, and the others wait for its result.
    pub(super) fn refuse(&mut self, now: SystemTime) -> Option<Duration> {
        let opened_at = self.opened_at?;
        // A clock that was set back doesn't prolong it.
        let open_for = now.duration_since(opened_at).unwrap_or(OPEN_FOR);
        let left = OPEN_FOR.saturating_sub(open_for);
        if !left.is_zero() {
            return Some(left);
        }
        self.opened_at = Some(now);
        None
    }

    /// A call got no answer for this long.
    pub(super) fn timed_out(&mut self, after: Duration, now: SystemTime) {
        if after >= FAIR_CHANCE {
            self.opened_at = Some(now);
        }
    }

    /// Intercom answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.opened_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_timeout_nobody_calls_for_a_while_then_one_does() {
        let ended = SystemTime::UNIX_EPOCH + Duration::from_hours(9);
        let mut breaker = CircuitBreaker::default();
        assert_eq!(breaker.refuse(ended), None);
        breaker.timed_out(FAIR_CHANCE, ended);
        assert_eq!(breaker.refuse(ended), Some(OPEN_FOR));
        let later = ended + OPEN_FOR;
        assert_eq!(breaker.refuse(later), None, "one tries");
        assert_eq!(breaker.refuse(later), Some(OPEN_FOR), "the others don't");
        breaker.answered();
        assert_eq!(breaker.refuse(later), None);
    }

    #[test]
    fn a_call_that_had_hardly_any_time_shows_nothing() {
        let now = SystemTime::UNIX_EPOCH;
        let mut breaker = CircuitBreaker::default();
        breaker.timed_out(FAIR_CHANCE / 2, now);
        assert_eq!(breaker.refuse(now), None);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_waiting() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(9);
        let mut breaker = CircuitBreaker::default();
        breaker.timed_out(FAIR_CHANCE, now);
        assert_eq!(breaker.refuse(now - Duration::from_hours(1)), None);
    }
}
