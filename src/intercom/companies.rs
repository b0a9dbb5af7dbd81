//! Companies.

use http::Method;
use serde::{Deserialize, Serialize};

use super::contacts::path_segment;
use super::{Call, CallError, Session, Verdict, WRITE_CONTACTS};

#[derive(Deserialize)]
struct Company {
    id: String,
    company_id: String,
}

/// `GET /companies?company_id=` returns the company or a list with it.
#[derive(Deserialize)]
#[serde(untagged)]
enum CompanyOrList {
    Company(Company),
    List { data: Vec<Company> },
}

impl Session<'_> {
    /// `POST /companies`: creates the company or updates the one with its company_id. Returns
    /// Intercom's id.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn upsert_company(&self, company: &impl Serialize) -> Result<String, CallError> {
        let call = Call::new(Method::POST, "/companies", WRITE_CONTACTS);
        let answer = self.call(call.with(company)).await?;
        let company: Company = answer.read()?;
        Ok(company.id)
    }

    /// `GET /companies?company_id=…`: Intercom's id of the company, `None` if it doesn't exist.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn find_company(&self, company_id: &str) -> Result<Option<String>, CallError> {
        let path = format!("/companies?company_id={}", path_segment(company_id));
        match self.call(Call::get(&path)).await {
            Ok(answer) => {
                let found = match answer.read()? {
                    CompanyOrList::Company(company) => vec![company],
                    CompanyOrList::List { data } => data,
                };
                // A parameter that Intercom doesn't take as a filter lists every company.
                let mut found = found.into_iter();
                let found = found.find(|company| company.company_id == company_id);
                Ok(found.map(|company| company.id))
            }
            Err(CallError::Refused(error)) if error.verdict() == Verdict::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
