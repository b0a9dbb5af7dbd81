//! When an event happened.
//!
//! The rule and its source: `docs/mapping.md#when`.

use super::Event;
use super::date::{is_plausible, timestamp_millis};

/// How much later than the receipt an SDK's `sentAt` may be before its clock counts as ahead. A
/// smaller correction would move a repeated event to another second, and Intercom recognises a
/// repeat by its second.
const CLOCK_TOLERANCE_MILLIS: i64 = 5_000;

/// The fields that say when an event happened, and when it was on its way.
const TIME_FIELDS: [&str; 4] = ["timestamp", "originalTimestamp", "sentAt", "receivedAt"];

/// When an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// Unix seconds, not later than the receipt.
    pub seconds: i64,
    /// Whether the event says a time after the receipt, beyond what a clock may be wrong.
    pub is_after_receipt: bool,
}

impl Event<'_> {
    /// When it happened. `received_at_millis` is when this project first saw it, so that a retry
    /// keeps the time; nothing happened after that.
    ///
    /// From Segment itself: `timestamp`, which Segment has corrected; else
    /// `receivedAt − (sentAt − originalTimestamp)`; else `originalTimestamp`. From an SDK,
    /// whose `timestamp` is by the sender's own clock: `received − (sentAt − timestamp)` where
    /// `sentAt` is more than 5 s after the receipt, which proves that clock to be ahead; else
    /// `timestamp`. A `sentAt` before the receipt proves nothing: some SDKs write it once and send
    /// the same body again, others send it hours later. What isn't [plausible](super::timestamp)
    /// is passed over.
    pub fn time(&self, received_at_millis: i64, is_from_segment: bool) -> EventTime {
        let date = |key| timestamp_millis(self.fields().get(key)?);
        let corrected = |own: i64, received: i64| {
            let corrected = received.checked_sub(date("sentAt")?.checked_sub(own)?)?;
            is_plausible(corrected).then_some(corrected)
        };
        let happened = if is_from_segment {
            let corrected = || {
                let received = date("receivedAt").unwrap_or(received_at_millis);
                corrected(date("originalTimestamp")?, received)
            };
            date("timestamp")
                .or_else(corrected)
                .or_else(|| date("originalTimestamp"))
        } else {
            let is_clock_ahead = date("sentAt")
                .is_some_and(|sent| sent > received_at_millis + CLOCK_TOLERANCE_MILLIS);
            let own = date("timestamp").or_else(|| date("originalTimestamp"));
            own.map(|own| match corrected(own, received_at_millis) {
                Some(corrected) if is_clock_ahead => corrected,
                _ => own,
            })
        };
        let happened = happened.unwrap_or(received_at_millis);
        EventTime {
            seconds: happened.min(received_at_millis).div_euclid(1000),
            is_after_receipt: happened > received_at_millis + CLOCK_TOLERANCE_MILLIS,
        }
    }

    /// The fields of its times that can't be read.
    pub fn unreadable_times(&self) -> impl Iterator<Item = &'static str> {
        TIME_FIELDS.into_iter().filter(|key| {
            let value = self.fields().get(key).filter(|value| !value.is_null());
            value.is_some_and(|value| timestamp_millis(value).is_none())
        })
    }

    /// Whether it has the fields that only Segment adds, so that its time has been corrected.
    pub fn has_segments_own_times(&self) -> bool {
        ["receivedAt", "originalTimestamp"]
            .iter()
            .all(|key| self.fields().get(key).is_some_and(|value| !value.is_null()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::IgnoredUserIds;
    use super::*;

    fn event(json: &str) -> Event<'_> {
        Event::new(
            serde_json::from_str(json).expect("valid JSON"),
            &IgnoredUserIds::default(),
        )
        .expect("an object")
    }

    const RECEIVED_AT_MILLIS: i64 = 1_700_000_000_500;

    #[test]
    fn the_time_of_segments_own_event() {
        let cases = [
            (
                r#"{"timestamp":"2014-03-11","originalTimestamp":"2015-01-01","sentAt":"2016-01-01"}"#,
                1_394_496_000,
            ),
            (
                r#"{"originalTimestamp":"2014-03-11T00:00:00Z","sentAt":"2014-03-11T00:01:00Z",
                    "receivedAt":"2014-03-11T02:01:00Z"}"#,
                1_394_503_200,
            ),
            (
                r#"{"originalTimestamp":1600000000,"sentAt":1600000060}"#,
                1_700_000_000 - 60,
            ),
            (r#"{"originalTimestamp":"2014-03-11"}"#, 1_394_496_000),
            (
                r#"{"timestamp":"0001-01-01T00:00:00Z","originalTimestamp":"2014-03-11"}"#,
                1_394_496_000,
            ),
            (r#"{"timestamp":"2099-01-01"}"#, 1_700_000_000),
            (r#"{"timestamp":"soon"}"#, 1_700_000_000),
            ("{}", 1_700_000_000),
        ];
        for (json, expected) in cases {
            assert_eq!(
                event(json).time(RECEIVED_AT_MILLIS, true).seconds,
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_sent_once_more_happened_at_the_same_time() {
        let event = event(r#"{"timestamp":1699999990900,"sentAt":1700000000000}"#);
        for underway_millis in [-4_900, 0, 50, 4_900, 11_000, 600_000, 86_400_000] {
            let received = 1_700_000_000_000 + underway_millis;
            assert_eq!(event.time(received, false).seconds, 1_699_999_990);
        }
        assert_eq!(event.time(1_699_999_994_000, false).seconds, 1_699_999_984);
    }

    #[test]
    fn a_time_after_the_receipt_is_told() {
        for (json, expected) in [
            (r#"{"timestamp":1700000005}"#, false),
            (r#"{"timestamp":1700000006}"#, true),
            (r#"{"timestamp":1700003590,"sentAt":1700003600}"#, false),
            (r#"{"timestamp":1699990000}"#, false),
        ] {
            let time = event(json).time(RECEIVED_AT_MILLIS, false);
            assert_eq!(time.is_after_receipt, expected, "{json}");
        }
    }

    #[test]
    fn times_that_are_none() {
        let event = event(r#"{"timestamp":"10.11.2026 10:00","sentAt":[],"receivedAt":null}"#);
        let unreadable: Vec<_> = event.unreadable_times().collect();
        assert_eq!(unreadable, ["timestamp", "sentAt"]);
    }

    #[test]
    fn the_time_by_the_clock_of_an_sdk() {
        let cases = [
            // Its clock is an hour fast. A clock that is a day slow can't be told from a late request.
            (
                r#"{"timestamp":1700003590,"sentAt":1700003600}"#,
                1_699_999_990,
            ),
            (
                r#"{"timestamp":1699913590,"sentAt":1699913600}"#,
                1_699_913_590,
            ),
            // An import.
            (
                r#"{"timestamp":"2014-03-11","sentAt":1700000000500}"#,
                1_394_496_000,
            ),
            (r#"{"timestamp":"2014-03-11"}"#, 1_394_496_000),
            (
                r#"{"originalTimestamp":1600000000,"sentAt":1600000060}"#,
                1_600_000_000,
            ),
            (r#"{"timestamp":1700003600}"#, 1_700_000_000),
            (
                r#"{"timestamp":1700003700,"sentAt":1700003600}"#,
                1_700_000_000,
            ),
            (
                r#"{"timestamp":"soon","originalTimestamp":1600000000}"#,
                1_600_000_000,
            ),
            (r#"{"timestamp":1699999000,"sentAt":"soon"}"#, 1_699_999_000),
            (
                r#"{"timestamp":100000000,"sentAt":4102444800}"#,
                100_000_000,
            ),
            (r#"{"timestamp":-1,"sentAt":1700000000}"#, 1_700_000_000),
            (r#"{"sentAt":1600000000}"#, 1_700_000_000),
        ];
        for (json, expected) in cases {
            assert_eq!(
                event(json).time(RECEIVED_AT_MILLIS, false).seconds,
                expected,
                "{json}"
            );
        }
    }
}
