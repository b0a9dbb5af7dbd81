//! Contacts, found: from memory, by their id, or by search.

use std::borrow::Cow;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::known::KnownContact;
use super::{Delivery, Undelivered};
use crate::intercom::{CallError, Verdict};
use crate::mapping::{ANONYMOUS_ID, Identity};
use crate::memory::Memory;

/// Characters that stay as they are in a segment of a path (RFC 3986, "unreserved").
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As one segment of a path.
pub(super) fn segment(id: &str) -> Cow<'_, str> {
    utf8_percent_encode(id, SEGMENT).into()
}

/// What we look at in a contact that Intercom shows.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) external_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) role: Option<String>,
    last_seen_at: Option<i64>,
    companies: Option<FoundCompanies>,
}

#[derive(Debug, Default, Deserialize)]
struct FoundCompanies {
    #[serde(default)]
    data: Vec<FoundCompany>,
}

#[derive(Debug, Deserialize)]
struct FoundCompany {
    id: String,
}

#[derive(Deserialize)]
struct FoundPage {
    #[serde(default)]
    data: Vec<Found>,
}

impl From<Found> for KnownContact {
    fn from(found: Found) -> Self {
        let companies = found.companies.unwrap_or_default().data.into_iter();
        Self {
            id: found.id,
            last_seen_at: found.last_seen_at,
            companies: companies.map(|company| company.id).collect(),
            is_merged: false,
        }
    }
}

impl KnownContact {
    /// The index of search lags behind, so nothing but the id is believed.
    fn found_by_search(found: Found) -> Self {
        Self::with_id(found.id)
    }
}

/// Most ids that one search takes.
const SEARCHED_AT_ONCE: usize = 150;

impl Delivery {
    /// Looks up all of these users that aren't known in one search for each 150 of them. Those
    /// it doesn't find (its index lags behind) are looked up one by one when their turn comes.
    /// Where a search has room left, it also asks for those who may be needed soon.
    pub(super) async fn look_up_together(
        &self,
        external_ids: &[&str],
        needed_soon: &[&str],
        deadline: Instant,
    ) {
        let is_known = |id: &str| self.known.contacts.get(&user_key(id)).is_some();
        let unknown = |id: &&&str| !is_known(id);
        let mut needed: Vec<&str> = external_ids.iter().filter(unknown).copied().collect();
        let room = needed.len().next_multiple_of(SEARCHED_AT_ONCE) - needed.len();
        let soon = needed_soon.iter().filter(|id| !external_ids.contains(id));
        needed.extend(soon.filter(unknown).take(room));
        for ids in needed.chunks(SEARCHED_AT_ONCE) {
            // One alone is found as cheaply by its id, and without the lag.
            if ids.len() < 2 {
                return;
            }
            let query = json!({"field": "external_id", "operator": "IN", "value": ids});
            let Ok(found) = self.search(query, deadline).await else {
                return;
            };
            for contact in found {
                let is_lead = contact.role.as_deref() == Some("lead");
                if let Some(id) = contact.external_id.clone().filter(|_| !is_lead) {
                    let known = KnownContact::found_by_search(contact);
                    self.known.contacts.put(&user_key(&id), known);
                }
            }
        }
    }

    /// The contact, from memory or looked up. `None` when there is none.
    pub(super) async fn contact(
        &self,
        identity: &Identity<'_>,
        deadline: Instant,
    ) -> Result<Option<KnownContact>, Undelivered> {
        if let Some(known) = self.recall(identity) {
            return Ok(Some(known));
        }
        let found = match identity {
            Identity::ExternalId(id) => self.find_by_external_id(id, deadline).await?,
            Identity::Email(email) => {
                let query =
                    json!({"field": "email", "operator": "=", "value": email.to_lowercase()});
                let mut found = self.search(query, deadline).await?;
                // A user is the better match for an address than a lead.
                found.sort_by_key(|contact| contact.role.as_deref() != Some("user"));
                found.into_iter().next().map(KnownContact::found_by_search)
            }
            Identity::AnonymousId(id) => {
                let field = format!("custom_attributes.{ANONYMOUS_ID}");
                let query = json!({"operator": "AND", "value": [
                    {"field": field, "operator": "=", "value": id},
                    {"field": "role", "operator": "=", "value": "lead"},
                ]});
                let found = self.search(query, deadline).await?;
                found.into_iter().next().map(KnownContact::found_by_search)
            }
        };
        if let Some(found) = &found {
            self.remember(identity, found.clone());
        }
        Ok(found)
    }

    pub(super) async fn find_by_external_id(
        &self,
        external_id: &str,
        deadline: Instant,
    ) -> Result<Option<KnownContact>, Undelivered> {
        let path = format!("/contacts/find_by_external_id/{}", segment(external_id));
        match self.intercom.get::<Found>(&path, deadline).await {
            Ok(found) => Ok(Some(found.into())),
            Err(CallError::Refused(refusal)) => {
                match (refusal.verdict(), &refusal.canonical_contact) {
                    (Verdict::NotFound, _) => Ok(None),
                    (Verdict::Merged, Some(id)) => Ok(Some(KnownContact {
                        is_merged: true,
                        ..KnownContact::with_id(id.clone())
                    })),
                    _ => Err(Undelivered::Rejected((&*refusal).into())),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn search(&self, query: Value, deadline: Instant) -> Result<Vec<Found>, Undelivered> {
        let body = json!({"query": query, "pagination": {"per_page": SEARCHED_AT_ONCE}});
        let search =
            self.intercom
                .send::<FoundPage>(Method::POST, "/contacts/search", &body, deadline);
        match search.await {
            Ok(page) => Ok(page.data),
            // A workspace where no lead was ever made doesn't know their attribute either.
            Err(CallError::Refused(refusal)) if refusal.message.contains(ANONYMOUS_ID) => {
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The contact as it was remembered.
    pub(super) fn recall(&self, identity: &Identity<'_>) -> Option<KnownContact> {
        let (memory, key) = self.place(identity);
        memory.get(&key)
    }

    /// Remembers a contact as Intercom just showed it.
    pub(super) fn remember(&self, identity: &Identity<'_>, contact: KnownContact) {
        let (memory, key) = self.place(identity);
        memory.put(&key, contact);
    }

    /// Forgets a contact, after an answer that contradicts what is known.
    pub(super) fn forget_contact(&self, identity: &Identity<'_>) {
        let (memory, key) = self.place(identity);
        memory.forget(&key);
    }

    /// Where a contact is remembered: ids of different kinds never meet.
    fn place(&self, identity: &Identity<'_>) -> (&Memory<KnownContact>, String) {
        let known = &self.known;
        match identity {
            Identity::ExternalId(id) => (&known.contacts, user_key(id)),
            Identity::AnonymousId(id) => (&known.contacts, format!("anonymous {id}")),
            Identity::Email(email) => (&known.contacts_by_email, email.to_lowercase()),
        }
    }
}

fn user_key(external_id: &str) -> String {
    format!("user {external_id}")
}
