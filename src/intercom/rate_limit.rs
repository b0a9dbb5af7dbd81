//! What Intercom says of its rate limit on every answer. Pure: the time is an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The state of the current window, as far as Intercom's answers tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimit {
    closed_until: Option<Instant>,
}

impl RateLimit {
    /// How long no call is to be made; `None` when calls are free.
    pub fn closed_for(&self, now: Instant) -> Option<Duration> {
        let left = self.closed_until?.checked_duration_since(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// Reads an answer's headers: with nothing remaining, no call is made until the reset.
    pub fn note(&mut self, headers: &HeaderMap, now: Instant, clock: SystemTime) {
        if number(headers, "x-ratelimit-remaining") == Some(0)
            && let Some(wait) = until_reset(headers, clock)
        {
            self.closed_until = Some(now + wait);
        }
    }
}

/// How long an error answer asks us to wait: `Retry-After` in seconds or as a date; else, where
/// the rate limit is the error, until `X-RateLimit-Reset` (which stands on every answer).
pub(super) fn asked_wait(
    headers: &HeaderMap,
    is_rate_limit: bool,
    clock: SystemTime,
) -> Option<Duration> {
    let retry_after = || {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = DateTime::parse_from_rfc2822(text).ok()?.timestamp();
        from_now(u64::try_from(date).ok()?, clock)
    };
    let reset = || is_rate_limit.then(|| until_reset(headers, clock)).flatten();
    retry_after()
        .or_else(reset)
        .map(|wait| wait.min(LONGEST_WAIT))
}

/// No header makes us wait longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

fn until_reset(headers: &HeaderMap, clock: SystemTime) -> Option<Duration> {
    let wait = from_now(number(headers, "x-ratelimit-reset")?, clock)?;
    Some(wait.min(LONGEST_WAIT))
}

fn from_now(unix_seconds: u64, clock: SystemTime) -> Option<Duration> {
    let now = clock.duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(unix_seconds).saturating_sub(now))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = name.parse().expect("a header name");
                (name, value.parse().expect("a header value"))
            })
            .collect()
    }

    #[test]
    fn nothing_remaining_closes_until_the_reset() {
        let (now, clock) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1000));
        let mut limit = RateLimit::default();
        limit.note(
            &headers(&[
                ("x-ratelimit-remaining", "1"),
                ("x-ratelimit-reset", "1010"),
            ]),
            now,
            clock,
        );
        assert_eq!(limit.closed_for(now), None);
        limit.note(
            &headers(&[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1010"),
            ]),
            now,
            clock,
        );
        assert_eq!(limit.closed_for(now), Some(Duration::from_secs(10)));
        assert_eq!(limit.closed_for(now + Duration::from_secs(10)), None);
    }

    #[test]
    fn how_long_an_answer_asks_us_to_wait() {
        let clock = UNIX_EPOCH + Duration::from_secs(1000);
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
        for (pairs, expected) in cases {
            let wait = asked_wait(&headers(pairs), true, clock);
            assert_eq!(wait, expected.map(Duration::from_secs), "{pairs:?}");
        }
        let reset = headers(&[("x-ratelimit-reset", "1010")]);
        assert_eq!(asked_wait(&reset, false, clock), None);
    }
}
