//! What is done with an event, decided from what its delivery found. Pure.
//!
//! As `docs/operations.md#when-an-event-fails` tells users.

use std::borrow::Cow;
use std::time::Duration;

use super::{Otherwise, Undelivered};
use crate::failure::{Code, Failure};
use crate::retry::Schedule;
use crate::status::Status;

/// Why an event wasn't even tried.
const NOT_TRIED: &str = "an earlier event of its user has to be delivered first";

/// Why an event that waited is in the retry queue again.
const WAIT_IS_OVER: &str =
    "its wait is over: it is tried once more, behind its user's queued events";

/// What is done with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Intercom has it, except for what was left out.
    Delivered,
    /// There is nothing to send, for this reason.
    Skipped(Cow<'static, str>),
    /// Into the dead-letter queue.
    Rejected(Code, Failure),
    /// Into the retry queue, or it stays there.
    Queued {
        /// Why.
        failure: Failure,
        /// How long at least; None: as long as the earlier events of its user.
        delay: Option<Duration>,
    },
    /// Apart from its user's other events, until Intercom knows the user.
    Waiting {
        /// Why.
        failure: Failure,
        /// Until it is tried again.
        delay: Duration,
        /// What becomes of it when the wait is over.
        otherwise: Otherwise,
    },
    /// Its wait is over: back into the retry queue, behind the events queued there of the user
    /// that it waits for.
    WaitIsOver,
    /// Could be neither delivered nor queued.
    Lost(Cow<'static, str>),
}

impl Fate {
    /// Queued without a delay of its own.
    pub fn queued(reason: impl Into<String>) -> Self {
        Self::Queued {
            failure: Failure::new(reason),
            delay: None,
        }
    }

    /// Queued, because an earlier event of its user has to be delivered first.
    pub fn not_tried() -> Self {
        Self::queued(NOT_TRIED)
    }

    /// Its word in answers and in the log.
    pub fn status(&self) -> Status {
        match self {
            Self::Delivered => Status::Delivered,
            Self::Skipped(_) => Status::Skipped,
            Self::Rejected(..) => Status::Rejected,
            Self::Queued { .. } => Status::Queued,
            Self::Waiting { .. } | Self::WaitIsOver => Status::Waiting,
            Self::Lost(_) => Status::Lost,
        }
    }

    /// Why, unless it was delivered.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::WaitIsOver => Some(WAIT_IS_OVER),
            Self::Skipped(reason) | Self::Lost(reason) => Some(reason),
            Self::Rejected(_, failure)
            | Self::Queued { failure, .. }
            | Self::Waiting { failure, .. } => Some(&failure.reason),
        }
    }

    /// Intercom's answer, where that is the reason.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Rejected(_, failure)
            | Self::Queued { failure, .. }
            | Self::Waiting { failure, .. } => Some(failure),
            Self::Delivered | Self::Skipped(_) | Self::WaitIsOver | Self::Lost(_) => None,
        }
    }

    /// How long it has to wait at least, where it has a delay of its own.
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Self::Queued { delay, .. } => *delay,
            Self::Waiting { delay, .. } => Some(*delay),
            _ => None,
        }
    }
}

/// Decides what is done with an event that wasn't delivered.
///
/// `age` is how long ago the event was first received, `None` when it has just come in: then it is
/// queued at least once, whatever `RETRY_HOURS` says. `waited` is how long it has been waiting for
/// its user, `None` when it hasn't. `jitter` (0 to 1) spreads the delays.
pub fn decide(
    why: &Undelivered,
    age: Option<Duration>,
    waited: Option<Duration>,
    schedule: &Schedule,
    jitter: f64,
) -> Fate {
    let is_too_old = age.is_some_and(|age| age >= schedule.give_up_after);
    let age_or_zero = age.unwrap_or_default();
    match why {
        Undelivered::Rejected(code, failure) => Fate::Rejected(*code, failure.clone()),
        Undelivered::Retry { failure, .. } if is_too_old => {
            Fate::Rejected(Code::GaveUp, given_up(failure, schedule.give_up_after))
        }
        Undelivered::Retry { failure, after } => Fate::Queued {
            failure: failure.clone(),
            delay: Some(schedule.delay(age_or_zero, *after, jitter)),
        },
        // The event itself hasn't failed, so neither its delay nor its end counts this.
        Undelivered::Untried { failure, after } => Fate::Queued {
            failure: failure.clone(),
            delay: Some(schedule.delay(Duration::ZERO, *after, jitter)),
        },
        Undelivered::NotTried => Fate::not_tried(),
        Undelivered::Waiting { failure, otherwise } => {
            let is_over = age.is_some() && waited.unwrap_or_default() >= schedule.unknown_user;
            match otherwise {
                Otherwise::Rejected if is_over => {
                    Fate::Rejected(Code::UnknownUser, given_up(failure, schedule.unknown_user))
                }
                Otherwise::Skipped(reason) if is_over => Fate::Skipped(reason.clone()),
                Otherwise::Delivered if is_over => Fate::Delivered,
                otherwise => {
                    // A wait that begins now is a first retry, however old the event is.
                    let waited = waited.unwrap_or_default();
                    let left = schedule.unknown_user.saturating_sub(waited);
                    let delay = schedule.delay(waited, None, jitter);
                    Fate::Waiting {
                        failure: failure.clone(),
                        delay: delay.min(left.max(schedule.base)),
                        otherwise: otherwise.clone(),
                    }
                }
            }
        }
    }
}

