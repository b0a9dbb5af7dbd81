//! Companies and who belongs to them.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;

use super::Stop;
use super::attempt::Attempt;
use crate::failure::Failure;
use crate::in_progress::Undelivered;
use crate::intercom::{CallError, Verdict};
use crate::mapping::{Company, Identity};

/// How often the write of a company is tried while somebody else creates it at the same moment.
const ATTEMPTS: usize = 3;

impl Attempt<'_> {
    /// Creates or updates the company, with all that the round's events say of it. Repeating it
    /// is safe: company_id is the key.
    pub(super) async fn upsert_company(&self, company: &Company<'_>) -> Result<(), Stop> {
        let round = self.round;
        let lock = round.lock_of(format!("company {}", company.company_id));
        let _held = lock.lock().await;
        let all = round.companies.get(&company.company_id, self.rights);
        let all = all.unwrap_or(company);
        match self.write_company(all).await {
            // What another event says may be at fault.
            Err(Stop::Undelivered(Undelivered::Rejected(..))) if all != company => {
                self.write_company(company).await?;
            }
            written => written?,
        }
        // If another event wrote it, attributes of this one may have been left out: this warns of them.
        self.leave_out_refused(&mut Cow::Borrowed(company), &[]);
        Ok(())
    }

    /// Writes the company, unless the same was just sent.
    async fn write_company(&self, company: &Company<'_>) -> Result<(), Stop> {
        let round = self.round;
        let companies = &round.delivery.companies;
        let company_id = company.company_id.to_string();
        let content = hash_of(company);
        let is_known = companies.get(&company_id).is_some();
        if is_known && round.sent_companies.get(&company_id) == Some(content) {
            return Ok(());
        }
        let mut attempt = 1;
        let write = async |company: &Company<'_>| self.intercom.upsert_company(company).await;
        let id = loop {
            match self.write_parts(company, &[], write).await {
                Err(CallError::Refused(error)) if met_another_writer(error.verdict()) => {
                    if attempt == ATTEMPTS {
                        return Err(Undelivered::retry(&*error).into());
                    }
                    attempt += 1;
                }
                written => break written?,
            }
        };
        companies.insert(&company_id, id);
        // Otherwise it lacks attributes that another event may add.
        if !self.lacks_this_time.load(Ordering::Relaxed) {
            round.sent_companies.insert(company_id, content);
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
        let round = self.round;
        let gone = |what| {
            Failure::new(format!(
                "the {what} was gone before the two could be joined"
            ))
        };
        let contact = self.contact(identity).await?;
        let contact = contact.ok_or_else(|| Stop::Gone(gone("contact")))?;
        let company = self.company(company_id).await?;
        let company = company.ok_or_else(|| Stop::Gone(gone("company")))?;
        let membership = (contact.id, company);
        if round.memberships.get(&membership).is_some() {
            return Ok(());
        }
        let (contact, company) = &membership;
        match self.intercom.attach_company(contact, company).await {
            Ok(()) => {
                round.memberships.insert(membership, ());
                Ok(())
            }
            Err(CallError::Refused(error)) if is_gone(error.verdict()) => {
                round.delivery.companies.remove(company_id);
                round.delivery.contacts.remove(identity);
                Err(Stop::Gone((&*error).into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the contact out of the company. Repeating it is safe: a 404 counts as done, but only for
    /// ids that aren't from a cache. A refused look-up keeps the contact in, with a warning.
    pub(super) async fn detach_company(
        &self,
        identity: &Identity<'_>,
        company_id: &str,
    ) -> Result<(), Stop> {
        let delivery = self.round.delivery;
        let mut tried = None;
        loop {
            let Some(contact) = self.contact(identity).await? else {
                return Ok(());
            };
            let company = match self.company(company_id).await {
                Ok(Some(company)) => company,
                Ok(None) => return Ok(()),
                Err(CallError::Refused(error)) => {
                    let warning = format!("could not leave company {company_id:?}: {error}");
                    self.note_left_out(company_id, warning);
                    return Ok(());
                }
                Err(later) => return Err(later.into()),
            };
            let membership = (contact.id, company);
            if tried.as_ref() == Some(&membership) {
                return Ok(());
            }
            self.round.memberships.remove(&membership);
            let (contact, company) = &membership;
            match self.intercom.detach_company(contact, company).await {
                Err(CallError::Refused(error)) if is_gone(error.verdict()) && tried.is_none() => {
                    delivery.companies.remove(company_id);
                    delivery.contacts.remove(identity);
                    tried = Some(membership);
                }
                Err(CallError::Refused(error)) if is_gone(error.verdict()) => return Ok(()),
                detached => return Ok(detached?),
            }
        }
    }
}

/// Whether somebody else creates the same company at this moment.
fn met_another_writer(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Raced | Verdict::NotFound | Verdict::Conflict
    )
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
