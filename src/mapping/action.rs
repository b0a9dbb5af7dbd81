//! What is done in Intercom: the actions that preview shows and delivery executes.

use std::borrow::Cow;

use serde::Serialize;

use super::Attributes;
use crate::segment::Value;

/// The contact an action is about: the strongest of the event's identities.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity<'e> {
    /// Segment's userId, Intercom's `external_id`.
    ExternalId(Cow<'e, str>),
    /// An email address, where there is no userId.
    Email(Cow<'e, str>),
    /// Segment's anonymousId: a lead that carries it as a custom attribute.
    AnonymousId(Cow<'e, str>),
}

impl Identity<'_> {
    /// The id or email itself.
    pub fn as_str(&self) -> &str {
        let (Self::ExternalId(id) | Self::Email(id) | Self::AnonymousId(id)) = self;
        id
    }
}

/// One change in Intercom. Serialises as `POST /v1/preview` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields say it")]
pub enum Action<'e> {
    /// Create the contact or update it with these fields.
    UpsertContact {
        identity: Identity<'e>,
        contact: ContactFields<'e>,
    },
    /// Create the company or update it with these fields.
    UpsertCompany { company: Company<'e> },
    /// Put the contact into the company.
    AttachCompany {
        identity: Identity<'e>,
        company_id: Cow<'e, str>,
    },
    /// Take the contact out of the company.
    DetachCompany {
        identity: Identity<'e>,
        company_id: Cow<'e, str>,
    },
    /// Record that something happened.
    CreateEvent {
        event: IntercomEvent<'e>,
        /// Only for a lead, whose Intercom id is known at delivery.
        #[serde(skip_serializing_if = "Option::is_none")]
        identity: Option<Identity<'e>>,
    },
    /// Merge the lead into the user, who is created if missing.
    MergeContact {
        from: Identity<'e>,
        into: Identity<'e>,
    },
    /// Delete the contact.
    DeleteContact { identity: Identity<'e> },
}

impl Action<'_> {
    /// The id or email of whom it is about. None for a company or an unknown visitor.
    pub(super) fn person(&self) -> Option<&str> {
        match self {
            Self::UpsertContact { identity, .. }
            | Self::AttachCompany { identity, .. }
            | Self::DetachCompany { identity, .. }
            | Self::MergeContact { into: identity, .. }
            | Self::DeleteContact { identity } => Some(identity.as_str()),
            Self::CreateEvent { event, .. } => event.user_id.as_deref().or(event.email.as_deref()),
            Self::UpsertCompany { .. } => None,
        }
    }
}

/// Intercom's two roles of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are Intercom's own words")]
pub enum Role {
    #[default]
    User,
    Lead,
}

/// The body of `POST /contacts` and `PUT /contacts/{id}`. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are Intercom's own words")]
pub struct ContactFields<'e> {
    pub role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_up_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribed_from_emails: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_override: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub custom_attributes: Attributes<'e>,
}

impl<'e> ContactFields<'e> {
    /// A contact with nothing but its identity (and the role that goes with it).
    pub fn of(identity: &Identity<'e>) -> Self {
        let mut contact = Self::default();
        match identity {
            Identity::ExternalId(id) => contact.external_id = Some(id.clone()),
            Identity::Email(email) => contact.email = Some(email.clone()),
            Identity::AnonymousId(id) => {
                contact.role = Role::Lead;
                contact
                    .custom_attributes
                    .insert(ANONYMOUS_ID.into(), Value::Str(id.clone()));
            }
        }
        contact
    }

    /// This contact updated with a later one of the same user: the later value wins.
    #[must_use]
    pub fn followed_by(self, later: Self) -> Self {
        Self {
            role: later.role,
            external_id: later.external_id.or(self.external_id),
            email: later.email.or(self.email),
            phone: later.phone.or(self.phone),
            name: later.name.or(self.name),
            signed_up_at: later.signed_up_at.or(self.signed_up_at),
            last_seen_at: later.last_seen_at.or(self.last_seen_at),
            owner_id: later.owner_id.or(self.owner_id),
            language_override: later.language_override.or(self.language_override),
            unsubscribed_from_emails: later
                .unsubscribed_from_emails
                .or(self.unsubscribed_from_emails),
            custom_attributes: self.custom_attributes.followed_by(later.custom_attributes),
        }
    }
}

/// The custom attribute that identifies a lead.
pub const ANONYMOUS_ID: &str = "anonymous_id";

/// The body of `POST /companies`. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are Intercom's own words")]
pub struct Company<'e> {
    pub company_id: Cow<'e, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_spend: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub industry: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_created_at: Option<i64>,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub custom_attributes: Attributes<'e>,
}

impl Company<'_> {
    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Company<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Company {
            company_id: owned(self.company_id),
            name: self.name.map(owned),
            plan: self.plan.map(owned),
            monthly_spend: self.monthly_spend,
            size: self.size,
            website: self.website.map(owned),
            industry: self.industry.map(owned),
            remote_created_at: self.remote_created_at,
            custom_attributes: self.custom_attributes.into_owned(),
        }
    }

    /// This company updated with a later one: the later value wins.
    #[must_use]
    pub fn followed_by(self, later: Self) -> Self {
        Self {
            company_id: later.company_id,
            name: later.name.or(self.name),
            plan: later.plan.or(self.plan),
            monthly_spend: later.monthly_spend.or(self.monthly_spend),
            size: later.size.or(self.size),
            website: later.website.or(self.website),
            industry: later.industry.or(self.industry),
            remote_created_at: later.remote_created_at.or(self.remote_created_at),
            custom_attributes: self.custom_attributes.followed_by(later.custom_attributes),
        }
    }
}

/// The body of `POST /events`. `created_at` is in Unix seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are Intercom's own words")]
pub struct IntercomEvent<'e> {
    pub event_name: Cow<'e, str>,
    pub created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Cow<'e, str>>,
    /// The contact's Intercom id: only for a lead, filled in at delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub metadata: Attributes<'e>,
}
