//! What Intercom says of its rate limit on every answer. Pure: the time is an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The state of the current window, as far as Intercom's answers tell. Other instances draw on
/// the same allowance: what remains shows what they took, and so which share is ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimit {
    window: Option<Window>,
    /// Calls begun and not over yet.
    under_way: u32,
    /// Our share of the calls of the last window, where hardly any was left at its end.
    pressed: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    limit: u32,
    /// Calls left, our own that are under way already taken off.
    remaining: u32,
    /// Our own calls that were answered, and when the last one was.
    answered: u32,
    last_answer: Instant,
    /// Our share of the last window, where hardly any was left at its end.
    last_share: Option<f64>,
    /// When the window ends, on our clock and as Intercom named it (Unix seconds).
    ends: Instant,
    reset: u64,
    /// When the next call may begin, once what remains is spread over the rest of the window.
    next_call: Option<Instant>,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// At once. [`RateLimit::ended`] has to be told when it is over.
    Now,
    /// Ask again after this time.
    Later(Duration),
    /// Not in this window, which ends after this time.
    Closed(Duration),
}

/// From this share of the limit on, what remains is spread over the rest of the window.
const SPREAD_BELOW: u32 = 10;

/// How long to wait for one of our own calls to be answered.
const SHORTLY: Duration = Duration::from_millis(20);

/// So many calls the last window's share is worth.
const CALLS_OF_LAST_SHARE: f64 = 20.0;

impl RateLimit {
    /// Asks for one call. `chance` (0 to 1) keeps instances apart that ask at the same time.
    pub fn admit(&mut self, now: Instant, chance: f64) -> Admission {
        self.end_window(now);
        let admission = match &mut self.window {
            // Its answer tells how the new window stands.
            None if self.pressed.is_some() && self.under_way > 0 => Admission::Later(SHORTLY),
            None => Admission::Now,
            Some(window) => window.admit(self.under_way, now, chance),
        };
        if admission == Admission::Now {
            self.under_way += 1;
        }
        admission
    }

    /// A call is over, answered or not.
    pub fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Reads the headers of any answer.
    pub fn note(&mut self, headers: &HeaderMap, now: Instant, clock: SystemTime) {
        self.end_window(now);
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
                window.answered += 1;
                window.last_answer = now;
            }
            Some(window) if window.reset > reset => {}
            _ => {
                self.window = until_reset(headers, clock).map(|left| Window {
                    limit: said("x-ratelimit-limit").unwrap_or(remaining),
                    remaining,
                    answered: 1,
                    last_answer: now,
                    last_share: self.pressed,
                    ends: now + left,
                    reset,
                    next_call: None,
                });
            }
        }
    }

    fn end_window(&mut self, now: Instant) {
        if let Some(window) = self.window.take_if(|window| now >= window.ends) {
            self.pressed = window.is_short().then(|| window.our_share(self.under_way));
        }
    }
}

impl Window {
    fn admit(&mut self, under_way: u32, now: Instant, chance: f64) -> Admission {
        let left = self.ends - now;
        let is_spread = self.is_short() || self.last_share.is_some();
        let mut remaining = f64::from(self.remaining);
        if is_spread {
            // The others have gone on since, and they spread theirs as well.
            remaining *= left.div_duration_f64(self.ends - self.last_answer);
        }
        if remaining < 1.0 {
            return Admission::Closed(left);
        }
        let ours = remaining * self.our_share(under_way);
        if is_spread {
            let interval = left.div_f64(ours.max(0.01));
            let next_call = *self
                .next_call
                .get_or_insert_with(|| now + interval.mul_f64(chance));
            if next_call >= self.ends {
                return Admission::Closed(left);
            }
            if now < next_call {
                return Admission::Later(next_call - now);
            }
            self.next_call = Some(now + interval);
        } else if under_way > 0 && f64::from(under_way) >= ours / 2.0 {
            // The other half is for calls of others that no answer has counted yet.
            return Admission::Later(SHORTLY);
        }
        self.remaining -= 1;
        Admission::Now
    }

    /// Whether hardly any calls remain.
    fn is_short(&self) -> bool {
        self.remaining <= self.limit / SPREAD_BELOW
    }

