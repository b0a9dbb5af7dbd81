//! What this instance learned from Intercom, so as not to ask again. Bounded in size and age,
//! and forgotten at the first answer that contradicts it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::memory::Memory;

/// Entries of each memory. A contact takes some 200 bytes, so all memories about 2 MB when full.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// How long ids are believed. One that is wrong gets a 404 and is looked up again.
const AGE: Duration = Duration::from_hours(1);

/// A person can create an attribute or free one of its name.
const AGE_OF_ATTRIBUTES: Duration = Duration::from_mins(10);

/// An email address can move to another contact.
const AGE_OF_EMAILS: Duration = Duration::from_mins(1);

/// A contact as Intercom showed it last. Effects are known within an invocation only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownContact {
    /// Intercom's id.
    pub(super) id: String,
    /// Whether the user was merged into this contact, which is another user's.
    pub(super) is_merged: bool,
    /// Unix seconds.
    pub(super) last_seen_at: Option<i64>,
    /// Intercom's ids of companies that the contact is in; there may be more.
    pub(super) companies: Vec<String>,
}

impl KnownContact {
    /// A contact of which only the id is known.
    pub(super) fn with_id(id: String) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }
}

/// Everything that is remembered.
#[derive(Debug)]
pub(super) struct Known {
    /// Contacts by external_id or anonymousId.
    pub(super) contacts: Memory<KnownContact>,
    /// Contacts by email.
    pub(super) contacts_by_email: Memory<KnownContact>,
    /// Intercom's company ids by company_id.
    pub(super) companies: Memory<String>,
    /// Hashes of what this invocation sent of a company last, by company_id.
    pub(super) company_content: Memory<u64>,
    /// Custom attributes that can't be had, by model and name.
    pub(super) unusable_attributes: Memory<()>,
    /// Held while a company is written, by company_id.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Known {
    /// Keeps ids alone. What else was learned may be undone by another instance before the next
    /// invocation, and no answer would contradict it: an id that is wrong gets a 404.
    pub(super) fn forget_effects(&self) {
        let forget = |contact: &mut KnownContact| {
            contact.last_seen_at = None;
            contact.companies.clear();
        };
        self.contacts.change_all(forget);
        self.contacts_by_email.change_all(forget);
        self.company_content.forget_all();
        self.turns().clear();
    }

    /// To be held while the company is written: whoever comes second sees what the first wrote.
    pub(super) fn turn_to_write(&self, company_id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns();
        Arc::clone(turns.entry(company_id.to_owned()).or_default())
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            contacts: Memory::new(ENTRIES, AGE),
            contacts_by_email: Memory::new(ENTRIES, AGE_OF_EMAILS),
            companies: Memory::new(ENTRIES, AGE),
            company_content: Memory::new(ENTRIES, AGE),
            unusable_attributes: Memory::new(ENTRIES, AGE_OF_ATTRIBUTES),
            turns: Mutex::default(),
        }
    }
}
