//! Contacts, created or updated without ever writing to another person's.
//!
//! Intercom refuses a write whose external_id or email another contact has (409), and doesn't say
//! which of the two it was. If the write succeeds without the email, it was the email.

use std::borrow::Cow;

use super::Stop;
use super::attempt::Attempt;
use super::contact_cache::KnownContact;
use crate::failure::Failure;
use crate::in_progress::Undelivered;
use crate::intercom::{CallError, Contact as Shown, ErrorResponse, Verdict};
use crate::mapping::{Contact, Identity};

/// A last_seen_at at most this many seconds older counts as current: a group call then doesn't
/// update the contact, and an identify isn't late.
const FRESH_SECONDS: i64 = 15 * 60;

/// How often an upsert is tried while the contact disappears, or is created by somebody else.
const ATTEMPTS: usize = 4;

/// The result of a write.
enum Written {
    Yes,
    /// The contact isn't the one it was taken for; the cache has been corrected.
    BeginAgain,
}

impl Attempt<'_> {
    /// Creates or updates the contact. Repeating it is safe: the last write of a field wins, and a
    /// contact whose creation went unnoticed is found through its 409.
    pub(super) async fn upsert_contact(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
    ) -> Result<(), Stop> {
        for _ in 0..ATTEMPTS {
            let written = match self.contact(identity).await? {
                Some(known) => self.update_contact(identity, known, contact).await?,
                None => self.create_contact(identity, contact).await?,
            };
            if let Written::Yes = written {
                return Ok(());
            }
        }
        let reason = "the contact keeps changing in Intercom while it is written";
        Err(Undelivered::retry(Failure::new(reason)).into())
    }

    async fn update_contact(
        &self,
        identity: &Identity<'_>,
        mut known: KnownContact,
        contact: &Contact<'_>,
    ) -> Result<Written, Stop> {
        let mut contact = Cow::Borrowed(contact);
        if known.is_merged {
            // It keeps the external_id of the user that it is now.
            contact.to_mut().external_id = None;
        }
        if let Some(email) = &contact.email
            && known.refused_email.as_deref() == Some(&**email)
        {
            self.leave_out_email(
                contact.to_mut(),
                "Intercom recently refused it for this user",
            );
        }
        if let Some(seen) = contact.last_seen_at
            && self.is_late(seen)
            && self.was_seen_since(identity, &mut known, seen).await?
        {
            contact.to_mut().last_seen_at = None;
        }
        let intercom = &self.intercom;
        let written = self
            .write_with_attributes(&*contact, async |contact| {
                intercom.update_contact(&known.id, contact).await
            })
            .await;
        match written {
            Ok(shown) => {
                self.remember(identity, &known, shown);
                Ok(Written::Yes)
            }
            Err(CallError::Refused(error)) => match error.verdict() {
                Verdict::NotFound | Verdict::Merged => {
                    self.round.delivery.contacts.remove(identity);
                    Ok(Written::BeginAgain)
                }
                Verdict::Raced => Ok(Written::BeginAgain),
                Verdict::Conflict if Self::may_go_without_email(identity, &contact) => {
                    known.refused_email = contact.email.as_deref().map(str::to_owned);
                    self.round.delivery.contacts.insert(identity, known);
                    Ok(Written::BeginAgain)
                }
                // The external_id belongs to another contact by now, so this one isn't the user's.
                Verdict::Conflict if contact.external_id.is_some() => {
                    self.round.delivery.contacts.remove(identity);
                    Ok(Written::BeginAgain)
                }
                _ => Err(Undelivered::refused(&*error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn create_contact(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
    ) -> Result<Written, Stop> {
        let error = match self.try_to_create(identity, contact).await? {
            Ok(written) => return Ok(written),
            Err(conflict) => conflict,
        };
        if !Self::may_go_without_email(identity, contact) {
            return self.adopt_existing(identity, &error).await;
        }
        if let Some(id) = error.conflicting_contact()
            && !error.is_about_archived()
        {
            let Some(shown) = self.intercom.show_contact(id).await? else {
                return Ok(Written::BeginAgain);
            };
            if self.is_the_users(identity, &shown) {
                let known = self.known(&shown);
                self.round.delivery.contacts.insert(identity, known);
                return Ok(Written::BeginAgain);
            }
        }
        // The email is somebody else's, or may be: it is written separately.
        let without_email = Contact {
            email: None,
            ..contact.clone()
        };
        match self.try_to_create(identity, &without_email).await? {
            Ok(Written::Yes) => self.add_email(identity, contact, &error).await,
            Ok(Written::BeginAgain) => Ok(Written::BeginAgain),
            Err(conflict) => self.adopt_existing(identity, &conflict).await,
        }
    }

    /// Creates the contact; returns Intercom's answer if that is a conflict.
    async fn try_to_create(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
    ) -> Result<Result<Written, Box<ErrorResponse>>, Stop> {
        let intercom = &self.intercom;
        let created = self
            .write_with_attributes(contact, async |contact| {
                intercom.create_contact(contact).await
            })
            .await;
        match created {
            Ok(shown) => {
                if let Some(shown) = shown {
                    self.remember(identity, &KnownContact::default(), Some(shown));
                }
                Ok(Ok(Written::Yes))
            }
            Err(CallError::Refused(error)) => match error.verdict() {
                Verdict::Raced => Ok(Ok(Written::BeginAgain)),
                Verdict::Conflict => Ok(Err(error)),
                _ => Err(Undelivered::refused(&*error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Adopts the contact that a creation conflicts with, which can only be the intended one:
    /// somebody else has just created it, or it is archived.
    async fn adopt_existing(
        &self,
        identity: &Identity<'_>,
        error: &ErrorResponse,
    ) -> Result<Written, Stop> {
        let Some(id) = error.conflicting_contact() else {
            // Several contacts have this email, and search doesn't show them yet.
            return Err(Undelivered::retry(error).into());
        };
        if error.is_about_archived() {
            match self.intercom.unarchive_contact(id).await {
                Ok(()) => {}
                Err(CallError::Refused(error)) if error.verdict() == Verdict::NotFound => {
                    return Ok(Written::BeginAgain);
                }
                Err(CallError::Refused(error)) => {
                    let reason = format!(
                        "the contact {id} with this user id or email was deleted for good, and \
                         Intercom never gives them to another contact: use another user id"
                    );
                    return Err(Undelivered::refused(Failure::of(&error, &reason)).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let known = KnownContact::with_id(id);
        self.round.delivery.contacts.insert(identity, known);
        Ok(Written::BeginAgain)
    }

    /// Adds the email with which Intercom refused to create the contact.
    async fn add_email(
        &self,
        identity: &Identity<'_>,
        contact: &Contact<'_>,
        refused: &ErrorResponse,
    ) -> Result<Written, Stop> {
        let contacts = &self.round.delivery.contacts;
        let (Some(mut known), Some(email)) = (contacts.get(identity), &contact.email) else {
            return Ok(Written::BeginAgain);
        };
        let email_alone = serde_json::json!({"email": email});
        let intercom = &self.intercom;
        match intercom.update_contact(&known.id, &email_alone).await {
            Ok(_) => Ok(Written::Yes),
            Err(CallError::Refused(_)) => {
                known.refused_email = Some(email.to_string());
                contacts.insert(identity, known);
                self.leave_out_email(&mut contact.clone(), &refused.to_string());
                Ok(Written::Yes)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the contact can be written without its email: a userId identifies its user.
    fn may_go_without_email(identity: &Identity<'_>, contact: &Contact<'_>) -> bool {
        matches!(identity, Identity::ExternalId(_)) && contact.email.is_some()
    }

    fn leave_out_email(&self, contact: &mut Contact<'_>, reason: &str) {
        contact.email = None;
        let warning = format!("email left out, another contact in Intercom has it: {reason}");
        self.note_left_out("email", warning);
    }

    /// Whether a group call's contact exists and was seen so recently that it needs no update.
    pub(super) fn is_fresh(&self, identity: &Identity<'_>, contact: &Contact<'_>) -> bool {
        let known = self.round.delivery.contacts.get(identity);
        known.is_some_and(|known| {
            contact.last_seen_at.is_none_or(|seen| {
                let known = known.last_seen_at;
                known.is_some_and(|known| seen.saturating_sub(known) < FRESH_SECONDS)
            })
        })
    }

    /// Whether the event is so late that the user may have been seen since.
    fn is_late(&self, seen: i64) -> bool {
        self.round.now.saturating_sub(seen) > FRESH_SECONDS
    }

    /// Whether Intercom's last_seen_at of the contact is later.
    async fn was_seen_since(
        &self,
        identity: &Identity<'_>,
        known: &mut KnownContact,
        seen: i64,
    ) -> Result<bool, Stop> {
        let is_later = |known: &KnownContact| known.last_seen_at.is_some_and(|last| last > seen);
        if is_later(known) || self.round.shown.get(&known.id).is_some() {
            return Ok(is_later(known));
        }
        if let Some(shown) = self.intercom.show_contact(&known.id).await? {
            let shown = self.known(&shown);
            known.last_seen_at = shown.last_seen_at.max(known.last_seen_at);
            known.created_at = shown.created_at;
            self.round.delivery.contacts.insert(identity, known.clone());
        }
        Ok(is_later(known))
    }

    /// Remembers a contact that was just written.
    fn remember(&self, identity: &Identity<'_>, known: &KnownContact, shown: Option<Shown>) {
        let shown = shown.map(|shown| self.known(&shown));
        let known = match shown {
            Some(shown) => KnownContact {
                is_merged: known.is_merged,
                refused_email: known.refused_email.clone(),
                ..shown
            },
            None => known.clone(),
        };
        self.round.delivery.contacts.insert(identity, known);
    }

    /// Whether a contact belongs to the user, or to nobody yet and may be claimed.
    fn is_the_users(&self, identity: &Identity<'_>, shown: &Shown) -> bool {
        match (identity, shown.user_id()) {
            (Identity::ExternalId(id), Some(owner)) => owner == *id,
            (Identity::ExternalId(_), None) => self.rights.may_claim_contacts,
            (Identity::Email(_) | Identity::AnonymousId(_), _) => false,
        }
    }
}
