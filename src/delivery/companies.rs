//! Companies and who belongs to them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::lookup::segment;
use super::{Delivery, Failure, Outcome, Undelivered};
use crate::intercom::{CallError, Verdict};
use crate::mapping::{Company, Identity, Rights};

/// What we look at in a company that Intercom shows.
#[derive(Deserialize)]
struct Found {
    id: String,
}

/// `GET /companies?company_id=` answers with the company or with a list that holds it.
#[derive(Deserialize)]
struct FoundOneOrList {
    id: Option<String>,
    #[serde(default)]
    data: Vec<Found>,
}

impl Delivery {
    /// Creates or updates the company, unless the same was just sent. Repeating it is safe:
    /// company_id is the key.
    pub(super) async fn upsert_company(
        &self,
        company: &Company<'_>,
        rights: Rights,
        deadline: Instant,
    ) -> Outcome {
        let content = hash_of(company);
        let known = &self.known;
        let turn = known.turn_to_write(&company.company_id);
        let _turn = turn.lock().await;
        let is_known = known.companies.get(&company.company_id).is_some();
        if is_known && known.company_content.get(&company.company_id) == Some(content) {
            return Ok(());
        }
        let found: Found = self
            .write_with_attributes(Method::POST, "/companies", company, rights, deadline)
            .await?;
        known.companies.put(&company.company_id, found.id);
        // Else attributes may be missing that another sender's event makes.
        if rights.may_create_attributes {
            known.company_content.put(&company.company_id, content);
        }
        Ok(())
    }

    /// Puts the contact into the company, unless it is known to be there. Repeating it is safe:
    /// it answers the same again.
    pub(super) async fn attach_company(
        &self,
        identity: &Identity<'_>,
        company_id: &str,
        deadline: Instant,
    ) -> Outcome {
        let gone = |what: &str| Undelivered::Retry {
            failure: Failure::new(format!("the {what} is gone before they could be joined")),
            after: None,
        };
        let contact = self.contact(identity, deadline).await?;
        let mut contact = contact.ok_or_else(|| gone("contact"))?;
        let company = self.company(company_id, deadline).await?;
        let company = company.ok_or_else(|| gone("company"))?;
        if contact.companies.contains(&company) {
            return Ok(());
        }
        let path = format!("/contacts/{}/companies", segment(&contact.id));
        let body = json!({"id": company});
        let attached = self
            .intercom
            .change(Method::POST, &path, Some(&body), deadline);
        match attached.await {
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::NotFound => {
                self.forget_company(company_id);
                self.forget_contact(identity);
                Err(Undelivered::Retry {
                    failure: (&*refusal).into(),
                    after: None,
                })
            }
            attached => {
                attached?;
                contact.companies.push(company);
                self.remember(identity, contact);
                Ok(())
            }
        }
    }

    /// Takes the contact out of the company. Repeating it is safe: what isn't there is as good
    /// as taken out.
    pub(super) async fn detach_company(
        &self,
        identity: &Identity<'_>,
        company_id: &str,
        deadline: Instant,
    ) -> Outcome {
        let Some(mut contact) = self.contact(identity, deadline).await? else {
            return Ok(());
        };
        let Some(company) = self.company(company_id, deadline).await? else {
            return Ok(());
        };
        let path = format!(
            "/contacts/{}/companies/{}",
            segment(&contact.id),
            segment(&company)
        );
        contact.companies.retain(|known| *known != company);
        self.remember(identity, contact);
        let detached = self
            .intercom
            .change(Method::DELETE, &path, None::<&()>, deadline);
        match detached.await {
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::NotFound => Ok(()),
            detached => Ok(detached?),
        }
    }

    /// Intercom's id of the company, from memory or looked up. `None` when there is none.
    async fn company(
        &self,
        company_id: &str,
        deadline: Instant,
    ) -> Result<Option<String>, Undelivered> {
        if let Some(id) = self.known.companies.get(company_id) {
            return Ok(Some(id));
        }
        let path = format!("/companies?company_id={}", segment(company_id));
        let found = match self.intercom.get::<FoundOneOrList>(&path, deadline).await {
            Ok(found) => found,
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let in_list = || found.data.into_iter().next().map(|company| company.id);
        let id = found.id.or_else(in_list);
        if let Some(id) = &id {
            self.known.companies.put(company_id, id.clone());
        }
        Ok(id)
    }

    fn forget_company(&self, company_id: &str) {
        self.known.companies.forget(company_id);
        self.known.company_content.forget(company_id);
    }
}

fn hash_of(company: &Company<'_>) -> u64 {
    let body = serde_json::to_vec(company).expect("bodies always serialise");
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
