//! What a user of the simulator can change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::ClockMode;

/// Whether contacts may share an email. Recordings of the live Intercom show that an update may
/// take another user's; none shows what creating one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakenEmails {
    /// 409 to `POST` and `PUT`.
    Refused,
    /// 409 to `POST`; `PUT` makes the contacts share it.
    RefusedOnCreate,
    /// Both make the contacts share it.
    Shared,
}

/// What becomes of a value that doesn't fit its custom attribute: of another type, too long, or
/// none of its options. Intercom's words for it aren't public, nor whether it always refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfits {
    /// The value is ignored, the rest is written.
    Ignored,
    /// `Custom attribute 'tier' must be of type …`, with `field`.
    Named,
    /// `Custom attribute 'tier' has an invalid value: 'gold' is not in the list of allowed values`.
    NamedBeforeValue,
    /// `'gold' is not a valid option for 'tier'`.
    NamedAfterValue,
    /// `"tier" must be one of …`.
    DoubleQuoted,
    /// `tier must be one of …`.
    Unquoted,
    /// `is invalid`, with `field`.
    FieldAlone,
    /// `A custom attribute has an invalid value`.
    Unnamed,
}

/// The simulator's settings. All but `clock` can be changed while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Bearer tokens that are accepted; never shown or logged.
    #[serde(skip_serializing)]
    pub tokens: Vec<String>,
    /// Apps that may ask for a token by OAuth: client secrets by client id; never shown.
    #[serde(skip_serializing)]
    pub oauth_apps: BTreeMap<String, String>,
    /// Whether the person who is asked by OAuth declines.
    pub oauth_denied: bool,
    /// Where the workspace is, as `GET /me` names it: `US`, `Europe`, `Australia`.
    pub region: String,
    /// Whether the workspace asks its Messengers for a `user_hash`.
    pub identity_verification: bool,
    /// Seconds until `POST /contacts/search` sees a new or changed contact.
    pub search_lag_seconds: u64,
    /// Requests per window of 10 seconds.
    pub rate_limit: u64,
    /// Custom data attributes per model.
    pub attribute_limit: usize,
    /// What becomes of values that don't fit.
    pub misfits: Misfits,
    /// Whether an attribute's name may have nothing but letters, digits, `_` and `-`.
    pub strict_attribute_names: bool,
    /// Whether the token has the "Write data attributes" permission.
    pub attribute_writes_allowed: bool,
    /// Distinct event names per workspace.
    pub event_name_limit: usize,
    /// Metadata keys kept per event.
    pub metadata_limit: usize,
    /// Companies per contact.
    pub contact_company_limit: usize,
    /// Whether `GET /companies?company_id=` answers with a list (as the OpenAPI description
    /// says) or with the company itself (as has been seen).
    pub company_lookup_as_list: bool,
    /// What becomes of a contact whose email another one has.
    pub taken_emails: TakenEmails,
    /// Whether a permanently deleted user may be created again. If not: 409 naming the deleted
    /// contact as archived, which then can't be unarchived.
    pub deleted_users_may_return: bool,
    /// For so long after a contact was deleted, unarchiving it is answered 500; after that 400.
    pub deletion_seconds: u64,
    /// By how much `X-RateLimit-Reset` is later than the end of the window.
    pub reset_late_seconds: u64,
    /// Entries kept in the request log; the oldest go first.
    pub log_limit: usize,
    /// How time passes. Fixed once the simulator runs.
    #[serde(skip)]
    pub clock: ClockMode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tokens: vec!["simulator-token".to_owned()],
            oauth_apps: BTreeMap::from([(
                "simulator-app".to_owned(),
                "simulator-app-secret".to_owned(),
            )]),
            oauth_denied: false,
            region: "US".to_owned(),
            identity_verification: false,
            search_lag_seconds: 0,
            rate_limit: 1667,
            attribute_limit: 250,
            misfits: Misfits::Named,
            strict_attribute_names: false,
            attribute_writes_allowed: true,
            event_name_limit: 120,
            metadata_limit: 10,
            contact_company_limit: 1000,
            company_lookup_as_list: true,
            taken_emails: TakenEmails::RefusedOnCreate,
            deleted_users_may_return: false,
            deletion_seconds: 5,
            reset_late_seconds: 6,
            log_limit: 50_000,
            clock: ClockMode::Real,
        }
    }
}

impl Settings {
    /// These settings with some replaced by the JSON object `changes`; an error names the
    /// unknown or ill-typed key.
    pub(crate) fn with_changes(&self, changes: Map<String, Value>) -> Result<Self, String> {
        let Value::Object(mut merged) = json!(self) else {
            return Err("settings are not an object".to_owned());
        };
        merged.insert("tokens".to_owned(), json!(self.tokens));
        merged.insert("oauth_apps".to_owned(), json!(self.oauth_apps));
        merged.extend(changes);
        let mut settings: Self =
            serde_json::from_value(Value::Object(merged)).map_err(|error| error.to_string())?;
        settings.clock = self.clock;
        Ok(settings)
    }
}
