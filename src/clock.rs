//! What time it is.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The wall clock, or what a simulation puts in its place. Ages are measured by it: no other clock
/// goes on while Lambda freezes an instance. Time limits within one invocation are measured by
/// [`tokio::time::Instant`] instead.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that shows what this function says.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }

    /// The same time as the standard library's type.
    pub fn system_time(&self) -> SystemTime {
        self.now().into()
    }
}

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "here the clock comes from")]
    fn default() -> Self {
        Self::new(Utc::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
