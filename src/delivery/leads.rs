//! Merging leads into users.

use super::Stop;
use super::attempt::Attempt;
use super::look_up::not_refused;
use crate::failure::Failure;
use crate::in_progress::{Otherwise, Undelivered};
use crate::intercom::{CallError, Found, Verdict};
use crate::mapping::{ContactFields, Identity};

impl Attempt<'_> {
    /// Merges the lead into the user, who is created if missing. Repeating it is safe: a merged
    /// lead is no longer found.
    ///
    /// A lead's anonymousId isn't unique: after a creation whose answer got lost there may be a
    /// second lead. All of them are merged.
    pub(super) async fn merge_contact(
        &self,
        from: &Identity<'_>,
        into: &Identity<'_>,
    ) -> Result<(), Stop> {
        let round = self.round;
        let leads = self.leads(from).await?;
        if leads.is_empty() {
            return Err(self.no_lead(from).await?.into());
        }
        let mut user = self.contact(into).await?;
        if user.is_none() {
            self.upsert_contact(into, &ContactFields::of(into)).await?;
            user = self.contact(into).await?;
        }
        let gone = || Stop::Gone(Failure::new("the user to merge into is gone"));
        let user = user.ok_or_else(gone)?;
        for lead in leads {
            match self.intercom.merge_contacts(&lead, &user.id).await {
                Ok(()) => {}
                Err(CallError::Refused(error))
                    if matches!(error.verdict(), Verdict::NotFound | Verdict::Merged) =>
                {
                    // If the user still exists, the lead is what is gone: already merged.
                    if self.intercom.show_contact(&user.id).await?.is_none() {
                        round.delivery.contacts.remove(into);
                        return Err(Stop::Gone((&*error).into()));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        round.delivery.contacts.remove(from);
        Ok(())
    }

    /// Intercom's ids of all leads with this anonymousId.
    async fn leads(&self, from: &Identity<'_>) -> Result<Vec<String>, Stop> {
        let known = self.round.delivery.contacts.get(from);
        let mut ids: Vec<String> = known.map(|known| known.id).into_iter().collect();
        if let Identity::AnonymousId(id) = from {
            for lead in not_refused(self.intercom.search_leads(id).await)? {
                if !ids.contains(&lead.id) {
                    ids.push(lead.id);
                }
            }
        }
        Ok(ids)
    }

    /// Why there is no lead to merge.
    async fn no_lead(&self, from: &Identity<'_>) -> Result<Undelivered, Stop> {
        const NOBODY: &str = "there is no lead with this .previousId";
        if let Identity::AnonymousId(id) = from
            && self.intercom.find_by_external_id(id).await? != Found::Nobody
        {
            return Ok(Undelivered::refused(Failure::new(
                ".previousId is a user: Intercom merges only leads into users",
            )));
        }
        Ok(Undelivered::Waiting {
            failure: Failure::new(NOBODY),
            otherwise: Otherwise::Skipped(NOBODY.into()),
        })
    }
}
