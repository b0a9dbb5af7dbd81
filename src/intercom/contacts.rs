//! Contacts: users and leads.

use std::borrow::Cow;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, CallError, READ_CONTACTS, Session, Verdict, WRITE_CONTACTS, if_readable};
use crate::mapping::ANONYMOUS_ID;

/// Characters that need no escape in a path segment (RFC 3986, "unreserved").
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longest path segment, in bytes, that every server in between accepts.
const MAX_SEGMENT_BYTES: usize = 2_000;

/// Most contacts in one search.
pub const SEARCH_PAGE: usize = 150;

/// The text as one path segment. Intercom's own ids always fit.
pub(super) fn path_segment(id: &str) -> Cow<'_, str> {
    utf8_percent_encode(id, UNRESERVED).into()
}

/// A contact as Intercom shows it. Only its id is required.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Contact {
    /// Intercom's id.
    pub id: String,
    /// The user's id, or what Intercom gave a lead.
    #[serde(default, deserialize_with = "if_readable")]
    pub external_id: Option<String>,
    /// Email address.
    #[serde(default, deserialize_with = "if_readable")]
    pub email: Option<String>,
    /// `user` or `lead`.
    #[serde(default, deserialize_with = "if_readable")]
    pub role: Option<String>,
    /// Unix seconds.
    #[serde(default, deserialize_with = "if_readable")]
    pub last_seen_at: Option<i64>,
    /// Unix seconds.
    #[serde(default, deserialize_with = "if_readable")]
    pub created_at: Option<i64>,
    #[serde(default, deserialize_with = "if_readable")]
    companies: Option<List<Id>>,
    #[serde(default, deserialize_with = "if_readable")]
    custom_attributes: Option<LeadAttributes>,
}

/// The custom attributes by which a lead is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct LeadAttributes {
    anonymous_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Id {
    id: String,
}

impl Contact {
    /// The user's id. A lead's external_id is Intercom's own.
    pub fn user_id(&self) -> Option<&str> {
        let id = self.external_id.as_deref().filter(|id| !id.is_empty())?;
        (!self.is_lead()).then_some(id)
    }

    /// Whether this is its email. Only ASCII letters are case-folded: folding others could yield
    /// somebody else's address.
    pub fn has_email(&self, email: &str) -> bool {
        let own = self.email.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(email))
    }

    fn anonymous_id(&self) -> Option<&str> {
        self.custom_attributes.as_ref()?.anonymous_id.as_deref()
    }

    /// Whether it is a lead.
    pub fn is_lead(&self) -> bool {
        self.role.as_deref() == Some("lead")
    }

    /// Intercom's ids of companies it belongs to; there may be more.
    pub fn companies(&self) -> impl Iterator<Item = &str> {
        let companies = self.companies.iter();
        companies.flat_map(|list| list.data.iter().map(|company| company.id.as_str()))
    }
}

/// The result of a lookup by external_id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This user.
    Contact(Box<Contact>),
    /// A user who was merged into the contact with this id.
    MergedInto(String),
    /// Nobody.
    Nobody,
}

