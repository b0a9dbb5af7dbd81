//! Why a call to Intercom may work later, and what a person may have to do for it. Pure.

use std::fmt;

/// Displays with what a person may have to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// The token isn't valid.
    Token,
    /// The workspace's plan doesn't include the API.
    Plan,
    /// The token lacks a permission.
    Permission,
    /// This function calls Intercom wrongly: its version, its base URL, a proxy in between.
    Setup,
    /// The rate limit is used up.
    RateLimit,
    /// Intercom fails.
    Outage,
}

impl RetryReason {
    /// Whether Intercom refuses this one kind of call, and may take others.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Permission | Self::Setup)
    }

    /// Whether nothing is delivered until a person acts.
    pub fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::Token | Self::Plan | Self::Permission | Self::Setup
        )
    }
}

impl fmt::Display for RetryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "Intercom refuses this account's token",
            Self::Plan => "the plan of this Intercom workspace does not allow it",
            Self::Permission => "the token lacks a permission in Intercom",
            Self::Setup => {
                "Intercom does not take calls of this form: check INTERCOM_VERSION, \
                 INTERCOM_REGION and INTERCOM_BASE_URL"
            }
            Self::RateLimit => "Intercom's rate limit is used up",
            Self::Outage => "Intercom fails",
        })
    }
}
