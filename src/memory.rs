//! A memory of one instance, bounded in number, size and age.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// Longest key in bytes. What somebody names with more isn't worth the memory.
const LONGEST_KEY: usize = 1_000;

/// Values by text. When it is full, the one used least recently goes.
#[derive(Debug)]
pub(crate) struct Memory<T> {
    entries: Mutex<LruCache<String, (T, Instant)>>,
    age: Duration,
}

impl<T: Clone> Memory<T> {
    /// A memory of so many values, each believed for so long.
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

    pub(crate) fn put(&self, key: &str, value: T) {
        if key.len() <= LONGEST_KEY {
            self.entries().put(key.to_owned(), (value, Instant::now()));
        }
    }

    pub(crate) fn forget(&self, key: &str) {
        self.entries().pop(key);
    }

    pub(crate) fn forget_all(&self) {
        self.entries().clear();
    }

    pub(crate) fn change_all(&self, change: impl Fn(&mut T)) {
        for (_, (value, _)) in self.entries().iter_mut() {
            change(value);
        }
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
        let memory = Memory::new(TWO, Duration::from_mins(1));
        for key in ["a", "b", "c"] {
            memory.put(key, key.to_uppercase());
        }
        assert_eq!(memory.get("a"), None);
        assert_eq!(memory.get("b").as_deref(), Some("B"));
        memory.put("d", String::new());
        assert_eq!(memory.get("c"), None, "b was used since");
    }

    #[test]
    fn it_is_bounded_in_the_length_of_its_keys() {
        let memory = Memory::new(TWO, Duration::from_mins(1));
        let keys = [LONGEST_KEY, LONGEST_KEY + 1].map(|length| "x".repeat(length));
        for key in &keys {
            memory.put(key, ());
        }
        assert_eq!(keys.map(|key| memory.get(&key)), [Some(()), None]);
    }

    #[test]
    fn it_is_bounded_in_age() {
        let memory = Memory::new(TWO, Duration::ZERO);
        memory.put("a", ());
        assert_eq!(memory.get("a"), None);
    }
}
