//! What libraries make of a date in JSON.

use super::{FIRST_SECONDS, as_written, millis_of_json_number};
use crate::segment::{Object, Value};

/// Unix milliseconds of an object that is a date: `MongoDB`'s `{"$date": …}`, Firestore's
/// `{"_seconds": …}` or `{"seconds": …}`, each with or without nanoseconds, PHP's `{"date",
/// "timezone_type", "timezone"}` in UTC or an offset.
pub(super) fn in_object(object: &Object<'_>) -> Option<i64> {
    match object.len() {
        1 if object.get("$date").is_some() => match object.get("$date")? {
            Value::Object(long) if long.len() == 1 => scalar(long.get("$numberLong")?),
            date => scalar(date),
        },
        1 | 2 => {
            let others = ["_nanoseconds", "nanoseconds", "nanos"];
            let mut keys = object.keys();
            let is_known =
                |key: &str| matches!(key, "_seconds" | "seconds") || others.contains(&key);
            if !keys.all(is_known) {
                return None;
            }
            scalar(object.get("_seconds").or_else(|| object.get("seconds"))?)
        }
        3 => {
            object.get("timezone_type")?;
            let date = object.get("date")?.as_str()?;
            let zone = object.get("timezone")?.as_str()?;
            as_written(&format!("{date} {zone}"))
        }
        _ => None,
    }
}

fn scalar(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Number(number) => millis_of_json_number(number.as_f64()?),
        Value::Str(text) => as_written(text.trim()),
        _ => None,
    }
}

/// A date in the form of a library, as ISO 8601 or as digits: `2015-2-02T…`, a comma before the
/// fraction, Java's zone in brackets, `1458841491.123`, `/Date(1458841491123)/`. `None` when it is
/// in none of these forms.
pub(super) fn in_other_words(text: &str) -> Option<String> {
    if let Some(of_dot_net) = of_dot_net(text) {
        return Some(of_dot_net.to_owned());
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && are_digits(seconds)
        && are_digits(fraction)
        && seconds.parse::<f64>().is_ok_and(|n| n >= FIRST_SECONDS)
    {
        return Some(seconds.to_owned());
    }
    let without_zone = without_bracketed_zone(text)?;
    let point = without_zone.replacen(',', ".", usize::from(has_decimal_comma(without_zone)));
    let padded = with_two_digits(&point).unwrap_or(point);
    (padded != text).then_some(padded)
}

/// The milliseconds in `/Date(1458841491123+0100)/`; the offset only says where it was written.
fn of_dot_net(text: &str) -> Option<&str> {
    let text = text.trim_matches(['/', '\\']);
    let inner = text.strip_prefix("Date(")?.strip_suffix(')')?;
    let millis = inner.split(['+', '-']).next()?;
    are_digits(millis).then_some(millis)
}

/// The text before a zone in brackets. `None` where only that zone would say what time it is.
fn without_bracketed_zone(text: &str) -> Option<&str> {
    let Some((date, zone)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) else {
        return Some(text);
    };
    let has_offset = || {
        let (_, time) = date.split_once(['T', 't', ' '])?;
        (time.ends_with(['Z', 'z']) || time.contains(['+', '-'])).then_some(())
    };
    (matches!(zone, "UTC" | "GMT" | "Z") || has_offset().is_some()).then_some(date)
}

/// Whether the first comma stands between seconds and their fraction.
fn has_decimal_comma(text: &str) -> bool {
    let Some((before, after)) = text.split_once(',') else {
        return false;
    };
    let seconds = before.rsplit(':').next().unwrap_or_default();
    before.contains(':')
        && seconds.len() == 2
        && are_digits(seconds)
        && after.starts_with(|first: char| first.is_ascii_digit())
}

/// `2015-2-2…` as `2015-02-02…`.
fn with_two_digits(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '-');
    let (year, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let (day, time) = rest.split_at(end.unwrap_or(rest.len()));
    let is_short = |part: &str| matches!(part.len(), 1 | 2) && are_digits(part);
    (year.len() == 4 && are_digits(year) && is_short(month) && is_short(day))
        .then(|| format!("{year}-{month:0>2}-{day:0>2}{time}"))
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
