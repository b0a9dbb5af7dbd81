//! Reading the body of `POST /contacts` and `PUT /contacts/{id}`.

use serde_json::{Map, Value};

use crate::attribute_store::{self, DataAttributes, Model};
use crate::contact_store::{Contact, Role};

use crate::errors::{ApiError, Result};
use crate::fields::{self, Field};
use crate::settings::Misfits;

const KNOWN: [&str; 13] = [
    "role",
    "external_id",
    "email",
    "email_verified",
    "phone",
    "name",
    "avatar",
    "signed_up_at",
    "last_seen_at",
    "owner_id",
    "unsubscribed_from_emails",
    "language_override",
    "custom_attributes",
];

/// A checked body: what it says about each field.
#[derive(Debug)]
pub(crate) struct ContactBody {
    pub(crate) role: Option<Role>,
    pub(crate) external_id: Field<String>,
    pub(crate) email: Field<String>,
    phone: Field<String>,
    name: Field<String>,
    avatar: Field<String>,
    owner_id: Field<String>,
    language_override: Field<String>,
    unsubscribed_from_emails: Field<bool>,
    signed_up_at: Field<i64>,
    last_seen_at: Field<i64>,
    custom_attributes: Map<String, Value>,
}

impl ContactBody {
    pub(crate) fn read(
        body: &Value,
        attributes: &DataAttributes,
        misfits: Misfits,
        violations: &mut Vec<String>,
    ) -> Result<Self> {
        let body = fields::object(body)?;
        for key in body.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            violations.push(format!("unknown contact field '{key}' was ignored"));
        }
        for key in ["external_id", "email"] {
            if body.get(key).is_some_and(Value::is_null) {
                violations.push(format!("a null {key} clears the stored one"));
            }
        }
        let email = read_email(body)?;
        let verified = fields::boolean(body, "email_verified")?.flatten();
        if verified.is_some() && email.as_ref().is_none_or(Option::is_none) {
            return Err(ApiError::parameter_invalid(
                "email_verified must be supplied together with an email",
            )
            .with_field("email_verified"));
        }
        Ok(Self {
            role: read_role(body)?,
            external_id: fields::string(body, "external_id")?.map(not_empty),
            email,
            phone: fields::string(body, "phone")?,
            name: fields::short_string(body, "name")?,
            avatar: fields::string(body, "avatar")?,
            owner_id: read_owner(body)?,
            language_override: fields::string(body, "language_override")?,
            unsubscribed_from_emails: fields::boolean(body, "unsubscribed_from_emails")?,
            signed_up_at: fields::timestamp(body, "signed_up_at", violations)?,
            last_seen_at: fields::timestamp(body, "last_seen_at", violations)?,
            custom_attributes: attributes.read(Model::Contact, body, misfits)?,
        })
    }

    /// Writes every field but role and external id, which have rules of their own.
    pub(crate) fn write_to(self, contact: &mut Contact) {
        set(&mut contact.email, self.email);
        set(&mut contact.phone, self.phone);
        set(&mut contact.name, self.name);
        set(&mut contact.avatar, self.avatar);
        set(&mut contact.owner_id, self.owner_id);
        set(&mut contact.language_override, self.language_override);
        set(&mut contact.signed_up_at, self.signed_up_at);
        set(&mut contact.last_seen_at, self.last_seen_at);
        if let Some(unsubscribed) = self.unsubscribed_from_emails {
            contact.unsubscribed_from_emails = unsubscribed.unwrap_or(false);
        }
        attribute_store::apply(&mut contact.custom_attributes, self.custom_attributes);
    }
}

fn read_role(body: &Map<String, Value>) -> Result<Option<Role>> {
    let Some(name) = fields::string(body, "role")?.flatten() else {
        return Ok(None);
    };
    match Role::from_name(&name) {
        Some(role) => Ok(Some(role)),
        None => {
            Err(ApiError::parameter_invalid("role must be either user or lead").with_field("role"))
        }
    }
}

fn read_email(body: &Map<String, Value>) -> Result<Field<String>> {
    let field = fields::string(body, "email")?.map(not_empty);
    if let Some(Some(email)) = &field
        && !is_email(email)
    {
        return Err(ApiError::parameter_invalid("Email is invalid").with_field("email"));
    }
    Ok(field)
}

/// A teammate's id: a text, as the description has it, or a number, as earlier versions had it.
fn read_owner(body: &Map<String, Value>) -> Result<Field<String>> {
    match body.get("owner_id").and_then(Value::as_i64) {
        Some(id) => Ok(Some(Some(id.to_string()))),
        None => fields::string(body, "owner_id"),
    }
}

fn is_email(text: &str) -> bool {
    let never =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '"' | '<' | '>');
    text.split_once('@').is_some_and(|(local, domain)| {
        let (host, top_level) = domain.rsplit_once('.').unwrap_or_default();
        !local.is_empty() && !host.is_empty() && !top_level.is_empty() && !domain.contains('@')
    }) && !text.contains(never)
}

/// An empty string clears, as a null does.
fn not_empty(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

fn set<T>(stored: &mut Option<T>, field: Field<T>) {
    if let Some(value) = field {
        *stored = value;
    }
}
