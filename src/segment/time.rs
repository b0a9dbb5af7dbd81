//! When an event happened.
//!
//! The rule and its source: `docs/mapping.md#when`.

use super::Event;
use super::date::{is_plausible, timestamp_millis};

/// How far an SDK's `sentAt` may be from the receipt before its clock counts as wrong: the request
/// took time on the way. Correcting for that would give an event that is sent again to another
/// instance another second, and Intercom recognises a repeat by its second.
const UNDERWAY_MILLIS: u64 = 5_000;

impl Event<'_> {
    /// When it happened, in Unix seconds. `received_at_millis` is when this project first saw
    /// it, so that a retry keeps the time; nothing happened after that.
    ///
    /// From Segment itself: `timestamp`, which Segment has corrected; else
    /// `receivedAt − (sentAt − originalTimestamp)`; else `originalTimestamp`. From an SDK,
    /// whose `timestamp` is by the sender's own clock: `received − (sentAt − timestamp)` where that
    /// clock is wrong by more than 5 s, else `timestamp`. What isn't
    /// [plausible](super::timestamp) is passed over.
    pub fn time(&self, received_at_millis: i64, is_from_segment: bool) -> i64 {
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
            let clock_is_wrong = date("sentAt")
                .is_some_and(|sent| sent.abs_diff(received_at_millis) > UNDERWAY_MILLIS);
            let own = date("timestamp").or_else(|| date("originalTimestamp"));
            own.map(|own| match corrected(own, received_at_millis) {
                Some(corrected) if clock_is_wrong => corrected,
                _ => own,
            })
        };
        let happened = happened.unwrap_or(received_at_millis);
        happened.min(received_at_millis).div_euclid(1000)
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
                r#"{"originalTimestamp":1000,"sentAt":1060}"#,
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
                event(json).time(RECEIVED_AT_MILLIS, true),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_sent_once_more_happened_at_the_same_time() {
        let event = event(r#"{"timestamp":1699999990900,"sentAt":1700000000000}"#);
        for underway_millis in [0, 50, 150, 1_100, 4_900] {
            let received = 1_700_000_000_000 + underway_millis;
            assert_eq!(event.time(received, false), 1_699_999_990);
        }
        assert_eq!(event.time(1_700_000_006_000, false), 1_699_999_996);
        assert_eq!(event.time(1_699_999_994_000, false), 1_699_999_984);
    }

    #[test]
    fn the_time_by_the_clock_of_an_sdk() {
        let cases = [
            // Its clock is an hour fast, a day slow.
            (
                r#"{"timestamp":1700003590,"sentAt":1700003600}"#,
                1_699_999_990,
            ),
            (
                r#"{"timestamp":1699913590,"sentAt":1699913600}"#,
                1_699_999_990,
            ),
            // An import.
            (
                r#"{"timestamp":"2014-03-11","sentAt":1700000000500}"#,
                1_394_496_000,
            ),
            (r#"{"timestamp":"2014-03-11"}"#, 1_394_496_000),
            (r#"{"originalTimestamp":1000,"sentAt":1060}"#, 1_699_999_940),
            (r#"{"timestamp":1700003600}"#, 1_700_000_000),
            (r#"{"timestamp":1060,"sentAt":1000}"#, 1_700_000_000),
            (r#"{"timestamp":1699999000,"sentAt":"soon"}"#, 1_699_999_000),
            (r#"{"timestamp":1,"sentAt":4102444800}"#, 1),
            (r#"{"timestamp":-1,"sentAt":1700000000}"#, 1_700_000_000),
            (r#"{"sentAt":1600000000}"#, 1_700_000_000),
        ];
        for (json, expected) in cases {
            assert_eq!(
                event(json).time(RECEIVED_AT_MILLIS, false),
                expected,
                "{json}"
            );
        }
    }
}
