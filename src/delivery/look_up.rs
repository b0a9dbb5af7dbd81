//! Who is who in Intercom: from the caches, else looked up.

use super::Stop;
use super::attempt::Attempt;
use super::contact_cache::KnownContact;
use crate::in_progress::Undelivered;
use crate::intercom::{CallError, Contact, Found};
use crate::mapping::Identity;

impl Attempt<'_> {
    /// The contact, from the cache or looked up. None when Intercom shows none; where only its
    /// search can find the contact, that may be because the index lags behind.
    pub(super) async fn contact(
        &self,
        identity: &Identity<'_>,
    ) -> Result<Option<KnownContact>, Stop> {
        let contacts = &self.round.delivery.contacts;
        if let Some(known) = contacts.get(identity) {
            return Ok(Some(known));
        }
        let by_search = |found: Vec<Contact>| {
            let best = found.into_iter().next();
            best.map(KnownContact::found_by_search)
        };
        let found = match identity {
            Identity::ExternalId(id) => match self.intercom.find_by_external_id(id).await {
                Ok(Found::Contact(contact)) => Some(self.known(&contact)),
                Ok(Found::MergedInto(id)) => Some(KnownContact {
                    is_merged: true,
                    ..KnownContact::with_id(id)
                }),
                Ok(Found::Nobody) => None,
                // Creating the user also shows whether it exists.
                Err(CallError::Refused(error)) => {
                    tracing::warn!(%error, "Intercom refuses to look up a user");
                    None
                }
                Err(later) => return Err(later.into()),
            },
            Identity::Email(email) => {
                by_search(not_refused(self.intercom.search_email(email).await)?)
            }
            Identity::AnonymousId(id) => {
                by_search(not_refused(self.intercom.search_leads(id).await)?)
            }
        };
        if let Some(found) = &found {
            contacts.insert(identity, found.clone());
        }
        Ok(found)
    }

    /// What to remember of a contact that Intercom just showed.
    pub(super) fn known(&self, contact: &Contact) -> KnownContact {
        self.round.shown.insert(contact.id.clone(), ());
        for company in contact.companies() {
            let membership = (contact.id.clone(), company.to_owned());
            self.round.memberships.insert(membership, ());
        }
        contact.into()
    }

    /// Intercom's id of the company, from the cache or looked up. None when there is none.
    pub(super) async fn company(&self, company_id: &str) -> Result<Option<String>, CallError> {
        let companies = &self.round.delivery.companies;
        if let Some(id) = companies.get(company_id) {
            return Ok(Some(id));
        }
        let found = self.intercom.find_company(company_id).await?;
        if let Some(id) = &found {
            companies.insert(company_id, id.clone());
        }
        Ok(found)
    }
}

/// What a search found. While Intercom refuses to search, nobody knows whether the contact exists,
/// so the event is tried again later.
pub(super) fn not_refused(found: Result<Vec<Contact>, CallError>) -> Result<Vec<Contact>, Stop> {
    match found {
        Err(CallError::Refused(error)) => Err(Undelivered::retry(&*error).into()),
        found => Ok(found?),
    }
}
