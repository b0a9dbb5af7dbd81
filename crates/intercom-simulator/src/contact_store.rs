//! Contacts as they are kept: by Intercom's id, found by external id and email, with the older
//! versions that a lagging search still sees.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    User,
    Lead,
}

impl Role {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "user" => Some(Self::User),
            "lead" => Some(Self::Lead),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Lead => "lead",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Archived,
    Merged {
        into: String,
    },
    /// For good, at this time.
    Deleted {
        at: Duration,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) role: Role,
    pub(crate) external_id: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) avatar: Option<String>,
    pub(crate) owner_id: Option<String>,
    pub(crate) language_override: Option<String>,
    pub(crate) unsubscribed_from_emails: bool,
    pub(crate) signed_up_at: Option<i64>,
    pub(crate) last_seen_at: Option<i64>,
    pub(crate) custom_attributes: Map<String, Value>,
    /// Intercom's ids of the companies, in the order attached.
    pub(crate) companies: Vec<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// When this version was written, for the search lag.
    pub(crate) written_at: Duration,
}

impl Contact {
    pub(crate) fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    pub(crate) fn is_active_user(&self) -> bool {
        self.is_active() && self.role == Role::User
    }
}

#[derive(Debug, Default)]
pub(crate) struct ContactStore {
    /// Ids begin with the time of creation, so this is also the order of creation.
    by_id: BTreeMap<String, Contact>,
    by_external_id: HashMap<String, Vec<String>>,
    by_email: HashMap<String, Vec<String>>,
    /// Versions that were replaced, oldest first, kept while search may still show them.
    replaced: HashMap<String, Vec<Contact>>,
}

impl ContactStore {
    pub(crate) fn get(&self, id: &str) -> Option<&Contact> {
        self.by_id.get(id)
    }

    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Contact> {
        self.by_id.values()
    }

    /// Contacts of any status with this external id, oldest first.
    pub(crate) fn with_external_id(&self, external_id: &str) -> impl Iterator<Item = &Contact> {
        self.listed(self.by_external_id.get(external_id))
    }

    /// Contacts of any status with this email, whatever its case, oldest first.
    pub(crate) fn with_email(&self, email: &str) -> impl Iterator<Item = &Contact> {
        self.listed(self.by_email.get(&email.to_lowercase()))
    }

    fn listed<'a>(&'a self, ids: Option<&'a Vec<String>>) -> impl Iterator<Item = &'a Contact> {
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.by_id.get(id))
    }

    /// Stores a new contact or a new version of one. The version it replaces stays visible to
    /// search for `lag`.
    pub(crate) fn put(&mut self, contact: Contact, lag: Duration) {
        let horizon = contact.written_at.saturating_sub(lag);
        let (id, external_id, email) = (
            contact.id.clone(),
            contact.external_id.clone(),
            contact.email.clone(),
        );
        let before = self.by_id.insert(id.clone(), contact);
        let (old_external_id, old_email) = before.as_ref().map_or((None, None), |old| {
            (old.external_id.clone(), old.email.clone())
        });
        reindex(&mut self.by_external_id, &id, old_external_id, external_id);
        reindex(
            &mut self.by_email,
            &id,
            old_email.map(|email| email.to_lowercase()),
            email.map(|email| email.to_lowercase()),
        );
        if lag.is_zero() {
            self.replaced.remove(&id);
        } else if let Some(before) = before {
            let versions = self.replaced.entry(id).or_default();
            versions.push(before);
            // Of the versions written before the horizon, search can only show the last.
            let hidden = versions
                .iter()
                .filter(|version| version.written_at <= horizon)
                .count();
            versions.drain(..hidden.saturating_sub(1));
        }
    }

    /// Changes a contact in place: for what isn't subject to the search lag.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Contact> {
        self.by_id.get_mut(id)
    }

    /// The version of `contact` that a search lagging by `lag` sees at `now`, if any.
    pub(crate) fn version_seen<'a>(
        &'a self,
        contact: &'a Contact,
        now: Duration,
        lag: Duration,
    ) -> Option<&'a Contact> {
        let horizon = now.saturating_sub(lag);
        let older = self.replaced.get(&contact.id).into_iter().flatten();
        std::iter::once(contact)
            .chain(older.rev())
            .find(|version| version.written_at <= horizon)
    }
}

fn reindex(
    index: &mut HashMap<String, Vec<String>>,
    id: &str,
    old: Option<String>,
    new: Option<String>,
) {
    if old == new {
        return;
    }
    if let Some(old) = old
        && let Some(ids) = index.get_mut(&old)
    {
        ids.retain(|other| other != id);
        if ids.is_empty() {
            index.remove(&old);
        }
    }
    if let Some(new) = new {
        index.entry(new).or_default().push(id.to_owned());
    }
}