impl Session<'_> {
    /// `GET /contacts/find_by_external_id/{external_id}`: users only. If the path can't hold the
    /// id, by search, whose index lags behind.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn find_by_external_id(&self, external_id: &str) -> Result<Found, CallError> {
        let segment = path_segment(external_id);
        if matches!(external_id, "." | "..") || segment.len() > MAX_SEGMENT_BYTES {
            let found = self.search_external_ids(&[external_id]).await?;
            let mut users = found.into_iter().filter(|contact| !contact.is_lead());
            return Ok(users
                .next()
                .map_or(Found::Nobody, |user| Found::Contact(Box::new(user))));
        }
        let path = format!("/contacts/find_by_external_id/{segment}");
        match self.call(Call::get(&path)).await {
            Ok(answer) => Ok(Found::Contact(Box::new(answer.read()?))),
            Err(CallError::Refused(error)) => match (error.verdict(), &error.canonical_contact) {
                (Verdict::NotFound, _) => Ok(Found::Nobody),
                (Verdict::Merged, Some(id)) => Ok(Found::MergedInto(id.clone())),
                _ => Err(CallError::Refused(error)),
            },
            Err(error) => Err(error),
        }
    }

    /// `GET /contacts/{id}`. `None` when it no longer exists.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn show_contact(&self, id: &str) -> Result<Option<Contact>, CallError> {
        let path = format!("/contacts/{}", path_segment(id));
        match self.call(Call::get(&path)).await {
            Ok(answer) => answer.read().map(Some),
            Err(CallError::Refused(error))
                if matches!(error.verdict(), Verdict::NotFound | Verdict::Merged) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// `POST /contacts/search` for these external_ids, [`SEARCH_PAGE`] at most. May also find
    /// leads.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn search_external_ids(
        &self,
        external_ids: &[&str],
    ) -> Result<Vec<Contact>, CallError> {
        let query = json!({"field": "external_id", "operator": "IN", "value": external_ids});
        let mut found = self.search(query).await?;
        let is_wanted = |id: &String| external_ids.contains(&&**id);
        found.retain(|contact| contact.external_id.as_ref().is_some_and(is_wanted));
        Ok(found)
    }

    /// `POST /contacts/search` for this email: users first, the oldest first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn search_email(&self, email: &str) -> Result<Vec<Contact>, CallError> {
        let query = json!({"field": "email", "operator": "=", "value": email.to_ascii_lowercase()});
        let mut found = self.search(query).await?;
        found.retain(|contact| contact.has_email(email));
        // Search returns the oldest first.
        found.sort_by_key(Contact::is_lead);
        Ok(found)
    }

    /// `POST /contacts/search` for leads that carry this anonymousId, the oldest first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn search_leads(&self, anonymous_id: &str) -> Result<Vec<Contact>, CallError> {
        let field = format!("custom_attributes.{ANONYMOUS_ID}");
        let query = json!({"operator": "AND", "value": [
            {"field": field, "operator": "=", "value": anonymous_id},
            {"field": "role", "operator": "=", "value": "lead"},
        ]});
        match self.search(query).await {
            // A workspace in which no lead was ever created doesn't have the attribute.
            Err(CallError::Refused(error)) if error.message.contains(ANONYMOUS_ID) => {
                Ok(Vec::new())
            }
            found => {
                let mut found = found?;
                found.retain(|lead| lead.is_lead() && lead.anonymous_id() == Some(anonymous_id));
                Ok(found)
            }
        }
    }

    async fn search(&self, query: Value) -> Result<Vec<Contact>, CallError> {
        let body = json!({"query": query, "pagination": {"per_page": SEARCH_PAGE}});
        let call = Call::new(Method::POST, "/contacts/search", READ_CONTACTS);
        let page: List<Value> = self.call(call.with(&body)).await?.read()?;
        let readable = |contact| serde_json::from_value(contact).ok();
        Ok(page.data.into_iter().filter_map(readable).collect())
    }

    /// `POST /contacts`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_contact(&self, contact: &impl Serialize) -> Result<Contact, CallError> {
        let call = Call::new(Method::POST, "/contacts", WRITE_CONTACTS);
        let answer = self.call(call.with(contact)).await?;
        answer.read()
    }

    /// `PUT /contacts/{id}`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update_contact(
        &self,
        id: &str,
        contact: &impl Serialize,
    ) -> Result<Contact, CallError> {
        let path = format!("/contacts/{}", path_segment(id));
        let call = Call::new(Method::PUT, &path, WRITE_CONTACTS);
        let answer = self.call(call.with(contact)).await?;
        answer.read()
    }

    /// `POST /contacts/{id}/archive`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn archive_contact(&self, id: &str) -> Result<(), CallError> {
        let path = format!("/contacts/{}/archive", path_segment(id));
        self.change(Method::POST, &path).await
    }

    /// `POST /contacts/{id}/unarchive`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn unarchive_contact(&self, id: &str) -> Result<(), CallError> {
        let path = format!("/contacts/{}/unarchive", path_segment(id));
        self.change(Method::POST, &path).await
    }

    /// `DELETE /contacts/{id}`: for good.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete_contact(&self, id: &str) -> Result<(), CallError> {
        let path = format!("/contacts/{}", path_segment(id));
        self.change(Method::DELETE, &path).await
    }

    /// `POST /contacts/merge`: this lead into this user.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn merge_contacts(&self, lead: &str, user: &str) -> Result<(), CallError> {
        let body = json!({"from": lead, "into": user, "skip_duplicate_validation": true});
        let call = Call::new(Method::POST, "/contacts/merge", WRITE_CONTACTS);
        self.call(call.with(&body)).await.map(drop)
    }

    /// `POST /contacts/{id}/companies`: puts the contact into the company.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn attach_company(&self, contact: &str, company: &str) -> Result<(), CallError> {
        let path = format!("/contacts/{}/companies", path_segment(contact));
        let call = Call::new(Method::POST, &path, WRITE_CONTACTS);
        self.call(call.with(&json!({"id": company})))
            .await
            .map(drop)
    }

    /// `DELETE /contacts/{id}/companies/{id}`: takes the contact out of the company.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn detach_company(&self, contact: &str, company: &str) -> Result<(), CallError> {
        let (contact, company) = (path_segment(contact), path_segment(company));
        let path = format!("/contacts/{contact}/companies/{company}");
        self.change(Method::DELETE, &path).await
    }

    async fn change(&self, method: Method, path: &str) -> Result<(), CallError> {
        let call = Call::new(method, path, WRITE_CONTACTS);
        self.call(call).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_read_whatever_its_other_fields_are() {
        let json = r#"{"id":"5f","external_id":7,"email":{"a":1},"role":null,
            "last_seen_at":"yesterday","companies":[]}"#;
        let contact: Contact = serde_json::from_str(json).expect("readable");
        assert_eq!(contact.id, "5f");
        assert_eq!((contact.user_id(), contact.last_seen_at), (None, None));
        assert_eq!(contact.companies().count(), 0);
        let json = r#"{"id":"5f","role":"user","external_id":"u","last_seen_at":7,
            "companies":{"type":"list","data":[{"id":"c1","type":"company"}]}}"#;
        let contact: Contact = serde_json::from_str(json).expect("readable");
        assert_eq!(
            (contact.user_id(), contact.last_seen_at),
            (Some("u"), Some(7))
        );
        assert_eq!(contact.companies().collect::<Vec<_>>(), ["c1"]);
    }
}
