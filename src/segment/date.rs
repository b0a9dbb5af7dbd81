//! Dates in every form that Segment's sources send, as Unix seconds.
//!
//! No crate reads just these: the ones that take any form also guess at `03/04/2016` or read
//! "17:46" as today, by the clock.
//!
//! The forms: `docs/mapping.md#dates`.

mod of_libraries;
mod written_out;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::Value;
use of_libraries::{in_object, in_other_words};
use written_out::written_out;

/// Numbers from here on are milliseconds: as seconds they would be beyond the year 2969.
const FIRST_MILLISECONDS: f64 = 31_557_600_000.0;

/// From 16 digits on, numbers are microseconds.
const FIRST_MICROSECONDS: f64 = 1e15;

/// From 19 digits on, numbers are nanoseconds.
const FIRST_NANOSECONDS: f64 = 1e18;

/// The range of plausible dates, in milliseconds, up to the year 2100. Outside lie the zero dates
/// of Go and C# (the year 1), -1 and 9999-12-31, for any of which Intercom refuses the whole write.
const PLAUSIBLE: std::ops::RangeInclusive<i64> = 1_000..=4_102_444_800_000;

/// The range of dates in a person's life, in milliseconds: from 1900, without the zero dates.
const OF_A_LIFE: std::ops::RangeInclusive<i64> = -2_208_988_800_000..=*PLAUSIBLE.end();

/// Smaller numbers are counts, or ids: as seconds they would be before March 1973.
const FIRST_SECONDS: f64 = 100_000_000.0;

/// Unix seconds of a date, from 1 to 4,102,444,800: ISO 8601 and RFC 3339 (also `2014`,
/// `2014-03`, `20140311`), RFC 2822, the default formats of JavaScript, Go, Ruby and Unix and
/// whatever else JavaScript's `Date` reads without doubt, what libraries make of a date in JSON,
/// Unix seconds to nanoseconds as a number or as digits.
///
/// `None` when it isn't a date, nor for `03/04/2016`, where day and month can't be told apart.
pub fn timestamp(value: &Value<'_>) -> Option<i64> {
    timestamp_millis(value).map(whole_seconds)
}

/// Unix milliseconds of a date, read as [`timestamp`] reads it.
pub(super) fn timestamp_millis(value: &Value<'_>) -> Option<i64> {
    let millis = match value {
        Value::Number(number) => millis_of_json_number(number.as_f64()?),
        Value::Str(text) => millis_of_text(text.trim()),
        Value::Object(object) => in_object(object),
        _ => None,
    };
    millis.filter(|millis| is_plausible(*millis))
}

/// Whether these Unix milliseconds are within the range of [`timestamp`].
pub(super) fn is_plausible(millis: i64) -> bool {
    PLAUSIBLE.contains(&millis)
}

/// Unix seconds of a string that is unmistakably an ISO 8601 date: it starts with `YYYY-MM-DD`.
///
/// From 1900 to 2100, so that birthdays count and zero dates don't. For values whose key doesn't
/// say that they are dates. Stricter than [`timestamp`], as Segment's own `isodate` is there: the
/// postcode "2014" stays a postcode.
pub fn iso_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let starts_with_date = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(i, byte)| match i {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let millis = starts_with_date.then(|| iso(text))?;
    millis
        .filter(|millis| OF_A_LIFE.contains(millis))
        .map(whole_seconds)
}

fn whole_seconds(millis: i64) -> i64 {
    millis.div_euclid(1000)
}

fn millis_of_text(text: &str) -> Option<i64> {
    as_written(text).or_else(|| as_written(&in_other_words(text)?))
}

fn as_written(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.len() {
            4 | 8 => iso(text),
            _ => millis_of_json_number(text.parse().ok()?),
        };
    }
    iso(text)
        .or_else(|| written_out(text))
        .or_else(|| Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis()))
}

/// Of a number that may also be a day, as in 20231124.
fn millis_of_json_number(number: f64) -> Option<i64> {
    if number < FIRST_SECONDS {
        let is_day = (10_000_000.0..FIRST_SECONDS).contains(&number) && number.fract() == 0.0;
        return is_day.then(|| iso(&number.to_string()))?;
    }
    let millis = match number {
        nanos if nanos >= FIRST_NANOSECONDS => nanos / 1e6,
        micros if micros >= FIRST_MICROSECONDS => micros / 1e3,
        millis if millis >= FIRST_MILLISECONDS => millis,
        seconds => seconds * 1e3,
    };
    // Outside of chrono's range there is no such date, whatever the number.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the check after it"
    )]
    let whole = millis.floor() as i64;
    DateTime::from_timestamp_millis(whole).map(|_| whole)
}

/// ISO 8601 with a zone, in what RFC 3339 leaves out.
const WITH_OFFSET: [&str; 3] = [
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y%m%dT%H%M%S%.f%#z",
];

