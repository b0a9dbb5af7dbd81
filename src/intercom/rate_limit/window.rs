//! One window of the rate limit: how the calls left in it are divided and spread.

use super::{Admission, POLL_INTERVAL, UnixSeconds, WINDOW_SECONDS, positive, seconds};

#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) limit: u32,
    /// Calls left, not counting our own that are in progress.
    pub(super) remaining: u32,
    /// How many of our own calls were answered, and when the last one was.
    pub(super) answered: u32,
    pub(super) last_answer: UnixSeconds,
    /// Our share of the window before, if hardly any calls were left at its end.
    pub(super) last_share: Option<f64>,
    /// When the window ends: as Intercom named it, and as far as we know.
    pub(super) reset: u64,
    pub(super) ends: UnixSeconds,
    /// When the next call may begin, once what remains is spread over the rest of the window.
    pub(super) next_call: Option<UnixSeconds>,
}

/// From this share of the limit on, what remains is spread over the rest of the window.
const SPREAD_BELOW: u32 = 10;

/// The weight of the last window's share, in calls.
const CALLS_OF_LAST_SHARE: f64 = 20.0;

impl Window {
    /// Whether this window is current. One that ends more than a whole window from now (plus
    /// rounding) was seen before our clock was set back.
    pub(super) fn is_current(&self, now: UnixSeconds) -> bool {
        let left = self.ends - now;
        0.0 < left && left < seconds(WINDOW_SECONDS + 1)
    }

    /// Whether the next window is current, about which this one still tells something.
    pub(super) fn follows_at(&self, now: UnixSeconds) -> bool {
        let since = now - self.ends;
        0.0 <= since && since < seconds(WINDOW_SECONDS)
    }

    /// Asks for one call in this window, beside those in progress.
    pub(super) fn admit(&mut self, under_way: u32, now: UnixSeconds, jitter: f64) -> Admission {
        let left = self.ends - now;
        let is_spread = self.is_short() || self.last_share.is_some();
        let mut remaining = f64::from(self.remaining);
        if is_spread {
            // The other instances have gone on since, and they spread their calls as well.
            let left_at_last_answer = (self.ends - self.last_answer).max(left);
            remaining *= left / left_at_last_answer;
        }
        if remaining < 1.0 {
            return Admission::Closed(positive(left));
        }
        let ours = remaining * self.our_share(under_way);
        if is_spread {
            let interval = left / ours.max(0.01);
            let next_call = *self.next_call.get_or_insert(now + interval * jitter);
            if next_call >= self.ends {
                return Admission::Closed(positive(left));
            }
            if now < next_call {
                return Admission::Later(positive(next_call - now));
            }
            self.next_call = Some(now + interval);
        } else if f64::from(under_way) >= ours / 2.0 {
            // The other half is for calls of others that no answer has counted yet.
            return Admission::Later(POLL_INTERVAL);
        }
        self.remaining -= 1;
        Admission::Now
    }

    /// Whether hardly any calls remain.
    fn is_short(&self) -> bool {
        self.remaining <= self.limit / SPREAD_BELOW
    }

    /// Whether hardly any calls remained at its end, if the others went on after our last answer
    /// as they did before.
    pub(super) fn was_used_up(&self, under_way: u32) -> bool {
        let left = (self.ends - self.last_answer).clamp(0.0, seconds(WINDOW_SECONDS) - 1.0);
        let used = f64::from(self.limit.saturating_sub(self.remaining));
        let by_others = used * (1.0 - self.our_share(under_way));
        let until_end = by_others * left / (seconds(WINDOW_SECONDS) - left);
        f64::from(self.remaining) - until_end <= f64::from(self.limit / SPREAD_BELOW)
    }

    /// Our own share of the calls so far, without those in progress.
    pub(super) fn our_share(&self, under_way: u32) -> f64 {
        let used = self.limit.saturating_sub(self.remaining + under_way);
        let (used, answered) = (f64::from(used), f64::from(self.answered));
        let share = match self.last_share {
            Some(last) => (answered + last * CALLS_OF_LAST_SHARE) / (used + CALLS_OF_LAST_SHARE),
            None => answered / used.max(1.0),
        };
        share.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of 100 calls that ends at 1,010 s.
    fn window(remaining: u32, answered: u32, last_answer: UnixSeconds) -> Window {
        Window {
            limit: 100,
            remaining,
            answered,
            last_answer,
            last_share: None,
            reset: 1010,
            ends: 1010.0,
            next_call: None,
        }
    }

    #[test]
    fn a_window_is_used_up_if_the_others_went_on_as_they_did_before() {
        for (remaining, answered, last_answer, expected) in [
            // Half of the 70 calls were others': 52.5 more by the end.
            (30, 35, 1004.0, true),
            // 8.75 more.
            (30, 35, 1008.0, false),
            // A fifth of 75 were others': 8.1 more.
            (25, 60, 1006.5, false),
            // Half of 88: 4.9 more, which leaves less than a tenth of the limit.
            (12, 44, 1009.0, true),
            // Only we call, all at once at the beginning.
            (8, 92, 1000.0, true),
            (12, 88, 1000.0, false),
        ] {
            let window = window(remaining, answered, last_answer);
            assert_eq!(window.was_used_up(0), expected, "{window:?}");
        }
    }

    #[test]
    fn our_share_is_what_we_used_and_in_the_beginning_what_it_was_before() {
        let mut window = window(60, 9, 1005.0);
        let is = |share: f64, expected: f64| (share - expected).abs() < 1e-9;
        assert!(is(window.our_share(4), 9.0 / 36.0));
        window.last_share = Some(0.5);
        assert!(is(window.our_share(4), 19.0 / 56.0));
    }

    #[test]
    fn a_window_is_followed_by_the_next_one_and_no_other() {
        let window = window(60, 9, 1005.0);
        for (now, is_current, is_followed) in [
            (999.0, false, false),
            (999.1, true, false),
            (1009.9, true, false),
            (1010.0, false, true),
            (1019.9, false, true),
            (1020.0, false, false),
        ] {
            assert_eq!(window.is_current(now), is_current, "{now}");
            assert_eq!(window.follows_at(now), is_followed, "{now}");
        }
    }
}
