//! What delivery does where Intercom lacks an attribute or a user, and how it deletes.

use super::variable::{ConfigError, Lookup, one_of};
use crate::delivery::{DeleteMode, Settings, UnknownAttributes, UnknownUser};

/// `UNKNOWN_ATTRIBUTES`, `UNKNOWN_USER`, `DELETE_MODE`.
pub(super) fn settings(lookup: Lookup<'_>) -> Result<Settings, ConfigError> {
    Ok(Settings {
        unknown_attributes: one_of(
            lookup,
            "UNKNOWN_ATTRIBUTES",
            &[
                ("create", UnknownAttributes::Create),
                ("drop", UnknownAttributes::Drop),
            ],
        )?,
        unknown_user: one_of(
            lookup,
            "UNKNOWN_USER",
            &[
                ("wait", UnknownUser::Wait),
                ("create", UnknownUser::Create),
                ("reject", UnknownUser::Reject),
            ],
        )?,
        delete_mode: one_of(
            lookup,
            "DELETE_MODE",
            &[
                ("delete", DeleteMode::Delete),
                ("archive", DeleteMode::Archive),
            ],
        )?,
    })
}
