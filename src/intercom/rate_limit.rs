//! Intercom's rate limit, as the headers of its answers tell it. Pure: the time is an argument.
//!
//! Intercom counts calls in windows of ten seconds. A window is known by its `X-RateLimit-Reset`, a
//! time some seconds after the window really ends (recorded: 2 to 6). The answers themselves show
//! how late it is: one received at `t` shows that its window ends before `t` plus ten seconds, and
//! one to a call sent at `s` that it hadn't ended at `s`. The more frequent the calls, the closer
//! the estimate.
//!
//! The effect, as measured: `docs/operations.md#calls`.

mod asked_wait;
mod window;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use asked_wait::retry_after;
use window::Window;

/// The state of the current window, as far as Intercom's answers tell. Other instances use the same
/// allowance: what remains shows how much they used, and so what our share is.
///
/// Times are wall-clock times: no other clock goes on while Lambda freezes the instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimit {
    /// The last window that an answer reported, which may be over.
    window: Option<Window>,
    /// Calls in flight.
    under_way: u32,
    /// By how many seconds, at least, the named resets are too late. Negative when our clock is
    /// ahead.
    late_seconds: f64,
    /// Since a 429 that told nothing of its window, or asked for a wait.
    pause: Option<Pause>,
}

/// A time during which no call is made.
#[derive(Clone, Copy, Debug)]
struct Pause {
    began: UnixSeconds,
    seconds: f64,
}

/// Unix time in seconds, with fractions.
type UnixSeconds = f64;

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Now. Call [`RateLimit::ended`] when it is over.
    Now,
    /// Ask again after this time.
    Later(Duration),
    /// Not before this time is over.
    Closed(Duration),
}

/// Intercom's documentation: "10 second windows".
const WINDOW_SECONDS: u64 = 10;

/// How often to check whether one of our own calls was answered.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The first and the longest pause after a 429 whose headers tell nothing: an exponential backoff,
/// each further pause twice as long.
const FIRST_PAUSE_SECONDS: f64 = 1.0;
const LONGEST_PAUSE_SECONDS: f64 = 60.0;

/// By how much a window is extended when it turns out not to be over.
const LONGER_SECONDS: f64 = 1.0;

