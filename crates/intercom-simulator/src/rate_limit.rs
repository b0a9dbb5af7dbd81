//! Intercom's rate limit: so many requests per window of 10 seconds.

use std::time::Duration;

const WINDOW_SECONDS: u64 = 10;

#[derive(Debug, Default)]
pub(crate) struct RateLimiter {
    window: u64,
    used: u64,
}

/// What the `X-RateLimit-*` headers of one answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateStatus {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Unix seconds at which the next window is said to begin.
    pub(crate) reset: u64,
    pub(crate) exceeded: bool,
}

impl RateLimiter {
    /// Counts one request. What remains doesn't count it yet, and the end of the window is named
    /// `late_seconds` late, as recordings of the live Intercom show both.
    pub(crate) fn count(&mut self, now: Duration, limit: u64, late_seconds: u64) -> RateStatus {
        let window = now.as_secs() / WINDOW_SECONDS;
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
        let remaining = limit.saturating_sub(self.used);
        let exceeded = remaining == 0;
        if !exceeded {
            self.used += 1;
        }
        RateStatus {
            limit,
            remaining,
            reset: (window + 1) * WINDOW_SECONDS + late_seconds,
            exceeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lasts_ten_seconds_and_then_starts_anew() {
        let mut limiter = RateLimiter::default();
        let mut count = |seconds| {
            let status = limiter.count(Duration::from_secs(seconds), 2, 6);
            (status.remaining, status.exceeded, status.reset)
        };
        assert_eq!(count(1003), (2, false, 1016));
        assert_eq!(count(1004), (1, false, 1016));
        assert_eq!(count(1009), (0, true, 1016));
        assert_eq!(count(1010), (2, false, 1026));
    }
}