    /// Which share of the calls so far were our own, those of ours left out that are under way.
    fn our_share(&self, under_way: u32) -> f64 {
        let used = self.limit.saturating_sub(self.remaining + under_way);
        let (used, answered) = (f64::from(used), f64::from(self.answered));
        let share = match self.last_share {
            Some(last) => (answered + last * CALLS_OF_LAST_SHARE) / (used + CALLS_OF_LAST_SHARE),
            None => answered / used.max(1.0),
        };
        share.min(1.0)
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

    fn answer(remaining: &'static str, reset: &'static str) -> HeaderMap {
        headers(&[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", reset),
        ])
    }

    /// A limit of 100 with so many remaining and ten seconds to go.
    fn with_remaining(remaining: &'static str, now: Instant) -> RateLimit {
        let mut limit = RateLimit::default();
        limit.note(&answer(remaining, "10"), now, CLOCK);
        limit
    }

    fn after(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn with_plenty_remaining_nobody_waits() {
        let now = Instant::now();
        assert_eq!(RateLimit::default().admit(now, 0.5), Admission::Now);
        // Nobody else has called yet, so all that remains is ours.
        let mut limit = with_remaining("99", now);
        for _ in 0..30 {
            assert_eq!(limit.admit(now, 0.5), Admission::Now);
        }
    }

    #[test]
    fn with_others_about_only_our_share_is_under_way_at_once() {
        let now = Instant::now();
        // One call of 20 was ours, so that 4 of the 80 left are, and half of them at once.
        let mut limit = with_remaining("80", now);
        assert_eq!(limit.admit(now, 0.5), Admission::Now);
        assert_eq!(limit.admit(now, 0.5), Admission::Now);
        assert_eq!(limit.admit(now, 0.5), Admission::Later(SHORTLY));
        limit.ended();
        assert_eq!(limit.admit(now, 0.5), Admission::Now);
    }

    #[test]
    fn the_last_tenth_is_spread_over_the_rest_of_the_window() {
        let now = Instant::now();
        let mut limit = with_remaining("99", now);
        for remaining in (4..99).rev() {
            let remaining: &'static str = remaining.to_string().leak();
            limit.note(&answer(remaining, "10"), now, CLOCK);
        }
        assert_eq!(limit.admit(now, 0.0), Admission::Now);
        assert_eq!(limit.admit(now, 0.0), Admission::Later(after(2.5)));
        let later = now + after(2.5);
        assert_eq!(limit.admit(later, 0.0), Admission::Now);
        assert!(matches!(limit.admit(later, 0.0), Admission::Later(_)));
        // Instances that come to it together don't call together.
        let mut limit = with_remaining("1", now);
        assert!(matches!(limit.admit(now, 0.009), Admission::Later(_)));
        assert_eq!(limit.admit(now, 0.5), limit.admit(now, 0.0));
    }

    #[test]
    fn after_a_window_that_was_used_up_the_next_one_is_spread_from_its_beginning() {
        let now = Instant::now();
        let mut limit = with_remaining("0", now);
        let next = now + Duration::from_secs(10);
        assert_eq!(limit.admit(next, 0.0), Admission::Now);
        assert_eq!(limit.admit(next, 0.0), Admission::Later(SHORTLY));
        limit.note(&answer("98", "20"), next, CLOCK + Duration::from_secs(10));
        limit.ended();
        assert_eq!(limit.admit(next, 0.0), Admission::Now);
        assert!(matches!(limit.admit(next, 0.0), Admission::Later(_)));
        // Not used up this time, so the one after it is free again.
        let free = next + Duration::from_secs(10);
        assert_eq!(limit.admit(free, 0.0), Admission::Now);
        assert_eq!(limit.admit(free, 0.0), Admission::Now);
    }

    #[test]
    fn nothing_remaining_closes_until_the_window_ends() {
        let now = Instant::now();
        let mut limit = with_remaining("0", now);
        assert_eq!(limit.admit(now, 0.0), Admission::Closed(after(10.0)));
        // So does what others have used up by now.
        let mut limit = with_remaining("2", now);
        let later = now + after(6.0);
        assert_eq!(limit.admit(later, 0.0), Admission::Closed(after(4.0)));
    }

    #[test]
    fn an_answer_that_was_overtaken_frees_no_calls() {
        let now = Instant::now();
        let mut limit = with_remaining("0", now);
        limit.note(&answer("3", "10"), now, CLOCK);
        limit.note(&answer("99", "9"), now, CLOCK);
        assert_eq!(limit.admit(now, 0.0), Admission::Closed(after(10.0)));
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
