//! Which contacts stand in each other's way.

use crate::contact_store::{Contact, Status};
use crate::errors::{ApiError, Result};
use crate::settings::TakenEmails;
use crate::state::State;

/// The write that may be in conflict with other contacts.
#[derive(Clone, Copy)]
pub(crate) enum Write<'a> {
    Create,
    /// Of the contact with Intercom's `id`.
    Update {
        id: &'a str,
    },
}

impl State {
    /// 409 if another contact has the external id or, where that counts, the email: whoever has
    /// the external id is named first. Archived and deleted ones stand in the way of new
    /// contacts only: recorded is that an update may take what an archived user has.
    pub(crate) fn refuse_conflict(
        &self,
        write: Write<'_>,
        external_id: Option<&str>,
        email: Option<&str>,
    ) -> Result<()> {
        let is_in_the_way = |other: &&Contact| match (&other.status, write) {
            (Status::Active, Write::Create) => true,
            (Status::Active, Write::Update { id }) => other.id != id,
            (Status::Archived, Write::Create) => true,
            (Status::Deleted { .. }, Write::Create) => !self.settings.deleted_users_may_return,
            (Status::Merged { .. }, _) | (_, Write::Update { .. }) => false,
        };
        let by_external_id = external_id
            .into_iter()
            .flat_map(|external_id| self.contacts.with_external_id(external_id))
            .find(is_in_the_way);
        if let Some(other) = by_external_id {
            return Err(conflict(other));
        }

        let emails_count = match self.settings.taken_emails {
            TakenEmails::Refused => true,
            TakenEmails::RefusedOnCreate => matches!(write, Write::Create),
            TakenEmails::Shared => false,
        };
        let mut by_email = email
            .filter(|_| emails_count)
            .into_iter()
            .flat_map(|email| self.contacts.with_email(email))
            .filter(is_in_the_way);
        match (by_email.next(), by_email.next()) {
            (None, _) => Ok(()),
            (Some(other), None) => Err(conflict(other)),
            (Some(_), Some(_)) => Err(shared_email()),
        }
    }
}

fn conflict(with: &Contact) -> ApiError {
    let article = if with.is_active() { "A" } else { "An archived" };
    let id = &with.id;
    ApiError::new(
        409,
        "conflict",
        format!("{article} contact matching those details already exists with id={id}"),
    )
}

/// Several contacts have the email, so none of them is named.
pub(crate) fn shared_email() -> ApiError {
    ApiError::new(
        409,
        "conflict",
        "Multiple existing users match this email address - must be more specific using user_id",
    )
}
