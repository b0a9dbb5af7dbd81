//! An Intercom that doesn't answer. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// No call is made for this long after one that timed out: each would block this instance for its
/// whole time limit, and with it a share of the account's concurrency.
const PAUSE: Duration = Duration::from_secs(5);

/// A timeout shorter than this doesn't prove that Intercom hangs.
const FAIR_CHANCE: Duration = Duration::from_secs(1);

/// Whether Intercom answers at all, as far as this instance knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    until: Option<Instant>,
}

impl Silence {
    /// How long no call is to be made, `None` if one may be made now. After a silence one call
    /// tries, and the others wait for its result.
    pub(super) fn refuse(&mut self, now: Instant) -> Option<Duration> {
        let until = self.until?;
        if now < until {
            return Some(until - now);
        }
        self.until = Some(now + PAUSE);
        None
    }

    /// A call that began at `began` got no answer in time.
    pub(super) fn timed_out(&mut self, began: Instant, now: Instant) {
        if now.duration_since(began) >= FAIR_CHANCE {
            self.until = Some(now + PAUSE);
        }
    }

    /// Intercom answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_timeout_nobody_calls_for_a_while_then_one_does() {
        let began = Instant::now();
        let mut silence = Silence::default();
        assert_eq!(silence.refuse(began), None);
        let ended = began + FAIR_CHANCE;
        silence.timed_out(began, ended);
        assert_eq!(silence.refuse(ended), Some(PAUSE));
        let later = ended + PAUSE;
        assert_eq!(silence.refuse(later), None, "one tries");
        assert_eq!(silence.refuse(later), Some(PAUSE), "the others don't");
        silence.answered();
        assert_eq!(silence.refuse(later), None);
    }

    #[test]
    fn a_call_that_had_hardly_any_time_shows_nothing() {
        let began = Instant::now();
        let mut silence = Silence::default();
        let ended = began + FAIR_CHANCE / 2;
        silence.timed_out(began, ended);
        assert_eq!(silence.refuse(ended), None);
    }
}
