//! What isn't known of Intercom, or differs from workspace to workspace: the seed decides.

use intercom_simulator::TakenEmails;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// What becomes of a contact whose email another one has.
    pub(crate) taken_emails: TakenEmails,
    /// Whether a user may come back who was deleted.
    pub(crate) deleted_users_return: bool,
}

impl Circumstances {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            taken_emails: match seed % 3 {
                0 => TakenEmails::RefusedOnCreate,
                1 => TakenEmails::Refused,
                _ => TakenEmails::Shared,
            },
            deleted_users_return: seed.is_multiple_of(2),
        }
    }
}