/// ISO 8601 without a zone, which is UTC then.
const WITHOUT_OFFSET: [&str; 3] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%S%.f"];

fn iso(text: &str) -> Option<i64> {
    if let Ok(date_time) = DateTime::parse_from_rfc3339(text) {
        return Some(date_time.timestamp_millis());
    }
    if let Some(date) = iso_date(text) {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    let separator = if text.as_bytes().get(8) == Some(&b'T') {
        8
    } else {
        10
    };
    if !matches!(text.as_bytes().get(separator), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let text = format!("{}T{}", text.get(..separator)?, text.get(separator + 1..)?);
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return without_offset(utc);
    }
    WITH_OFFSET
        .iter()
        .find_map(|format| DateTime::parse_from_str(&text, format).ok())
        .map(|date_time| date_time.timestamp_millis())
        .or_else(|| without_offset(&text))
}

fn without_offset(text: &str) -> Option<i64> {
    WITHOUT_OFFSET
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|date_time| date_time.and_utc().timestamp_millis())
}

fn iso_date(text: &str) -> Option<NaiveDate> {
    let digits = |range| -> Option<u32> {
        let part: &str = text.get(range)?;
        let all_digits = part.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| part.parse().ok())?
    };
    let is_hyphen = |at: usize| text.as_bytes()[at] == b'-';
    let (month, day) = match text.len() {
        4 => (1, 1),
        7 if is_hyphen(4) => (digits(5..7)?, 1),
        8 => (digits(4..6)?, digits(6..8)?),
        10 if is_hyphen(4) && is_hyphen(7) => (digits(5..7)?, digits(8..10)?),
        _ => return None,
    };
    NaiveDate::from_ymd_opt(i32::try_from(digits(0..4)?).ok()?, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<i64> {
        timestamp(&serde_json::from_str(json).expect("valid JSON"))
    }

    #[test]
    fn every_listed_form() {
        let day = 1_394_496_000; // 2014-03-11T00:00:00Z
        let cases = [
            (r#""2014-03-11T00:00:00Z""#, day),
            (r#""2014-03-11T00:00:00.123Z""#, day),
            (r#""2014-03-11T01:00:00+01:00""#, day),
            (r#""2014-03-11T01:00:00+0100""#, day),
            (r#""2014-03-11T01:00+01""#, day),
            (r#""2014-03-11 00:00:00""#, day),
            (r#""2014-03-11 00:00:00Z""#, day),
            (r#""2014-03-11T00:00""#, day),
            (r#""2014-03-11T00:00Z""#, day),
            (r#""20140311T000000Z""#, day),
            (r#""2014-03-11""#, day),
            (r#""20140311""#, day),
            (r#""2014-03""#, 1_393_632_000),
            (r#""2014""#, 1_388_534_400),
            (r#"" 2014-03-11 ""#, day),
            (r#""2014-3-11T00:00:00.276Z""#, day),
            (r#""2014-3-11""#, day),
            (r#""2014-03-1T00:00:00Z""#, day - 10 * 86_400),
            (r#""2014-03-11T00:00:00,276Z""#, day),
            (r#""2014-03-11 00:00:00,276""#, day),
            (r#""2014-03-11T00:00:00Z[GMT]""#, day),
            (r#""2014-03-11T00:00:00[UTC]""#, day),
            (r#""2014-03-11T01:00+01:00[Europe/Berlin]""#, day),
            (r#""1394496000.276""#, day),
            (r#""1394496000276.5""#, day),
            (r#""/Date(1394496000276)/""#, day),
            (r#""/Date(1394496000276+0100)/""#, day),
            (r#""\/Date(1394496000276)\/""#, day),
            (r#"{"$date":"2014-03-11T00:00:00Z"}"#, day),
            (r#"{"$date":1394496000276}"#, day),
            (r#"{"$date":{"$numberLong":"1394496000276"}}"#, day),
            (r#"{"_seconds":1394496000,"_nanoseconds":276000000}"#, day),
            (r#"{"seconds":1394496000,"nanoseconds":0}"#, day),
            (r#"{"seconds":"1394496000"}"#, day),
            (
                r#"{"date":"2014-03-11 00:00:00.000000","timezone_type":3,"timezone":"UTC"}"#,
                day,
            ),
            (
                r#"{"date":"2014-03-11 01:00:00.000000","timezone_type":1,"timezone":"+01:00"}"#,
                day,
            ),
            ("20140311", day),
            (r#""Tue, 11 Mar 2014 00:00:00 +0000""#, day),
            (r#""Tue, 11 Mar 2014 00:00:00 GMT""#, day),
            (
                r#""Thu Mar 24 2016 17:46:45 GMT+0000 (UTC)""#,
                1_458_841_605,
            ),
            (
                r#""Thu Mar 24 2016 18:46:45 GMT+0100 (Central European Time)""#,
                1_458_841_605,
            ),
            (
                r#""2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29""#,
                1_589_068_489,
            ),
            (r#""2020-05-09 23:54:49 +0000 UTC""#, 1_589_068_489),
            (r#""1394496000000""#, day),
            (r#""1394496000""#, day),
            ("1394496000000", day),
            ("1394496000", day),
            ("1394496000.9", day),
            ("4102444800", 4_102_444_800),
            ("31557600000", 31_557_600),
            ("100000000", 100_000_000),
            ("1394496000000000", day),
            (r#""1394496000000000""#, day),
            ("1394496000000000000", day),
            (r#""1394496000000000000""#, day),
            (r#""2016-03-24 17:46:45 UTC""#, 1_458_841_605),
            (r#""2016-03-24 17:46:45 Z""#, 1_458_841_605),
            (r#""2016-03-24 17:46:45.123 UTC""#, 1_458_841_605),
            (r#""2016-03-24 18:46:45 +0100""#, 1_458_841_605),
            (r#""2016-03-24 UTC""#, 1_458_777_600),
            (r#""Thu Mar 24 17:46:45 UTC 2016""#, 1_458_841_605),
            (r#""Thu Mar 24 17:46:45 +0000 2016""#, 1_458_841_605),
            (r#""Thu Mar 24 17:46:45 2016""#, 1_458_841_605),
            (r#""Thu, 24 Mar 2016 17:46:45 UTC""#, 1_458_841_605),
            (r#""24 March 2016""#, 1_458_777_600),
            (r#""2016/03/24""#, 1_458_777_600),
            (r#""2016/03/24 17:46""#, 1_458_841_560),
            (r#""2016/03/24 17:46:45""#, 1_458_841_605),
            (r#""March 24, 2016""#, 1_458_777_600),
            (r#""Mar 24, 2016 5:46:45 PM""#, 1_458_841_605),
            (r#""Mar 24, 2016, 5:46 PM""#, 1_458_841_560),
            (r#""Thu Mar 24 2016""#, 1_458_777_600),
        ];
        for (json, expected) in cases {
            assert_eq!(read(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for json in [
            r#""""#,
            r#""soon""#,
            r#""2014-13-01""#,
            r#""2014-02-30""#,
            r#""2014-3""#,
            r#""2014-13-1""#,
            r#""10.11.2026 10:00:00""#,
            r#""2014-03-11T01:00[Europe/Berlin]""#,
            r#""2014-03-11T01:00[]""#,
            r#""/Date(soon)/""#,
            r#""12345""#,
            r#""99999999.5""#,
            "1",
            "99999999",
            "20141311",
            "20140311.5",
            r#"{"$date":"soon"}"#,
            r#"{"$date":{"$date":1394496000276}}"#,
            r#"{"seconds":5}"#,
            r#"{"seconds":1394496000,"unit":"s"}"#,
            r#"{"date":"2014-03-11 01:00:00.000000","timezone_type":3,"timezone":"Europe/Berlin"}"#,
            r#"{"date":"2014-03-11 01:00:00.000000"}"#,
            r#""+014-03-11""#,
            r#""äöüß""#,
            r#""! A𞹋""#,
            r#""12345678901234567890""#,
            r#""03/04/2016""#,
            r#""24/03/2016""#,
            r#""16/03/24""#,
            r#""Fri Mar 24 2016""#,
            r#""Thu Mar 24 17:46:45 CET 2016""#,
            r#""Mar 24, 2016 17:46:45 PM""#,
            r#""March 2016""#,
            r#""17:46:45""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""0001-01-01 00:00:00 +0000 UTC""#,
            r#""0001-01-01""#,
            r#""0000""#,
            r#""1970-01-01""#,
            r#""9999-12-31T23:59:59Z""#,
            r#""2100-01-01T00:00:01Z""#,
            "0",
            "0.9",
            "-1",
            "-62135596800",
            "4102444801",
            "31557599999",
            "1e300",
            "-1e300",
            "true",
            "null",
            "{}",
            "[]",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn an_unmarked_value_is_a_date_only_when_unmistakable() {
        assert_eq!(iso_timestamp("2014-03-11"), Some(1_394_496_000));
        assert_eq!(iso_timestamp("1950-05-01"), Some(-620_784_000));
        assert_eq!(iso_timestamp("2014-03-11T00:00:00Z"), Some(1_394_496_000));
        for text in [
            "2014",
            "2014-03",
            "20140311",
            "1394496000",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2014-03-11 at noon",
            "x",
        ] {
            assert_eq!(iso_timestamp(text), None, "{text}");
        }
    }
}
