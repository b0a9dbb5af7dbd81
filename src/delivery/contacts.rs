//! Contacts, created or updated without ever writing to another person's.
//!
//! Intercom refuses a write whose external_id or email another contact has (409), and doesn't say
//! which of the two it was. If the write succeeds without the email, it was the email.

use serde_json::json;

use super::Stop;
use super::attempt::Attempt;
use super::contact_cache::KnownContact;
use crate::failure::Failure;
use crate::in_progress::{Otherwise, Undelivered};
use crate::intercom::{CallError, Contact, ErrorResponse, Verdict};
use crate::mapping::{ContactFields, Identity};

/// A last_seen_at at most this many seconds older counts as current: a group call then doesn't
/// update the contact, and an identify isn't late.
const FRESH_SECONDS: i64 = 15 * 60;

/// How often an upsert is tried while the contact disappears, or is created by somebody else.
const ATTEMPTS: usize = 4;

/// Why an event that waited changes nothing.
const ARCHIVED_SINCE: &str = "the contact was archived while the event waited";

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
        contact: &ContactFields<'_>,
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
        contact: &ContactFields<'_>,
    ) -> Result<Written, Stop> {
        let claim = known.is_to_be_claimed.then_some(&known.id);
        let claim = claim.map(|id| self.round.lock_of(format!("claim {id}")));
        let _claimed = match &claim {
            Some(claim) => Some(claim.lock().await),
            None => None,
        };
        if known.is_to_be_claimed && !self.is_unclaimed(&known).await? {
            self.round.delivery.contacts.remove(identity);
            return Ok(Written::BeginAgain);
        }
        let mut contact = contact.clone();
        if !known.is_to_be_claimed {
            // It has one, which may have been changed in Intercom since.
            contact.external_id = None;
        }
        if let Some(email) = &contact.email
            && known.refused_email.as_deref() == Some(&**email)
        {
            let reason = "Intercom recently refused it for this user";
            self.leave_out_email(&mut contact, reason);
        }
        let late = contact.last_seen_at.take_if(|seen| self.is_late(*seen));
        let intercom = &self.intercom;
        let update =
            async |contact: &ContactFields<'_>| intercom.update_contact(&known.id, contact).await;
        match self.write_parts(&contact, &[], update).await {
            Ok(shown) => self.updated(identity, &known, shown, late).await,
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
                // Another contact has the user's id by now.
                Verdict::Conflict if matches!(identity, Identity::ExternalId(_)) => {
                    self.round.delivery.contacts.remove(identity);
                    Ok(Written::BeginAgain)
                }
                _ => Err(Undelivered::refused(&*error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// After an update that left out a late event's `last_seen_at`: its answer tells whether the
    /// contact was seen since.
    async fn updated(
        &self,
        identity: &Identity<'_>,
        known: &KnownContact,
        shown: Contact,
        late: Option<i64>,
    ) -> Result<Written, Stop> {
        let contacts = &self.round.delivery.contacts;
        if let (Some(before), Some(now)) = (known.user_id.as_deref(), shown.user_id())
            && before != now
        {
            // Somebody gave it another user id in Intercom, so it isn't the user's any more.
            contacts.remove(identity);
            return Ok(Written::BeginAgain);
        }
        let was_seen = shown.last_seen_at;
        self.remember(identity, known, &shown);
        if let Some(seen) = late
            && was_seen.is_none_or(|last| last < seen)
        {
            let alone = json!({"last_seen_at": seen});
            match self.intercom.update_contact(&shown.id, &alone).await {
                Ok(shown) => self.remember(identity, known, &shown),
                // It is gone by now, and all else was written.
                Err(CallError::Refused(_)) => contacts.remove(identity),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Written::Yes)
    }

    /// Whether nobody has claimed the contact since it was seen without a user id.
    async fn is_unclaimed(&self, known: &KnownContact) -> Result<bool, Stop> {
        match self.intercom.show_contact(&known.id).await {
            Ok(shown) => Ok(shown.is_some_and(|shown| shown.user_id().is_none())),
            Err(CallError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn create_contact(
        &self,
        identity: &Identity<'_>,
        contact: &ContactFields<'_>,
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
            match self.intercom.show_contact(id).await {
                Ok(None) => return Ok(Written::BeginAgain),
                Ok(Some(shown)) => {
                    if let Some(known) = self.as_the_users(identity, contact, &shown) {
                        self.round.delivery.contacts.insert(identity, known);
                        return Ok(Written::BeginAgain);
                    }
                }
                Err(CallError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The email is somebody else's, or may be: it is written separately.
        let without_email = ContactFields {
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
        contact: &ContactFields<'_>,
    ) -> Result<Result<Written, Box<ErrorResponse>>, Stop> {
        let intercom = &self.intercom;
        // Without any id nobody could tell whose contact it is.
        let essential: &[&str] = match identity {
            Identity::ExternalId(_) => &[],
            Identity::Email(_) | Identity::AnonymousId(_) => &["email"],
        };
        let create = async |contact: &ContactFields<'_>| intercom.create_contact(contact).await;
        match self.write_parts(contact, essential, create).await {
            Ok(shown) => {
                self.remember(identity, &KnownContact::default(), &shown);
                Ok(Ok(Written::Yes))
            }
            Err(CallError::Refused(error)) => match error.verdict() {
                // Somebody else makes the same contact at this moment.
                Verdict::Raced | Verdict::NotFound => Ok(Ok(Written::BeginAgain)),
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
        let mut known = KnownContact::with_id(id);
        if error.is_about_archived() {
            if self.waiting_since.is_some() {
                // It was there, or made, when the event came.
                return Err(Stop::Undelivered(Undelivered::Waiting {
                    failure: Failure::of(error, ARCHIVED_SINCE),
                    otherwise: Otherwise::Skipped(ARCHIVED_SINCE.into()),
                }));
            }
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
        } else if let Identity::Email(email) = identity {
            match self.intercom.show_contact(id).await {
                Ok(Some(shown)) if shown.has_email(email) => known = self.known(&shown),
                Ok(Some(_)) => {
                    let reason = format!(
                        "Intercom says that the contact {id} has this email, but it has a different one"
                    );
                    return Err(Undelivered::refused(Failure::of(error, &reason)).into());
                }
                Ok(None) => return Ok(Written::BeginAgain),
                Err(CallError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.round.delivery.contacts.insert(identity, known);
        Ok(Written::BeginAgain)
    }

    /// Adds the email with which Intercom refused to create the contact.
    async fn add_email(
        &self,
        identity: &Identity<'_>,
        contact: &ContactFields<'_>,
        refused: &ErrorResponse,
    ) -> Result<Written, Stop> {
        let contacts = &self.round.delivery.contacts;
        let (Some(mut known), Some(email)) = (contacts.get(identity), &contact.email) else {
            return Ok(Written::BeginAgain);
        };
        let email_alone = json!({"email": email});
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
    fn may_go_without_email(identity: &Identity<'_>, contact: &ContactFields<'_>) -> bool {
        matches!(identity, Identity::ExternalId(_)) && contact.email.is_some()
    }

    fn leave_out_email(&self, contact: &mut ContactFields<'_>, reason: &str) {
        contact.email = None;
        let warning = format!("email left out: another contact in Intercom has it ({reason})");
        self.note_left_out("email", warning);
    }

    /// Whether a group call's contact exists and was seen so recently that it needs no update.
    pub(super) fn is_fresh(&self, identity: &Identity<'_>, contact: &ContactFields<'_>) -> bool {
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

    /// Remembers a contact that was just written.
    fn remember(&self, identity: &Identity<'_>, known: &KnownContact, shown: &Contact) {
        let known = KnownContact {
            is_merged: known.is_merged,
            refused_email: known.refused_email.clone(),
            ..self.known(shown)
        };
        self.round.delivery.contacts.insert(identity, known);
    }

    /// A contact that belongs to the user, or that has the user's email and nobody's user id, so that
    /// it may be claimed.
    fn as_the_users(
        &self,
        identity: &Identity<'_>,
        contact: &ContactFields<'_>,
        shown: &Contact,
    ) -> Option<KnownContact> {
        let Identity::ExternalId(id) = identity else {
            return None;
        };
        let has_email = || {
            let email = contact.email.as_deref();
            email.is_some_and(|email| shown.has_email(email))
        };
        let is_to_be_claimed = match shown.user_id() {
            Some(owner) if owner == *id => false,
            None if self.rights.may_claim_contacts && has_email() => true,
            _ => return None,
        };
        Some(KnownContact {
            is_to_be_claimed,
            ..self.known(shown)
        })
    }
}
