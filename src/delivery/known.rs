//! What this instance learned from Intercom, so as not to ask again. Bounded in size and age.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// Entries of each memory: ids of some 40 bytes, so about 2 MB when all are full.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// Contacts and companies can change behind our back, so nothing is believed for longer.
const AGE: Duration = Duration::from_mins(10);

/// Texts by text, bounded in number and age.
#[derive(Debug)]
pub(super) struct Memory(Mutex<LruCache<String, (String, Instant)>>);

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ENTRIES)))
    }
}

impl Memory {
    pub(super) fn get(&self, key: &str) -> Option<String> {
        let mut entries = self.entries();
        let (value, since) = entries.get(key)?;
        (since.elapsed() < AGE).then(|| value.clone())
    }

    pub(super) fn put(&self, key: &str, value: &str) {
        self.entries()
            .put(key.to_owned(), (value.to_owned(), Instant::now()));
    }

    pub(super) fn forget(&self, key: &str) {
        self.entries().pop(key);
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, LruCache<String, (String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids by the ids that Segment's events carry.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Intercom's contact id by [`super::contacts::memory_key`].
    pub(super) contacts: Memory,
    /// Intercom's company id by company_id.
    pub(super) companies: Memory,
}
