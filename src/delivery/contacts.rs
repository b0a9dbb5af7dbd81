//! Contacts, created or updated without ever writing to another person's.

use std::borrow::Cow;
use std::time::Instant;

use reqwest::Method;

use super::known::KnownContact;
use super::lookup::{Found, segment};
use super::{Delivery, Failure, Outcome, Undelivered};
use crate::intercom::{CallError, Refusal, Verdict};
use crate::mapping::{Contact, Identity, Rights};

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
        rights: Rights,
        deadline: Instant,
    ) -> Outcome {
        for _ in 0..ATTEMPTS {
            let written = match self.contact(identity, deadline).await? {
                Some(known) => {
                    self.update_contact(identity, &known, contact, rights, deadline)
                        .await?
                }
                None => {
                    self.create_contact(identity, contact, rights, deadline)
                        .await?
                }
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
        rights: Rights,
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
        self.upsert_contact(identity, contact, rights, deadline)
            .await
    }

    /// Updates the contact; false when it isn't there any more, so that it has to be looked up
    /// again.
    async fn update_contact(
        &self,
        identity: &Identity<'_>,
        known: &KnownContact,
        contact: &Contact<'_>,
        rights: Rights,
        deadline: Instant,
    ) -> Result<bool, Undelivered> {
        let path = format!("/contacts/{}", segment(&known.id));
        let mut contact = Cow::Borrowed(contact);
        if known.is_merged {
            // It keeps the external_id of the user that it is now.
            contact.to_mut().external_id = None;
        }
        match self
            .write_with_attributes::<Found>(Method::PUT, &path, &*contact, rights, deadline)
            .await
        {
            Ok(found) => {
                let known = KnownContact {
                    is_merged: known.is_merged,
                    ..found.into()
                };
                self.remember(identity, known);
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
        rights: Rights,
        deadline: Instant,
    ) -> Result<bool, Undelivered> {
        match self
            .write_with_attributes::<Found>(Method::POST, "/contacts", contact, rights, deadline)
            .await
        {
            Ok(found) => {
                self.remember(identity, found.into());
                Ok(true)
            }
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::Conflict => {
                self.resolve_conflict(identity, &refusal, rights, deadline)
                    .await
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
        rights: Rights,
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
        match self
            .is_the_meant(identity, &path, refusal, rights, deadline)
            .await
        {
            Ok(true) => self.remember(identity, KnownContact::with_id(id.to_owned())),
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

    /// Whether the contact at `path` is the one with this identity, or nobody's yet and the sender
    /// may have it. False when it is gone.
    async fn is_the_meant(
        &self,
        identity: &Identity<'_>,
        path: &str,
        refusal: &Refusal,
        rights: Rights,
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
            Identity::ExternalId(id) => match owner.as_deref() {
                Some(owner) => owner == *id,
                None => rights.may_claim_contacts,
            },
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