fn given_up(failure: &Failure, after: Duration) -> Failure {
    let (number, unit) = match after.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => (seconds / 3600, "hours"),
        seconds => (seconds, "seconds"),
    };
    Failure {
        reason: format!("given up after {number} {unit}: {}", failure.reason),
        ..failure.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        base: Duration::from_secs(5),
        max: Duration::from_secs(900),
        give_up_after: Duration::from_hours(72),
        unknown_user: Duration::from_mins(15),
    };

    fn why() -> Failure {
        Failure::new("why")
    }

    fn retry(after: Option<u64>) -> Undelivered {
        let after = after.map(Duration::from_secs);
        let failure = why();
        Undelivered::Retry { failure, after }
    }

    fn untried(after: Option<u64>) -> Undelivered {
        let after = after.map(Duration::from_secs);
        let failure = why();
        Undelivered::Untried { failure, after }
    }

    fn waiting(otherwise: Otherwise) -> Undelivered {
        let failure = why();
        Undelivered::Waiting { failure, otherwise }
    }

    fn queued(seconds: u64) -> Fate {
        Fate::Queued {
            failure: why(),
            delay: Some(Duration::from_secs(seconds)),
        }
    }

    fn still_waiting(seconds: u64, otherwise: Otherwise) -> Fate {
        Fate::Waiting {
            failure: why(),
            delay: Duration::from_secs(seconds),
            otherwise,
        }
    }

    fn rejected(code: Code, reason: &str) -> Fate {
        Fate::Rejected(code, Failure::new(reason))
    }

    /// What is found, its age and its wait in seconds, and what is decided with the longest jitter.
    #[test]
    fn what_is_done_with_an_event_that_was_not_delivered() {
        const OLD: u64 = 72 * 3600;
        let refused = || Undelivered::refused(why());
        let no_lead = || Otherwise::Skipped("no lead".into());
        let gave_up = || rejected(Code::GaveUp, "given up after 72 hours: why");
        let unknown = || rejected(Code::UnknownUser, "given up after 900 seconds: why");
        let cases = [
            (
                refused(),
                None,
                None,
                rejected(Code::IntercomRefused, "why"),
            ),
            (
                refused(),
                Some(9),
                None,
                rejected(Code::IntercomRefused, "why"),
            ),
            (retry(None), None, None, queued(5)),
            (retry(Some(60)), None, None, queued(65)),
            (retry(None), Some(0), None, queued(5)),
            (retry(None), Some(100), None, queued(205)),
            (retry(None), Some(OLD - 1), None, queued(900)),
            (retry(None), Some(OLD), None, gave_up()),
            (untried(None), Some(100), None, queued(5)),
            (untried(Some(8)), None, None, queued(13)),
            (untried(Some(8)), Some(OLD - 1), None, queued(13)),
            (untried(Some(8)), Some(OLD), None, queued(13)),
            (untried(None), Some(2 * OLD), None, queued(5)),
            (Undelivered::NotTried, None, None, Fate::not_tried()),
            (Undelivered::NotTried, Some(OLD), None, Fate::not_tried()),
            (
                waiting(Otherwise::Rejected),
                None,
                None,
                still_waiting(5, Otherwise::Rejected),
            ),
            (
                waiting(no_lead()),
                Some(OLD),
                None,
                still_waiting(5, no_lead()),
            ),
            (
                waiting(Otherwise::Delivered),
                Some(899),
                Some(899),
                still_waiting(5, Otherwise::Delivered),
            ),
            (
                waiting(no_lead()),
                Some(OLD),
                Some(100),
                still_waiting(205, no_lead()),
            ),
            (
                waiting(Otherwise::Rejected),
                Some(OLD),
                Some(700),
                still_waiting(200, Otherwise::Rejected),
            ),
            (
                waiting(Otherwise::Rejected),
                Some(OLD),
                Some(899),
                still_waiting(5, Otherwise::Rejected),
            ),
            (
                waiting(Otherwise::Rejected),
                Some(900),
                Some(900),
                unknown(),
            ),
            (
                waiting(no_lead()),
                Some(900),
                Some(900),
                Fate::Skipped("no lead".into()),
            ),
            (
                waiting(Otherwise::Delivered),
                Some(900),
                Some(900),
                Fate::Delivered,
            ),
        ];
        for (why, age, waited, expected) in cases {
            let case = format!("{why:?} {age:?} {waited:?}");
            let [age, waited] = [age, waited].map(|seconds| seconds.map(Duration::from_secs));
            assert_eq!(
                decide(&why, age, waited, &SCHEDULE, 1.0),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn without_retries_or_a_wait_a_new_event_is_queued_once_and_then_ends() {
        let none = Schedule {
            give_up_after: Duration::ZERO,
            unknown_user: Duration::ZERO,
            ..SCHEDULE
        };
        let unknown = || waiting(Otherwise::Rejected);
        let no_age = Some(Duration::ZERO);
        for (why, age, expected) in [
            (retry(None), None, queued(5)),
            (untried(None), None, queued(5)),
            (unknown(), None, still_waiting(5, Otherwise::Rejected)),
            (
                retry(None),
                no_age,
                rejected(Code::GaveUp, "given up after 0 seconds: why"),
            ),
            (untried(None), no_age, queued(5)),
            (
                unknown(),
                no_age,
                rejected(Code::UnknownUser, "given up after 0 seconds: why"),
            ),
        ] {
            let case = format!("{why:?} {age:?}");
            assert_eq!(decide(&why, age, None, &none, 1.0), expected, "{case}");
        }
    }

    #[test]
    fn a_time_is_named_in_the_unit_of_its_setting() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (60, "60 seconds"),
            (3_600, "1 hours"),
            (5_400, "5400 seconds"),
            (259_200, "72 hours"),
        ] {
            let failure = given_up(&Failure::new("unknown"), Duration::from_secs(seconds));
            assert_eq!(
                failure.reason,
                format!("given up after {expected}: unknown")
            );
        }
    }
}
