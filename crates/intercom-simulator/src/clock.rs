//! The simulator's own clock, which decides about search lag, rate windows and timestamps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// How the simulator's time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockMode {
    /// Real time plus whatever was advanced by hand.
    #[default]
    Real,
    /// The time of the tokio runtime in which the simulator was started, which a test can pause,
    /// plus whatever was advanced by hand.
    Runtime {
        /// Where it starts, in Unix seconds.
        start_unix_seconds: u64,
    },
    /// Time stands still unless it is advanced by hand.
    Manual {
        /// Where it starts, in Unix seconds.
        start_unix_seconds: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Clock {
    mode: ClockMode,
    started: Instant,
    advanced: Duration,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where its clock comes from"
    )]
    pub(crate) fn new(mode: ClockMode) -> Self {
        Self {
            mode,
            started: Instant::now(),
            advanced: Duration::ZERO,
        }
    }

    /// Time since the Unix epoch.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where its clock comes from"
    )]
    pub(crate) fn now(&self) -> Duration {
        let base = match self.mode {
            ClockMode::Real => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            ClockMode::Runtime { start_unix_seconds } => {
                Duration::from_secs(start_unix_seconds) + self.started.elapsed()
            }
            ClockMode::Manual { start_unix_seconds } => Duration::from_secs(start_unix_seconds),
        };
        base.saturating_add(self.advanced)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.advanced = self.advanced.saturating_add(by);
    }
}

/// Unix seconds, as Intercom writes timestamps.
pub(crate) fn unix_seconds(now: Duration) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
