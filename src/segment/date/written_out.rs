//! Dates that ISO 8601 doesn't cover: in words, or as the standard libraries of various languages
//! write them (`2016-03-24 17:44:51 UTC`; `2016-03-24 17:44:51Z` is read as ISO 8601).

use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, Utc, Weekday};

const DATES: [&str; 4] = ["%Y-%m-%d", "%Y/%m/%d", "%d %B %Y", "%B %d %Y"];

const TIMES: [&str; 4] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];

/// Date and time in separate words, as JavaScript's `Date.toString()`, Go's `Time.String()`,
/// Ruby's `Time#to_s` or Unix's `date` write them. Without a zone it is UTC; a zone that is
/// neither UTC nor an offset is in doubt.
pub(super) fn written_out(text: &str) -> Option<i64> {
    let without_zone_name = text.split_once(" (").map_or(text, |(before, _)| before);
    let mut offset = None;
    let mut words = Vec::new();
    for word in without_zone_name.split([' ', ',']) {
        // Go appends its monotonic clock.
        if word.is_empty() || word.starts_with("m=") {
            continue;
        }
        match offset_of(word) {
            Some(of_word) => offset = offset.or(Some(of_word)),
            None => words.push(word),
        }
    }
    let weekday: Option<Weekday> = words.first()?.parse().ok();
    let words = &words[usize::from(weekday.is_some())..];
    let date_time = date_time(&words.join(" "))?;
    if weekday.is_some_and(|weekday| weekday != date_time.weekday()) {
        return None;
    }
    let offset = offset.unwrap_or(Utc.fix());
    let date_time = date_time.and_local_timezone(offset).single()?;
    Some(date_time.timestamp_millis())
}

/// `Z`, `UTC`, `GMT`, `+0100`, `+01:00` or `GMT+0100`.
fn offset_of(word: &str) -> Option<FixedOffset> {
    let of_name = ["UTC", "GMT", "Z"]
        .iter()
        .find_map(|name| word.strip_prefix(name));
    match of_name.unwrap_or(word) {
        "" => Some(Utc.fix()),
        offset => {
            let digits = offset.strip_prefix(['+', '-'])?;
            let is_offset = digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b':');
            is_offset.then(|| offset.parse().ok())?
        }
    }
}

fn date_time(text: &str) -> Option<NaiveDateTime> {
    let unix = || NaiveDateTime::parse_from_str(text, "%B %d %H:%M:%S %Y").ok();
    let of_format = |format: &&str| {
        let (date, rest) = NaiveDate::parse_and_remainder(text, format).ok()?;
        if rest.is_empty() {
            return date.and_hms_opt(0, 0, 0);
        }
        let time = rest.strip_prefix(' ')?;
        let mut formats = TIMES.iter();
        let time = formats.find_map(|format| NaiveTime::parse_from_str(time, format).ok())?;
        Some(date.and_time(time))
    };
    DATES.iter().find_map(of_format).or_else(unix)
}
