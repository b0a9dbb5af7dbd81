//! Events as they are kept.

use std::collections::HashSet;

use serde_json::{Map, Value};

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) contact_id: String,
    pub(crate) name: String,
    pub(crate) created_at: i64,
    pub(crate) metadata: Map<String, Value>,
}

#[derive(Debug, Default)]
pub(crate) struct EventStore {
    all: Vec<Event>,
    /// Contact, name in lower case, time: what makes an event a duplicate.
    seen: HashSet<(String, String, i64)>,
    /// In lower case.
    names: HashSet<String>,
    pub(crate) duplicates_dropped: u64,
    pub(crate) metadata_keys_ignored: u64,
}

impl EventStore {
    pub(crate) fn all(&self) -> &[Event] {
        &self.all
    }

    pub(crate) fn distinct_names(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    /// Keeps an event, of whose metadata so many keys were ignored, unless it is a duplicate.
    pub(crate) fn add(&mut self, event: Event, metadata_keys_ignored: usize) {
        let name = event.name.to_lowercase();
        let key = (event.contact_id.clone(), name.clone(), event.created_at);
        if !self.seen.insert(key) {
            self.duplicates_dropped += 1;
            return;
        }
        self.names.insert(name);
        self.metadata_keys_ignored += metadata_keys_ignored as u64;
        self.all.push(event);
    }

    /// Gives one contact's events to another, as a merge does.
    pub(crate) fn move_to(&mut self, from: &str, into: &str) {
        for event in self.all.iter_mut().filter(|event| event.contact_id == from) {
            event.contact_id = into.to_owned();
            self.seen
                .insert((into.to_owned(), event.name.to_lowercase(), event.created_at));
        }
    }
}
