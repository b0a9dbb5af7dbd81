//! How long an error answer asks us to wait.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use http::header::{HeaderMap, RETRY_AFTER};

use super::{RateLimit, UnixSeconds, number, positive, seconds, unix_seconds};

/// The longest wait, whatever a header asks for.
const MAX_WAIT: Duration = Duration::from_hours(1);

impl RateLimit {
    /// How long an error answer asks us to wait: `Retry-After` in seconds or as a date; else, if
    /// the rate limit is used up, until the window really ends, or the pause that it began is over.
    pub fn asked_wait(
        &self,
        headers: &HeaderMap,
        is_rate_limit: bool,
        now: SystemTime,
    ) -> Option<Duration> {
        let until = |time: UnixSeconds| positive(time - unix_seconds(now));
        let window_end = || {
            let reset = number(headers, "x-ratelimit-reset").filter(|_| is_rate_limit)?;
            Some(until(
                seconds(u64::try_from(reset).ok()?) - self.late_seconds,
            ))
        };
        let paused = || {
            let pause = self.pause.filter(|_| is_rate_limit)?;
            Some(positive(pause.left(unix_seconds(now))))
        };
        let wait = retry_after(headers, now).or_else(|| window_end().max(paused()))?;
        Some(wait.min(MAX_WAIT))
    }
}

/// The wait that `Retry-After` asks for, in seconds or as a date; an hour at most.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = SystemTime::from(DateTime::parse_from_rfc2822(text).ok()?);
        date.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{after, headers, now};
    use super::*;

    #[test]
    fn how_long_an_answer_asks_us_to_wait() {
        let cases = [
            (&[("retry-after", "7")][..], Some(7)),
            (
                &[("retry-after", "Thu, 01 Jan 1970 00:17:00 GMT")],
                Some(20),
            ),
            (
                &[("retry-after", "7"), ("x-ratelimit-reset", "1010")],
                Some(7),
            ),
            (&[("x-ratelimit-reset", "1010")], Some(10)),
            (&[("x-ratelimit-reset", "900")], Some(0)),
            (&[("retry-after", "999999999")], Some(3600)),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ];
        let wait = |limit: &RateLimit, pairs: &[(&'static str, &'static str)], is_rate_limit| {
            limit.asked_wait(&headers(pairs), is_rate_limit, now())
        };
        let unlearned = RateLimit::default();
        for (pairs, expected) in cases {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(wait(&unlearned, pairs, true), expected, "{pairs:?}");
        }
        let reset = &[("x-ratelimit-reset", "1010")];
        assert_eq!(wait(&unlearned, reset, false), None);
        let mut learned = RateLimit::default();
        learned.told(5, 1006, 990.0);
        assert_eq!(wait(&learned, reset, true), Some(after(4.0)));
    }
}
