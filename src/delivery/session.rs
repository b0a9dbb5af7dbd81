//! One invocation's deliveries: what is known only within it, and who is who in Intercom.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexSet;

use super::catalogue::Catalogues;
use super::coalesce::Companies;
use super::contact_cache::KnownContact;
use super::{Delivery, Job, Stop};
use crate::intercom::{self, CallError, Contact, Found, SEARCH_PAGE};
use crate::mapping::{Action, Identity};

/// What this invocation did or saw, so as not to do it again. Nothing of it outlives the invocation:
/// another instance may undo any of it, and no answer would say so.
pub(super) struct Session<'d> {
    pub(super) delivery: &'d Delivery,
    pub(super) intercom: intercom::Session<'d>,
    /// Unix seconds.
    pub(super) now: i64,
    /// Intercom's ids of contacts and of the companies that they are in.
    pub(super) memberships: Noted<(String, String), ()>,
    /// Intercom's ids of contacts that it showed in full.
    pub(super) shown: Noted<String, ()>,
    /// What its events say of companies.
    pub(super) companies: Companies<'d>,
    /// Hashes of what was last sent of a company, by company_id.
    pub(super) sent_companies: Noted<String, u64>,
    pub(super) attributes: Catalogues,
    /// Calls spent on each job, by its index.
    pub(super) calls: Vec<AtomicU32>,
    turns: Noted<String, Arc<tokio::sync::Mutex<()>>>,
}

impl<'d> Session<'d> {
    pub(super) fn new(
        delivery: &'d Delivery,
        intercom: intercom::Session<'d>,
        jobs: &'d [Job<'_>],
        now: i64,
    ) -> Self {
        Self {
            delivery,
            intercom,
            now,
            memberships: Noted::default(),
            shown: Noted::default(),
            companies: Companies::of(jobs),
            sent_companies: Noted::default(),
            attributes: Catalogues::default(),
            calls: jobs.iter().map(|_| AtomicU32::default()).collect(),
            turns: Noted::default(),
        }
    }

    /// Lock held while this is created, so a second caller finds it.
    pub(super) fn turn(&self, name: String) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.get_or_default(name)
    }

    /// Looks up all unknown users whose contact is needed, with one search for every 150 of them.
    /// Those it doesn't find (its index lags behind) are looked up one by one when their turn
    /// comes. Where a search has room left, it also asks for users with an event, who may be
    /// needed soon.
    pub(super) async fn look_up_together(&self, jobs: &[Job<'_>], intercom: intercom::Session<'_>) {
        let (mut needed, mut needed_soon) = (IndexSet::new(), IndexSet::new());
        for action in jobs.iter().flat_map(|job| &job.actions) {
            match action {
                Action::UpsertContact { identity, .. }
                | Action::DeleteContact { identity }
                | Action::MergeContact { into: identity, .. } => {
                    if let Identity::ExternalId(id) = identity {
                        needed.insert(&**id);
                    }
                }
                Action::CreateEvent { event, .. } => needed_soon.extend(event.user_id.as_deref()),
                _ => {}
            }
        }
        let contacts = &self.delivery.contacts;
        let is_unknown = |id: &&str| {
            let identity = Identity::ExternalId((*id).into());
            contacts.get(&identity).is_none()
        };
        needed.retain(is_unknown);
        let room = needed.len().next_multiple_of(SEARCH_PAGE) - needed.len();
        needed_soon.retain(|id| !needed.contains(id) && is_unknown(id));
        needed.extend(needed_soon.into_iter().take(room));
        for ids in needed.into_iter().collect::<Vec<_>>().chunks(SEARCH_PAGE) {
            // A single one is found just as cheaply by its id, and without the lag.
            if ids.len() < 2 {
                return;
            }
            let Ok(found) = intercom.search_external_ids(ids).await else {
                return;
            };
            for contact in found {
                if let Some(id) = contact.user_id() {
                    let identity = Identity::ExternalId(id.to_owned().into());
                    contacts.insert(&identity, KnownContact::found_by_search(contact));
                }
            }
        }
    }

    /// The contact, from the cache or looked up. None when Intercom shows none; where only its
    /// search can find the contact, that may be because the index lags behind.
    pub(super) async fn contact(
        &self,
        identity: &Identity<'_>,
    ) -> Result<Option<KnownContact>, Stop> {
        if let Some(known) = self.delivery.contacts.get(identity) {
            return Ok(Some(known));
        }
        let by_search = |found: Vec<Contact>| {
            let best = found.into_iter().next();
            best.map(KnownContact::found_by_search)
        };
        let found = match identity {
            Identity::ExternalId(id) => match self.intercom.find_by_external_id(id).await? {
                Found::Contact(contact) => Some(self.known(&contact)),
                Found::MergedInto(id) => Some(KnownContact {
                    is_merged: true,
                    ..KnownContact::with_id(id)
                }),
                Found::Nobody => None,
            },
            Identity::Email(email) => by_search(self.intercom.search_email(email).await?),
            Identity::AnonymousId(id) => by_search(self.intercom.search_leads(id).await?),
        };
        if let Some(found) = &found {
            self.delivery.contacts.insert(identity, found.clone());
        }
        Ok(found)
    }

    /// What to remember of a contact that Intercom just showed.
    pub(super) fn known(&self, contact: &Contact) -> KnownContact {
        self.shown.insert(contact.id.clone(), ());
        for company in contact.companies() {
            let membership = (contact.id.clone(), company.to_owned());
            self.memberships.insert(membership, ());
        }
        contact.into()
    }

    /// Intercom's id of the company, from the cache or looked up. None when there is none.
    pub(super) async fn company(&self, company_id: &str) -> Result<Option<String>, CallError> {
        let companies = &self.delivery.companies;
        if let Some(id) = companies.get(company_id) {
            return Ok(Some(id));
        }
        let found = self.intercom.find_company(company_id).await?;
        if let Some(id) = &found {
            companies.insert(company_id, id.clone());
        }
        Ok(found)
    }
}

/// A map shared by users that are delivered concurrently.
#[derive(Debug)]
pub(super) struct Noted<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Noted<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Noted<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.with(|map| map.get(key).cloned())
    }

    pub(super) fn insert(&self, key: K, value: V) {
        self.with(|map| map.insert(key, value));
    }

    pub(super) fn remove(&self, key: &K) {
        self.with(|map| map.remove(key));
    }

    fn get_or_default(&self, key: K) -> V
    where
        V: Default,
    {
        self.with(|map| map.entry(key).or_default().clone())
    }

    fn with<T>(&self, read: impl FnOnce(&mut HashMap<K, V>) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
