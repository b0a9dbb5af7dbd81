//! A cache within one instance, bounded in number, size and age.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// A longer key isn't worth the memory.
const MAX_KEY_BYTES: usize = 1_000;

/// Values by text. When it is full, the one used least recently goes.
#[derive(Debug)]
pub(crate) struct TtlCache<T> {
    entries: Mutex<LruCache<String, (T, Instant)>>,
    age: Duration,
}

impl<T: Clone> TtlCache<T> {
    /// A cache of this many values, each believed for this long.
    pub(crate) fn new(entries: NonZeroUsize, age: Duration) -> Self {
        Self {
            entries: Mutex::new(LruCache::new(entries)),
            age,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<T> {
        let mut entries = self.entries();
        let (value, since) = entries.get(key)?;
        (since.elapsed() < self.age).then(|| value.clone())
    }

    pub(crate) fn insert(&self, key: &str, value: T) {
        if key.len() <= MAX_KEY_BYTES {
            self.entries()
                .put(key.to_owned(), (value, crate::time_budget::now()));
        }
    }

    pub(crate) fn remove(&self, key: &str) {
        self.entries().pop(key);
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<String, (T, Instant)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

    #[test]
    fn it_is_bounded_in_number() {
        let cache = TtlCache::new(TWO, Duration::from_mins(1));
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
        let cache = TtlCache::new(TWO, Duration::from_mins(1));
        let keys = [MAX_KEY_BYTES, MAX_KEY_BYTES + 1].map(|length| "x".repeat(length));
        for key in &keys {
            cache.insert(key, ());
        }
        assert_eq!(keys.map(|key| cache.get(&key)), [Some(()), None]);
    }

    #[test]
    fn it_is_bounded_in_age() {
        let cache = TtlCache::new(TWO, Duration::ZERO);
        cache.insert("a", ());
        assert_eq!(cache.get("a"), None);
    }
}
