//! A map that users who are delivered concurrently share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct SharedMap<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> SharedMap<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.with(|map| map.get(key).cloned())
    }

    pub(super) fn insert(&self, key: K, value: V) {
        self.with(|map| map.insert(key, value));
    }

    pub(super) fn remove(&self, key: &K) {
        self.with(|map| map.remove(key));
    }

    pub(super) fn get_or_default(&self, key: K) -> V
    where
        V: Default,
    {
        self.with(|map| map.entry(key).or_default().clone())
    }

    fn with<T>(&self, read: impl FnOnce(&mut HashMap<K, V>) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
