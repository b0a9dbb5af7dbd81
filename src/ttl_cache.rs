//! A cache within one instance, bounded in number, size and age.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lru::LruCache;

use crate::clock::Clock;

/// A longer key isn't worth the memory. The longest id of a person and its kind fit.
const MAX_KEY_BYTES: usize = 1_100;

/// Values by text. When it is full, the one used least recently goes.
#[derive(Debug)]
pub(crate) struct TtlCache<T> {
    entries: Mutex<LruCache<String, (T, DateTime<Utc>)>>,
    age: Duration,
    clock: Clock,
}

impl<T: Clone> TtlCache<T> {
    /// A cache of this many values, each believed for this long.
    pub(crate) fn new(entries: NonZeroUsize, age: Duration, clock: &Clock) -> Self {
        Self {
            entries: Mutex::new(LruCache::new(entries)),
            age,
            clock: clock.clone(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<T> {
        let mut entries = self.entries();
        let (value, since) = entries.get(key)?;
        // A value from a time still to come was kept before the clock was set back.
        let age = (self.clock.now() - *since).to_std().ok()?;
        (age < self.age).then(|| value.clone())
    }

    pub(crate) fn insert(&self, key: &str, value: T) {
        if key.len() <= MAX_KEY_BYTES {
            let now = self.clock.now();
            self.entries().put(key.to_owned(), (value, now));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    pub(crate) fn remove(&self, key: &str) {
        self.entries().pop(key);
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<String, (T, DateTime<Utc>)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

    #[test]
    fn it_is_bounded_in_number() {
        let cache = TtlCache::new(TWO, Duration::from_mins(1), &Clock::default());
        for key in ["a", "b", "c"] {
            cache.insert(key, key.to_uppercase());
        }
        assert_eq!(cache.get("a"), None);
        assert_eq!(cache.get("b").as_deref(), Some("B"));
        cache.insert("d", String::new());
        assert_eq!(cache.get("c"), None, "b was used since");
    }

    #[test]
    fn it_is_bounded_in_the_length_of_its_keys() {
        let cache = TtlCache::new(TWO, Duration::from_mins(1), &Clock::default());
        let keys = [MAX_KEY_BYTES, MAX_KEY_BYTES + 1].map(|length| "x".repeat(length));
        for key in &keys {
            cache.insert(key, ());
        }
        assert_eq!(keys.map(|key| cache.get(&key)), [Some(()), None]);
    }

    #[test]
    fn it_is_bounded_in_age() {
        let seconds = Arc::new(AtomicI64::new(1_000));
        let of_clock = Arc::clone(&seconds);
        let now = move || DateTime::from_timestamp(of_clock.load(Ordering::Relaxed), 0);
        let clock = Clock::new(move || now().expect("a time"));
        let cache = TtlCache::new(TWO, Duration::from_mins(1), &clock);
        cache.insert("a", ());
        for (now, expected) in [(1_059, Some(())), (1_060, None), (999, None)] {
            seconds.store(now, Ordering::Relaxed);
            assert_eq!(cache.get("a"), expected, "{now}");
        }
    }
}
