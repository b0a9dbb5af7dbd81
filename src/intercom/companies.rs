//! Companies.

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::contacts::path_segment;
use super::{Call, CallError, Session, Verdict, WRITE_CONTACTS};

#[derive(Deserialize)]
struct Company {
    id: String,
}

/// `GET /companies?company_id=` returns the company or a list with it.
#[derive(Deserialize)]
struct CompanyOrList {
    id: Option<String>,
    #[serde(default)]
    data: Vec<Company>,
}

impl Session<'_> {
    /// `POST /companies`: creates the company or updates the one with its company_id. Returns
    /// Intercom's id; `None` when it was written but the answer can't be read.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn upsert_company(
        &self,
        company: &impl Serialize,
    ) -> Result<Option<String>, CallError> {
        let call = Call::new(Method::POST, "/companies", WRITE_CONTACTS);
        let answer = self.call(call.with(company)).await?;
        Ok(answer.read_if_readable().map(|company: Company| company.id))
    }

    /// `GET /companies?company_id=…`: Intercom's id of the company, `None` if it doesn't exist.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn find_company(&self, company_id: &str) -> Result<Option<String>, CallError> {
        let path = format!("/companies?company_id={}", path_segment(company_id));
        match self.call(Call::get(&path)).await {
            Ok(answer) => {
                let found: CompanyOrList = answer.read()?;
                let in_list = || found.data.into_iter().next().map(|company| company.id);
                Ok(found.id.or_else(in_list))
            }
            Err(CallError::Refused(error)) if error.verdict() == Verdict::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
