//! Contacts: found, created or updated without ever writing to another person's.

use std::borrow::Cow;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::known::{KnownContact, Memory};
use super::{DeleteMode, Delivery, Failure, Outcome, Undelivered};
use crate::intercom::{CallError, Refusal, Verdict};
use crate::mapping::{ANONYMOUS_ID, Contact, Identity};

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
struct Found {
    id: String,
    external_id: Option<String>,
    email: Option<String>,
    role: Option<String>,
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
        }
    }
}

/// Most ids that one search takes.
const SEARCHED_AT_ONCE: usize = 150;

/// A group call doesn't touch the contact when its last_seen_at is at most this much older, in
/// seconds (`mapping.md`, "group").
const FRESH_ENOUGH: i64 = 15 * 60;

/// An upsert that finds a contact gone is begun again this often.
const ATTEMPTS: usize = 3;

impl Delivery {
    /// Creates or updates the contact. Repeating it is safe: the last write of a field wins, and
    /// one that was created unnoticed is found by its 409.
    pub(super) async fn upsert_contact(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
        deadline: Instant,
    ) -> Outcome {
        for _ in 0..ATTEMPTS {
            let written = match self.contact(identity, deadline).await? {
                Some(known) => {
                    let id = &known.id;
                    self.update_contact(identity, id, contact, deadline).await?
                }
                None => self.create_contact(identity, contact, deadline).await?,
            };
            if written {
                return Ok(());
            }
        }
        Err(Undelivered::Retry {
            failure: Failure::new("the contact keeps changing in Intercom while it is written"),
            after: None,
        })
    }

    /// Makes sure that the contact of a group call exists and was seen lately: nothing is sent
    /// when it is known to.
    pub(super) async fn touch_contact(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
        deadline: Instant,
    ) -> Outcome {
        if let Some(known) = self.recall(identity) {
            let is_fresh = |seen: i64| {
                let known = known.last_seen_at;
                known.is_some_and(|known| seen.saturating_sub(known) < FRESH_ENOUGH)
            };
            if contact.last_seen_at.is_none_or(is_fresh) {
                return Ok(());
            }
        }
        self.upsert_contact(identity, contact, deadline).await
    }

