//! What is done with an event of a message, and when a message that stays comes back.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Redelivery;
use super::record::Record;
use crate::delivery::{Failure, Otherwise, Undelivered};
use crate::job::NOT_TRIED;
use crate::status::Status;

/// What is done with an event.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// Intercom has it, except for what these lines name.
    Delivered(Vec<String>),
    /// There is nothing to send.
    Skipped(Cow<'static, str>),
    /// Into the dead-letter queue.
    Rejected(Failure),
    /// Into the group of those that wait for their user.
    Parked(Failure, Otherwise),
    /// Was parked and keeps waiting, at least this long.
    Waits(Failure, Duration, Otherwise),
    /// Stays, and its message with it, at least this long; None: as long as its group.
    Stays(Failure, Option<Duration>),
}

impl Fate {
    pub(super) fn not_tried() -> Self {
        Self::Stays(Failure::new(NOT_TRIED), None)
    }

    /// Whether its message stays in the retry queue.
    pub(super) fn stays(&self) -> bool {
        matches!(self, Self::Waits(..) | Self::Stays(..))
    }

    pub(super) fn status(&self) -> Status {
        match self {
            Self::Delivered(_) => Status::Delivered,
            Self::Skipped(_) => Status::Skipped,
            Self::Rejected(_) => Status::Rejected,
            Self::Parked(..) | Self::Waits(..) => Status::Waiting,
            Self::Stays(..) => Status::Queued,
        }
    }

    /// What Intercom wouldn't take of it, one line each.
    pub(super) fn warnings(&self) -> &[String] {
        match self {
            Self::Delivered(left_out) => left_out,
            _ => &[],
        }
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Rejected(failure)
            | Self::Parked(failure, _)
            | Self::Waits(failure, ..)
            | Self::Stays(failure, _) => Some(failure),
            Self::Delivered(_) | Self::Skipped(_) => None,
        }
    }

    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Skipped(reason) => Some(reason),
            _ => self.failure().map(|failure| &*failure.reason),
        }
    }
}

impl Redelivery {
    /// What is done with an event that wasn't delivered.
    pub(super) fn fate(&self, why: Undelivered, record: &Record<'_>, now: DateTime<Utc>) -> Fate {
        let age = record.age(now);
        let delay = |age, asked| self.schedule.delay(age, asked, fastrand::f64());
        match why {
            Undelivered::Skipped(reason) => Fate::Skipped(reason),
            Undelivered::Rejected(failure) => Fate::Rejected(failure),
            Undelivered::Retry { failure, .. } | Undelivered::RateLimited { failure, .. }
                if age >= self.schedule.give_up_after =>
            {
                Fate::Rejected(given_up(failure, self.schedule.give_up_after))
            }
            Undelivered::Retry { failure, after } => Fate::Stays(failure, Some(delay(age, after))),
            // Intercom says when to come back, and the event itself hasn't failed.
            Undelivered::RateLimited { failure, after } => {
                Fate::Stays(failure, Some(delay(Duration::ZERO, after)))
            }
            Undelivered::NotTried => Fate::not_tried(),
            Undelivered::Waiting { failure, otherwise } => {
                let waited = record.waiting_since().map(|since| now - since);
                let waited = waited.map(|waited| waited.to_std().unwrap_or_default());
                if waited.unwrap_or_default() >= self.schedule.unknown_user {
                    return match otherwise {
                        Otherwise::Rejected => {
                            Fate::Rejected(given_up(failure, self.schedule.unknown_user))
                        }
                        Otherwise::Skipped(reason) => Fate::Skipped(reason),
                        Otherwise::Delivered => Fate::Delivered(Vec::new()),
                    };
                }
                match waited {
                    None => Fate::Parked(failure, otherwise),
                    Some(_) => Fate::Waits(failure, delay(age, None), otherwise),
                }
            }
        }
    }
}

fn given_up(failure: Failure, after: Duration) -> Failure {
    let (number, unit) = match after.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => (seconds / 3600, "hours"),
        seconds => (seconds, "seconds"),
    };
    Failure {
        reason: format!("given up after {number} {unit}: {}", failure.reason),
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::sqs::SqsMessage;
    use serde_json::json;

    use super::*;
    use crate::mapping;
    use crate::retry::Schedule;
    use crate::segment::IgnoredUserIds;

    #[test]
    fn when_the_wait_is_over_each_event_ends_as_its_delivery_says() {
        let redelivery = Redelivery {
            mapping: mapping::Settings::default(),
            schedule: Schedule {
                base: Duration::from_secs(5),
                max: Duration::from_secs(900),
                give_up_after: Duration::from_hours(72),
                unknown_user: Duration::from_mins(15),
            },
        };
        let now = "2026-11-23T12:15:00Z".parse().expect("a date");
        let fate = |since: &str, otherwise| {
            let since = json!({"dataType": "String", "stringValue": since});
            let message = json!({"messageAttributes": {"waitingSince": since}, "attributes": {}});
            let message: SqsMessage = serde_json::from_value(message).expect("a message");
            let why = Undelivered::Waiting {
                failure: Failure::new("unknown"),
                otherwise,
            };
            redelivery.fate(
                why,
                &Record::read(&message, &IgnoredUserIds::default()),
                now,
            )
        };
        let over = "2026-11-23T12:00:00Z";
        assert!(matches!(
            fate(over, Otherwise::Delivered),
            Fate::Delivered(_)
        ));
        let skipped = fate(over, Otherwise::Skipped("no lead".into()));
        assert!(matches!(skipped, Fate::Skipped(reason) if reason == "no lead"));
        let rejected = fate(over, Otherwise::Rejected);
        assert_eq!(
            rejected.reason(),
            Some("given up after 900 seconds: unknown")
        );
        let not_over = fate("2026-11-23T12:00:01Z", Otherwise::Delivered);
        assert!(matches!(not_over, Fate::Waits(..)));
        assert!(matches!(fate("", Otherwise::Delivered), Fate::Parked(..)));
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
            let failure = given_up(Failure::new("unknown"), Duration::from_secs(seconds));
            assert_eq!(
                failure.reason,
                format!("given up after {expected}: unknown")
            );
        }
    }
}
