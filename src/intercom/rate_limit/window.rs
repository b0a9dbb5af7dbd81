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

/// How many calls the last window's share weighs as much as.
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
        } else if under_way > 0 && f64::from(under_way) >= ours / 2.0 {
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