    /// Looks up all of these users that aren't known in one search for each 150 of them. Those
    /// it doesn't find (its index lags behind) are looked up one by one when their turn comes.
    pub(super) async fn look_up_together(&self, external_ids: &[&str], deadline: Instant) {
        let is_known = |id: &&&str| self.known.contacts.get(&user_key(id)).is_some();
        let unknown: Vec<&&str> = external_ids.iter().filter(|id| !is_known(id)).collect();
        for ids in unknown.chunks(SEARCHED_AT_ONCE) {
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
                    // The index may not know yet that the contact left a company.
                    let known = KnownContact {
                        companies: Vec::new(),
                        ..contact.into()
                    };
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
                found.into_iter().next().map(KnownContact::from)
            }
            Identity::AnonymousId(id) => {
                let field = format!("custom_attributes.{ANONYMOUS_ID}");
                let query = json!({"operator": "AND", "value": [
                    {"field": field, "operator": "=", "value": id},
                    {"field": "role", "operator": "=", "value": "lead"},
                ]});
                let found = self.search(query, deadline).await?;
                found.into_iter().next().map(KnownContact::from)
            }
        };
        if let Some(found) = &found {
            self.remember(identity, found.clone());
        }
        Ok(found)
    }

    async fn find_by_external_id(
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
                        id: id.clone(),
                        ..KnownContact::default()
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

    /// Updates the contact; false when it isn't there any more, so that it has to be looked up
    /// again.
    async fn update_contact(
        &self,
        identity: &Identity<'_>,
        id: &str,
        contact: &Contact<'_>,
        deadline: Instant,
    ) -> Result<bool, Undelivered> {
        let path = format!("/contacts/{}", segment(id));
        match self
            .write_with_attributes::<Found>(Method::PUT, &path, contact, deadline)
            .await
        {
            Ok(found) => {
                self.remember(identity, found.into());
                Ok(true)
            }
            Err(CallError::Refused(refusal)) => match refusal.verdict() {
                Verdict::NotFound | Verdict::Merged => {
                    self.forget_contact(identity);
                    Ok(false)
                }
                Verdict::Conflict => Err(conflict(&refusal, refusal.conflicting_contact(), None)),
                _ => Err(Undelivered::Rejected((&*refusal).into())),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the contact; false when somebody else just did, so that it has to be looked up
    /// again.
    async fn create_contact(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
        deadline: Instant,
    ) -> Result<bool, Undelivered> {
        match self
            .write_with_attributes::<Found>(Method::POST, "/contacts", contact, deadline)
            .await
        {
            Ok(found) => {
                self.remember(identity, found.into());
                Ok(true)
            }
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::Conflict => {
                self.resolve_conflict(identity, &refusal, deadline).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The id in a conflict's text can be anybody's: it matched by external_id or by email.
    /// When it is the contact that was meant, it is remembered and false asks to begin again.
    async fn resolve_conflict(
        &self,
        identity: &Identity<'_>,
        refusal: &Refusal,
        deadline: Instant,
    ) -> Result<bool, Undelivered> {
        let Some(id) = refusal.conflicting_contact() else {
            return Err(Undelivered::Rejected(refusal.into()));
        };
        let path = format!("/contacts/{}", segment(id));
        // An archived contact can't be read, so whose it is shows only after.
        if refusal.is_about_archived() {
            self.change_contact(&path, "unarchive", deadline).await?;
        }
        match self.is_the_meant(identity, &path, refusal, deadline).await {
            Ok(true) => {
                let id = id.to_owned();
                self.remember(
                    identity,
                    KnownContact {
                        id,
                        ..KnownContact::default()
                    },
                );
            }
            Ok(false) => {}
            Err(why) => {
                if refusal.is_about_archived() {
                    self.change_contact(&path, "archive", deadline).await?;
                }
                return Err(why);
            }
        }
        Ok(false)
    }

    async fn change_contact(
        &self,
        path: &str,
        change: &str,
        deadline: Instant,
    ) -> Result<(), Undelivered> {
        let path = format!("{path}/{change}");
        let changed = self
            .intercom
            .change(Method::POST, &path, None::<&()>, deadline);
        Ok(changed.await?)
    }

    /// Whether the contact at `path` is the one with this identity, or nobody's yet. False when
    /// it is gone.
    async fn is_the_meant(
        &self,
        identity: &Identity<'_>,
        path: &str,
        refusal: &Refusal,
        deadline: Instant,
    ) -> Result<bool, Undelivered> {
        let found = match self.intercom.get::<Found>(path, deadline).await {
            Ok(found) => found,
            Err(CallError::Refused(gone))
                if matches!(gone.verdict(), Verdict::NotFound | Verdict::Merged) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        // A lead's external_id is Intercom's own, not a user's.
        let is_user = found.role.as_deref() != Some("lead");
        let owner = found.external_id.filter(|id| is_user && !id.is_empty());
        let is_meant = match identity {
            Identity::ExternalId(id) => owner.as_deref().is_none_or(|owner| owner == *id),
            Identity::Email(email) => found
                .email
                .is_some_and(|found| found.to_lowercase() == email.to_lowercase()),
            Identity::AnonymousId(_) => false,
        };
        if is_meant {
            Ok(true)
        } else {
            Err(conflict(refusal, Some(&found.id), owner.as_deref()))
        }
    }

    /// Merges the lead into the user, who is created if missing. Repeating it is safe: a lead
    /// that was merged isn't found any more, which skips.
    pub(super) async fn merge_contact(
        &self,
        from: &Identity<'_>,
        into: &Identity<'_>,
        deadline: Instant,
    ) -> Outcome {
        let Some(lead) = self.contact(from, deadline).await? else {
            return Err(self.no_lead(from, deadline).await?);
        };
        let mut user = self.contact(into, deadline).await?;
        if user.is_none() {
            let contact = Contact::of(into);
            self.upsert_contact(into, &contact, deadline).await?;
            user = self.contact(into, deadline).await?;
        }
        let user = user.ok_or_else(|| Undelivered::rejected("the user to merge into is gone"))?;
        let body = json!({"from": lead.id, "into": user.id, "skip_duplicate_validation": true});
        let merged = self
            .intercom
            .change(Method::POST, "/contacts/merge", Some(&body), deadline);
        self.forget_contact(from);
        match merged.await {
            Ok(()) => Ok(()),
            Err(CallError::Refused(refusal))
                if matches!(refusal.verdict(), Verdict::NotFound | Verdict::Merged) =>
            {
                self.forget_contact(into);
                Err(Undelivered::Retry {
                    failure: (&*refusal).into(),
                    after: None,
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Why there is no lead to merge.
    async fn no_lead(
        &self,
        from: &Identity<'_>,
        deadline: Instant,
    ) -> Result<Undelivered, Undelivered> {
        if let Identity::AnonymousId(previous_id) = from
            && self
                .find_by_external_id(previous_id, deadline)
                .await?
                .is_some()
        {
            return Ok(Undelivered::rejected(
                ".previousId is a user: Intercom merges only leads into users",
            ));
        }
        Ok(Undelivered::Skipped(
            "there is no lead with this .previousId".into(),
        ))
    }

    /// Deletes or archives the contact. Repeating it is safe: a contact that isn't there is as
    /// good as deleted.
    pub(super) async fn delete_contact(
        &self,
        identity: &Identity<'_>,
        deadline: Instant,
    ) -> Outcome {
        let Some(known) = self.contact(identity, deadline).await? else {
            return Ok(());
        };
        self.forget_contact(identity);
        let id = segment(&known.id);
        let deleted = match self.settings.delete_mode {
            DeleteMode::Delete => {
                let path = format!("/contacts/{id}");
                self.intercom
                    .change(Method::DELETE, &path, None::<&()>, deadline)
                    .await
            }
            DeleteMode::Archive => {
                let path = format!("/contacts/{id}/archive");
                self.intercom
                    .change(Method::POST, &path, None::<&()>, deadline)
                    .await
            }
        };
        match deleted {
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::NotFound => Ok(()),
            deleted => Ok(deleted?),
        }
    }

    /// The contact as it was remembered.
    fn recall(&self, identity: &Identity<'_>) -> Option<KnownContact> {
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

/// A write that would touch another person's contact.
fn conflict(refusal: &Refusal, contact: Option<&str>, owner: Option<&str>) -> Undelivered {
    let contact = contact.unwrap_or("unknown");
    let whose = owner.map_or_else(String::new, |owner| format!(" of the user {owner:?}"));
    Undelivered::Rejected(Failure {
        reason: format!(
            "the email or user id belongs to the contact {contact}{whose}, which is left as it \
             is: merge the two in Intercom or send another email ({refusal})"
        ),
        status: Some(refusal.status),
        request_id: refusal.request_id.clone(),
    })
}
