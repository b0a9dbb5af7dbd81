//! Identifiers in the shapes that Intercom uses. They are counted, not random, so that a test
//! run with a manual clock gets the same ones every time.

use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Ids {
    next: u64,
}

impl Ids {
    fn count(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// 24 hex digits, of which the first eight are the time, as in Intercom's ids.
    pub(crate) fn object_id(&mut self, now: Duration) -> String {
        let seconds = now.as_secs() & 0xffff_ffff;
        let count = self.count();
        format!("{seconds:08x}{count:016x}")
    }

    pub(crate) fn uuid(&mut self) -> String {
        let count = self.count();
        let (high, low) = (count >> 48, count & 0xffff_ffff_ffff);
        format!("5e9c0de5-{high:04x}-4000-8000-{low:012x}")
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.count()
    }
}
