//! Deleting contacts.

use super::attempt::Attempt;
use super::look_up::not_refused;
use super::{DeleteMode, Stop};
use crate::failure::{Code, Failure};
use crate::in_progress::{Otherwise, Undelivered};
use crate::intercom::{CallError, Verdict};
use crate::mapping::Identity;

impl Attempt<'_> {
    /// Deletes or archives the contact. Repeating it is safe: a missing contact counts as deleted.
    /// If it is missing under the cached id, it is looked up once more, since it may have been
    /// recreated.
    pub(super) async fn delete_contact(&self, identity: &Identity<'_>) -> Result<(), Stop> {
        const REMEMBERED_THEN_LOOKED_UP: usize = 2;
        let round = self.round;
        for _ in 0..REMEMBERED_THEN_LOOKED_UP {
            let Some(known) = self.contact(identity).await? else {
                return nobody_to_delete(identity);
            };
            if known.is_merged {
                return Err(merged_into(&known.id).into());
            }
            // A delete that waited for search doesn't concern a contact created since.
            let is_newer = |created_at| self.waiting_since.is_some_and(|since| created_at >= since);
            if !is_by_id(identity) && known.created_at.is_some_and(is_newer) {
                return nobody_to_delete(identity);
            }
            if let Identity::Email(email) = identity {
                self.refuse_shared(email, &known.id).await?;
            }
            round.delivery.contacts.remove(identity);
            let deleted = match round.delivery.settings.delete_mode {
                DeleteMode::Delete => self.intercom.delete_contact(&known.id).await,
                DeleteMode::Archive => self.intercom.archive_contact(&known.id).await,
            };
            match deleted {
                Err(CallError::Refused(error)) => match error.verdict() {
                    Verdict::NotFound => {}
                    Verdict::Merged => {
                        let into = error.canonical_contact.as_deref().unwrap_or("unknown");
                        return Err(merged_into(into).into());
                    }
                    _ => return Err(CallError::Refused(error).into()),
                },
                deleted => return Ok(deleted?),
            }
        }
        Ok(())
    }
}

impl Attempt<'_> {
    /// An address that several contacts have doesn't tell which of them is to be deleted, and a
    /// deletion can't be undone.
    async fn refuse_shared(&self, email: &str, known: &str) -> Result<(), Stop> {
        let mut ids: Vec<String> = vec![known.to_owned()];
        for contact in not_refused(self.intercom.search_email(email).await)? {
            if !ids.contains(&contact.id) {
                ids.push(contact.id);
            }
        }
        if ids.len() == 1 {
            return Ok(());
        }
        let reason = format!(
            "{} contacts in Intercom have this email, so it doesn't say which one to delete: delete \
             by userId",
            ids.len()
        );
        Err(Undelivered::Rejected(Code::InvalidEvent, Failure::new(reason)).into())
    }
}

/// Intercom's search index lags, so at first, finding nothing proves nothing.
fn nobody_to_delete(identity: &Identity<'_>) -> Result<(), Stop> {
    if is_by_id(identity) {
        return Ok(());
    }
    Err(Stop::Undelivered(Undelivered::Waiting {
        failure: Failure::new("Intercom's search doesn't find the contact to delete"),
        otherwise: Otherwise::Delivered,
    }))
}

fn is_by_id(identity: &Identity<'_>) -> bool {
    matches!(identity, Identity::ExternalId(_))
}

/// The contact that a user was merged into belongs to somebody else.
fn merged_into(contact: &str) -> Undelivered {
    Undelivered::refused(Failure::new(format!(
        "the user was merged into the contact {contact}, which is left as it is: delete it in \
         Intercom if it is the same person"
    )))
}
