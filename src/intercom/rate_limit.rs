//! What Intercom says of its rate limit on every answer. Pure: the time is an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The state of the current window, as far as Intercom's answers tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimit {
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    limit: u32,
    /// Calls left, those under way already taken off.
    remaining: u32,
    /// When the window ends, on our clock and as Intercom named it (Unix seconds).
    ends: Instant,
    reset: u64,
    /// When the next call may begin, while what remains is spread.
    next_call: Instant,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// After this time; none at all as long as plenty remains.
    After(Duration),
    /// Not in this window, which ends after this time.
    Closed(Duration),
}

/// From this share of the limit on, what remains is spread over the rest of the window.
const SPREAD_BELOW: u32 = 10;

impl RateLimit {
    /// Asks for one call, and takes it off what remains if it is granted.
    pub fn admit(&mut self, now: Instant) -> Admission {
        let Some(window) = self.window.as_mut().filter(|window| now < window.ends) else {
            self.window = None;
            return Admission::After(Duration::ZERO);
        };
        let left = window.ends - now;
        if window.remaining == 0 {
            return Admission::Closed(left);
        }
        if window.remaining > window.limit / SPREAD_BELOW {
            window.remaining -= 1;
            return Admission::After(Duration::ZERO);
        }
        let begins = window.next_call.max(now);
        if begins >= window.ends {
            return Admission::Closed(left);
        }
        window.next_call = begins + (window.ends - begins) / window.remaining;
        window.remaining -= 1;
        Admission::After(begins - now)
    }

    /// Reads the headers of any answer.
    pub fn note(&mut self, headers: &HeaderMap, now: Instant, clock: SystemTime) {
        let said = |name| number(headers, name).and_then(|number| u32::try_from(number).ok());
        let (Some(remaining), Some(reset)) = (
            said("x-ratelimit-remaining"),
            number(headers, "x-ratelimit-reset"),
        ) else {
            return;
        };
        match &mut self.window {
            // Answers overtake each other, and calls under way are not in them yet.
            Some(window) if window.reset == reset => {
                window.remaining = window.remaining.min(remaining);
            }
            Some(window) if window.reset > reset => {}
            _ => {
                self.window = until_reset(headers, clock).map(|left| Window {
                    limit: said("x-ratelimit-limit").unwrap_or(remaining),
                    remaining,
                    ends: now + left,
                    reset,
                    next_call: now,
                });
            }
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

    const CLOCK: SystemTime = UNIX_EPOCH;

    /// A limit of 100 with so many remaining and ten seconds to go.
    fn with_remaining(remaining: &'static str, now: Instant) -> RateLimit {
        let mut limit = RateLimit::default();
        let answer = headers(&[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", "10"),
        ]);
        limit.note(&answer, now, CLOCK);
        limit
    }

    #[test]
    fn with_plenty_remaining_nobody_waits() {
        let now = Instant::now();
        let at_once = Admission::After(Duration::ZERO);
        assert_eq!(RateLimit::default().admit(now), at_once);
        let mut limit = with_remaining("50", now);
        for _ in 0..40 {
            assert_eq!(limit.admit(now), at_once);
        }
    }

    #[test]
    fn the_last_tenth_is_spread_over_the_rest_of_the_window() {
        let now = Instant::now();
        let mut limit = with_remaining("4", now);
        let waits: Vec<Admission> = (0..5).map(|_| limit.admit(now)).collect();
        let after = |seconds: f64| Admission::After(Duration::from_secs_f64(seconds));
        assert_eq!(waits[..4], [after(0.0), after(2.5), after(5.0), after(7.5)]);
        assert_eq!(waits[4], Admission::Closed(Duration::from_secs(10)));
    }

    #[test]
    fn nothing_remaining_closes_until_the_window_ends() {
        let now = Instant::now();
        let mut limit = with_remaining("0", now);
        assert_eq!(limit.admit(now), Admission::Closed(Duration::from_secs(10)));
        let later = now + Duration::from_secs(10);
        assert_eq!(limit.admit(later), Admission::After(Duration::ZERO));
    }

    #[test]
    fn an_answer_that_was_overtaken_frees_no_calls() {
        let now = Instant::now();
        let mut limit = with_remaining("0", now);
        limit.note(
            &headers(&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "10")]),
            now,
            CLOCK,
        );
        limit.note(
            &headers(&[("x-ratelimit-remaining", "99"), ("x-ratelimit-reset", "9")]),
            now,
            CLOCK,
        );
        assert_eq!(limit.admit(now), Admission::Closed(Duration::from_secs(10)));
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
