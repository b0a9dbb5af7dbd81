//! Companies as they are kept.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

#[derive(Clone, Debug)]
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) company_id: String,
    pub(crate) name: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) website: Option<String>,
    pub(crate) industry: Option<String>,
    pub(crate) remote_created_at: i64,
    pub(crate) monthly_spend: i64,
    pub(crate) last_request_at: Option<i64>,
    pub(crate) custom_attributes: Map<String, Value>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Contacts attached, kept beside the contacts' own lists so that answers stay quick.
    pub(crate) user_count: usize,
}

#[derive(Debug, Default)]
pub(crate) struct CompanyStore {
    by_id: BTreeMap<String, Company>,
    by_company_id: HashMap<String, String>,
}

impl CompanyStore {
    pub(crate) fn get(&self, id: &str) -> Option<&Company> {
        self.by_id.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Company> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn with_company_id(&self, company_id: &str) -> Option<&Company> {
        self.by_id.get(self.by_company_id.get(company_id)?)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Company> {
        self.by_id.values()
    }

    /// Counts one contact less in this company.
    pub(crate) fn forget_member(&mut self, id: &str) {
        if let Some(company) = self.by_id.get_mut(id) {
            company.user_count = company.user_count.saturating_sub(1);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Company> {
        let company = self.by_id.remove(id)?;
        self.by_company_id.remove(&company.company_id);
        Some(company)
    }

    pub(crate) fn put(&mut self, company: Company) {
        self.by_company_id
            .insert(company.company_id.clone(), company.id.clone());
        self.by_id.insert(company.id.clone(), company);
    }
}
