//! Companies and who belongs to them.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;

use super::attempt::Attempt;
use super::{Failure, Stop, Undelivered};
use crate::intercom::{CallError, Verdict};
use crate::mapping::{Company, Identity};

/// How often the write of a company is tried while somebody else creates it at the same moment.
const ATTEMPTS: usize = 3;

impl Attempt<'_> {
    /// Creates or updates the company, with all that the session's events say of it. Repeating it
    /// is safe: company_id is the key.
    pub(super) async fn upsert_company(&self, company: &Company<'_>) -> Result<(), Stop> {
        let session = self.session;
        let turn = session.turn(format!("company {}", company.company_id));
        let _turn = turn.lock().await;
        let all = session.companies.get(&company.company_id, self.rights);
        let all = all.unwrap_or(company);
        match self.write_company(all).await {
            // What another event says may be at fault.
            Err(Stop::Undelivered(Undelivered::Rejected(_))) if all != company => {
                self.write_company(company).await?;
            }
            written => written?,
        }
        // If another event wrote it, attributes of this one may have been left out: this warns of them.
        self.leave_out_refused(&mut Cow::Borrowed(company));
        Ok(())
    }

    /// Writes the company, unless the same was just sent.
    async fn write_company(&self, company: &Company<'_>) -> Result<(), Stop> {
        let session = self.session;
        let companies = &session.delivery.companies;
        let company_id = company.company_id.to_string();
        let content = hash_of(company);
        let is_known = companies.get(&company_id).is_some();
        if is_known && session.sent_companies.get(&company_id) == Some(content) {
            return Ok(());
        }
        let mut attempt = 1;
        let id = loop {
            let write =
                async |company: &Company<'_>| session.intercom.upsert_company(company).await;
            match self.write_with_attributes(company, write).await {
                Err(CallError::Refused(error)) if error.verdict() == Verdict::Raced => {
                    if attempt == ATTEMPTS {
                        return Err(Undelivered::retry(&*error).into());
                    }
                    attempt += 1;
                }
                written => break written?,
            }
        };
        if let Some(id) = id {
            companies.insert(&company_id, id);
        }
        // Otherwise it lacks attributes that another event may add.
        if !self.lacks_this_time.load(Ordering::Relaxed) {
            session.sent_companies.insert(company_id, content);
        }
        Ok(())
    }

    /// Puts the contact into the company, unless it is known to be there. Repeating it is safe:
    /// it answers the same again.
    pub(super) async fn attach_company(
        &self,
        identity: &Identity<'_>,
        company_id: &str,
    ) -> Result<(), Stop> {
        let session = self.session;
        let gone = |what| {
            Failure::new(format!(
                "the {what} was gone before the two could be joined"
            ))
        };
        let contact = session.contact(identity).await?;
        let contact = contact.ok_or_else(|| Stop::Gone(gone("contact")))?;
        let company = session.company(company_id).await?;
        let company = company.ok_or_else(|| Stop::Gone(gone("company")))?;
        let membership = (contact.id, company);
        if session.memberships.get(&membership).is_some() {
            return Ok(());
        }
        let (contact, company) = &membership;
        match session.intercom.attach_company(contact, company).await {
            Ok(()) => {
                session.memberships.insert(membership, ());
                Ok(())
            }
            Err(CallError::Refused(error)) if is_gone(error.verdict()) => {
                session.delivery.companies.remove(company_id);
                session.delivery.contacts.remove(identity);
                Err(Stop::Gone((&*error).into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the contact out of the company. Repeating it is safe: a 404 counts as done.
    pub(super) async fn detach_company(
        &self,
        identity: &Identity<'_>,
        company_id: &str,
    ) -> Result<(), Stop> {
        let session = self.session;
        let Some(contact) = session.contact(identity).await? else {
            return Ok(());
        };
        let Some(company) = session.company(company_id).await? else {
            return Ok(());
        };
        let membership = (contact.id, company);
        session.memberships.remove(&membership);
        let (contact, company) = &membership;
        match session.intercom.detach_company(contact, company).await {
            Err(CallError::Refused(error)) if error.verdict() == Verdict::NotFound => Ok(()),
            detached => Ok(detached?),
        }
    }
}

fn is_gone(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::NotFound | Verdict::Merged)
}

fn hash_of(company: &Company<'_>) -> u64 {
    let body = serde_json::to_vec(company).expect("bodies always serialise");
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