impl RateLimit {
    /// Asks for one call. `jitter` (0 to 1) keeps instances apart that ask at the same time.
    pub fn admit(&mut self, now: SystemTime, jitter: f64) -> Admission {
        let now = unix_seconds(now);
        let paused = self.pause.map(|pause| pause.left(now));
        let admission = match &mut self.window {
            _ if paused.is_some_and(|left| left > 0.0) => {
                Admission::Closed(positive(paused.unwrap_or_default()))
            }
            // The call in progress will show whether Intercom takes calls again.
            _ if paused.is_some() && self.under_way > 0 => Admission::Later(POLL_INTERVAL),
            Some(window) if window.is_current(now) => window.admit(self.under_way, now, jitter),
            // The call in progress will show the new window's state.
            Some(window)
                if self.under_way > 0
                    && window.follows_at(now)
                    && window.was_used_up(self.under_way) =>
            {
                Admission::Later(POLL_INTERVAL)
            }
            _ => Admission::Now,
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

    /// Reads the headers of any answer, a 429 among them, to a call that was sent and received at
    /// these times.
    pub fn answered(
        &mut self,
        headers: &HeaderMap,
        is_rate_limit: bool,
        sent: SystemTime,
        received: SystemTime,
    ) {
        self.note(headers, sent, received);
        let (sent, now) = (unix_seconds(sent), unix_seconds(received));
        if !is_rate_limit {
            self.pause = self.pause.filter(|pause| sent < pause.began);
            return;
        }
        if let Some(wait) = retry_after(headers, received) {
            self.pause_for(wait.as_secs_f64(), now);
            return;
        }
        match &mut self.window {
            Some(window) if is_told(headers) && window.is_current(now) => window.remaining = 0,
            // A call that was in flight when the pause began tells nothing new.
            _ if self.pause.is_some_and(|pause| sent < pause.began) => {}
            _ => {
                let twice = self.pause.map(|pause| 2.0 * pause.seconds);
                let seconds = twice.unwrap_or(FIRST_PAUSE_SECONDS);
                self.pause_for(
                    seconds.clamp(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
                    now,
                );
            }
        }
    }

    fn pause_for(&mut self, seconds: f64, now: UnixSeconds) {
        let left = self.pause.map_or(0.0, |pause| pause.left(now));
        if left < seconds {
            self.pause = Some(Pause {
                began: now,
                seconds,
            });
        }
    }

    fn note(&mut self, headers: &HeaderMap, sent: SystemTime, received: SystemTime) {
        let said = |name| {
            // Below zero it is used up as well.
            let number = number(headers, name)?.max(0);
            u32::try_from(number).ok()
        };
        let (Some(remaining), Some(reset)) = (
            said("x-ratelimit-remaining"),
            number(headers, "x-ratelimit-reset").and_then(|reset| u64::try_from(reset).ok()),
        ) else {
            return;
        };
        // The first answer of a window shows all of its limit (recorded): none counts its own call.
        let remaining = remaining.saturating_sub(1);
        let (sent, received) = (unix_seconds(sent), unix_seconds(received));
        self.learn(reset, sent, received);
        let ends = seconds(reset) - self.late_seconds;
        match &mut self.window {
            // Answers overtake each other, and don't count calls in progress.
            Some(window) if window.reset == reset => {
                window.remaining = window.remaining.min(remaining);
                window.answered += 1;
                window.last_answer = received;
                window.ends = ends;
            }
            // Overtaken by the next window's answer, unless Intercom's clock was set back.
            Some(window) if window.reset > reset && window.is_current(received) => {}
            before => {
                let last_share = before
                    .filter(|before| before.reset + WINDOW_SECONDS == reset)
                    .filter(|before| before.was_used_up(self.under_way))
                    .map(|before| before.our_share(self.under_way));
                self.window = Some(Window {
                    limit: said("x-ratelimit-limit").unwrap_or(remaining),
                    remaining,
                    answered: 1,
                    last_answer: received,
                    last_share,
                    reset,
                    ends,
                    next_call: None,
                });
            }
        }
    }

    /// Learns from an answer of the window with this reset how late resets are named.
    fn learn(&mut self, reset: u64, sent: UnixSeconds, received: UnixSeconds) {
        let reset = seconds(reset);
        if reset + seconds(WINDOW_SECONDS) < sent {
            // No clocks differ by that much, so it tells nothing.
            return;
        }
        if reset - self.late_seconds < sent {
            self.late_seconds = reset - sent - LONGER_SECONDS;
        }
        let at_least = reset - (received + seconds(WINDOW_SECONDS));
        self.late_seconds = self.late_seconds.max(at_least);
    }
}

fn unix_seconds(time: SystemTime) -> UnixSeconds {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn seconds(whole: u64) -> f64 {
    whole as f64
}

/// Seconds as a duration, zero if negative.
fn positive(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Whether an answer says something of its window.
fn is_told(headers: &HeaderMap) -> bool {
    number(headers, "x-ratelimit-remaining").is_some()
        && number(headers, "x-ratelimit-reset").is_some()
}

impl Pause {
    /// How many seconds of it are left. A clock that was set back doesn't prolong it.
    fn left(self, now: UnixSeconds) -> f64 {
        let passed = now - self.began;
        if passed < 0.0 {
            0.0
        } else {
            self.seconds - passed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = name.parse().expect("a header name");
                (name, value.parse().expect("a header value"))
            })
            .collect()
    }

    fn answer(remaining: u32, reset: u64) -> HeaderMap {
        let text = |number: u64| -> &'static str { number.to_string().leak() };
        headers(&[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", text(remaining.into())),
            ("x-ratelimit-reset", text(reset)),
        ])
    }

    pub(super) fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + after(seconds)
    }

    pub(super) fn now() -> SystemTime {
        at(1000.0)
    }

    pub(super) fn after(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    impl RateLimit {
        /// An answer that took no time.
        pub(super) fn told(&mut self, remaining: u32, reset: u64, seconds: f64) {
            let answer = answer(remaining, reset);
            self.answered(&answer, false, at(seconds), at(seconds));
        }
    }

    /// A limit of 100 whose first answer reports this many remaining, at 1,000 s, ten seconds
    /// before its exact reset.
    fn with_remaining(remaining: u32) -> RateLimit {
        let mut limit = RateLimit::default();
        limit.told(remaining, 1010, 1000.0);
        limit
    }

    #[test]
    fn with_plenty_remaining_nobody_waits() {
        assert_eq!(RateLimit::default().admit(now(), 0.5), Admission::Now);
        // Nobody else has called yet, so all that remains is ours.
        let mut limit = with_remaining(100);
        for _ in 0..30 {
            assert_eq!(limit.admit(now(), 0.5), Admission::Now);
        }
    }

    #[test]
    fn with_others_about_only_our_share_is_under_way_at_once() {
        // One call of 20 was ours, so that 4 of the 80 left are, and half of them at once.
        let mut limit = with_remaining(81);
        assert_eq!(limit.admit(now(), 0.5), Admission::Now);
        assert_eq!(limit.admit(now(), 0.5), Admission::Now);
        assert_eq!(limit.admit(now(), 0.5), Admission::Later(POLL_INTERVAL));
        limit.ended();
        assert_eq!(limit.admit(now(), 0.5), Admission::Now);
    }

    #[test]
    fn the_last_tenth_is_spread_over_the_rest_of_the_window() {
        let mut limit = with_remaining(100);
        for remaining in (5..100).rev() {
            limit.told(remaining, 1010, 1000.0);
        }
        assert_eq!(limit.admit(now(), 0.0), Admission::Now);
        assert_eq!(limit.admit(now(), 0.0), Admission::Later(after(2.5)));
        let later = at(1002.5);
        assert_eq!(limit.admit(later, 0.0), Admission::Now);
        assert!(matches!(limit.admit(later, 0.0), Admission::Later(_)));
        // Instances that come to it together don't call together.
        let mut limit = with_remaining(2);
        assert!(matches!(limit.admit(now(), 0.009), Admission::Later(_)));
        assert_eq!(limit.admit(now(), 0.5), limit.admit(now(), 0.0));
    }

    #[test]
    fn after_a_window_that_was_used_up_the_next_one_is_spread_from_its_beginning() {
        let mut limit = with_remaining(0);
        let next = at(1010.0);
        assert_eq!(limit.admit(next, 0.0), Admission::Now);
        assert_eq!(limit.admit(next, 0.0), Admission::Later(POLL_INTERVAL));
        limit.told(98, 1020, 1010.0);
        limit.ended();
        assert_eq!(limit.admit(next, 0.0), Admission::Now);
        assert!(matches!(limit.admit(next, 0.0), Admission::Later(_)));
        // Not used up this time, so the one after it is free again.
        let free = at(1020.0);
        assert_eq!(limit.admit(free, 0.0), Admission::Now);
        assert_eq!(limit.admit(free, 0.0), Admission::Now);
    }

    #[test]
    fn a_used_up_window_says_nothing_of_one_that_does_not_follow_it() {
        // Lambda froze the instance meanwhile.
        let mut limit = with_remaining(0);
        let later = at(1300.0);
        for _ in 0..3 {
            assert_eq!(limit.admit(later, 0.0), Admission::Now);
        }
        limit.told(97, 1310, 1300.0);
        for _ in 0..10 {
            assert_eq!(limit.admit(later, 0.0), Admission::Now);
        }
    }

    #[test]
    fn nothing_remaining_closes_until_the_window_ends() {
        let mut limit = with_remaining(0);
        assert_eq!(limit.admit(now(), 0.0), Admission::Closed(after(10.0)));
        // So does what others have used up by now.
        let mut limit = with_remaining(3);
        let later = at(1006.0);
        assert_eq!(limit.admit(later, 0.0), Admission::Closed(after(4.0)));
        // A clock that was set back doesn't prolong it.
        assert_eq!(limit.admit(at(900.0), 0.0), Admission::Now);
    }

    #[test]
    fn an_answer_that_was_overtaken_frees_no_calls() {
        let mut limit = with_remaining(0);
        limit.told(3, 1010, 1000.0);
        limit.told(99, 1000, 1000.0);
        assert_eq!(limit.admit(now(), 0.0), Admission::Closed(after(10.0)));
    }

    #[test]
    fn a_window_is_over_ten_seconds_after_it_was_seen_however_late_its_reset_is_named() {
        // It lasts from 1000 to 1010. At 1004 it is seen for the first time.
        let mut limit = RateLimit::default();
        limit.told(0, 1016, 1004.0);
        assert_eq!(limit.admit(at(1004.0), 0.0), Admission::Closed(after(10.0)));
        // Another instance's time is nearer: a call that comes soon after the next window began
        // shows when it did.
        limit.told(0, 1026, 1010.5);
        let closed = limit.admit(at(1011.0), 0.0);
        assert_eq!(closed, Admission::Closed(after(9.5)));
        // Once learned, it holds for a window that is seen late.
        limit.told(0, 1126, 1115.0);
        let closed = limit.admit(at(1115.0), 0.0);
        assert_eq!(closed, Admission::Closed(after(5.5)));
    }

    #[test]
    fn a_window_that_is_not_over_when_expected_is_given_longer() {
        let mut limit = RateLimit::default();
        limit.told(50, 1016, 1000.0);
        // From now on, resets are named late by 2 s only: this one lasts until 1030.
        limit.told(0, 1032, 1026.5);
        let closed = limit.admit(at(1026.5), 0.0);
        assert_eq!(closed, Admission::Closed(after(1.0)));
    }

    /// A 429 with these headers at 1,000 s, then what becomes of a call at once and later.
    fn refused(limit: &mut RateLimit, pairs: &[(&'static str, &'static str)], seconds: f64) {
        limit.answered(&headers(pairs), true, at(seconds), at(seconds));
    }

    #[test]
    fn a_429_that_tells_nothing_pauses_the_instance_twice_as_long_each_time() {
        for pairs in [
            &[][..],
            &[
                ("x-ratelimit-remaining", "100"),
                ("x-ratelimit-reset", "940"),
            ],
            &[("x-ratelimit-remaining", "0")],
            &[
                ("x-ratelimit-remaining", "soon"),
                ("x-ratelimit-reset", "soon"),
            ],
        ] {
            let mut limit = RateLimit::default();
            let mut now = 1000.0;
            for pause in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
                assert_eq!(limit.admit(at(now), 0.5), Admission::Now, "{pairs:?}");
                // The others wait for what becomes of it.
                if now > 1000.0 {
                    assert_eq!(limit.admit(at(now), 0.5), Admission::Later(POLL_INTERVAL));
                }
                refused(&mut limit, pairs, now);
                limit.ended();
                assert_eq!(limit.admit(at(now), 0.5), Admission::Closed(after(pause)));
                now += pause;
            }
            // What was sent before the last pause tells nothing of it.
            limit.answered(&headers(&[]), false, at(1000.0), at(now));
            assert_eq!(
                limit.admit(at(now - 1.0), 0.5),
                Admission::Closed(after(1.0))
            );
            limit.answered(&headers(&[]), false, at(now), at(now));
            assert_eq!(limit.admit(at(now), 0.5), Admission::Now);
            assert_eq!(limit.admit(at(now), 0.5), Admission::Now);
        }
    }

    #[test]
    fn calls_refused_together_are_one_pause() {
        let mut limit = RateLimit::default();
        for seconds in [1000.0, 1000.1, 1000.2] {
            limit.answered(&headers(&[]), true, at(999.0), at(seconds));
        }
        assert_eq!(limit.admit(at(1000.0), 0.5), Admission::Closed(after(1.0)));
    }

    #[test]
    fn retry_after_pauses_the_instance() {
        let mut limit = with_remaining(100);
        refused(&mut limit, &[("retry-after", "30")], 1000.0);
        // Nor does a shorter one end it.
        refused(&mut limit, &[("retry-after", "3")], 1001.0);
        assert_eq!(limit.admit(at(1001.0), 0.5), Admission::Closed(after(29.0)));
        assert_eq!(limit.admit(at(1030.0), 0.5), Admission::Now);
    }

    #[test]
    fn a_429_closes_its_window_whatever_it_says_remains() {
        for remaining in ["-1", "0", "40"] {
            let mut limit = RateLimit::default();
            let pairs = [
                ("x-ratelimit-remaining", remaining),
                ("x-ratelimit-reset", "1010"),
            ];
            refused(&mut limit, &pairs, 1000.0);
            assert_eq!(
                limit.admit(now(), 0.5),
                Admission::Closed(after(10.0)),
                "{remaining}"
            );
            assert_eq!(limit.admit(at(1010.0), 0.5), Admission::Now);
        }
    }

    #[test]
    fn a_reset_long_past_is_no_reason_to_wait() {
        let mut limit = RateLimit::default();
        limit.told(0, 900, 1000.0);
        assert_eq!(limit.admit(now(), 0.0), Admission::Now);
        assert_eq!(limit.admit(now(), 0.0), Admission::Now);
    }
}
