//! Contacts, merged and deleted.

use std::time::Instant;

use reqwest::Method;
use serde_json::json;

use super::lookup::segment;
use super::{DeleteMode, Delivery, Outcome, Undelivered};
use crate::intercom::{CallError, Verdict};
use crate::mapping::{Contact, Identity, Rights};

impl Delivery {
    /// Merges the lead into the user, who is created if missing. Repeating it is safe: a lead
    /// that was merged isn't found any more, which skips.
    pub(super) async fn merge_contact(
        &self,
        from: &Identity<'_>,
        into: &Identity<'_>,
        deadline: Instant,
    ) -> Outcome {
        let Some(lead) = self.contact(from, deadline).await? else {
            return Err(self.no_lead(from, deadline).await?);
        };
        let mut user = self.contact(into, deadline).await?;
        if user.is_none() {
            let contact = Contact::of(into);
            self.upsert_contact(into, &contact, Rights::NONE, deadline)
                .await?;
            user = self.contact(into, deadline).await?;
        }
        let user = user.ok_or_else(|| Undelivered::rejected("the user to merge into is gone"))?;
        let body = json!({"from": lead.id, "into": user.id, "skip_duplicate_validation": true});
        let merged = self
            .intercom
            .change(Method::POST, "/contacts/merge", Some(&body), deadline);
        self.forget_contact(from);
        match merged.await {
            Ok(()) => Ok(()),
            Err(CallError::Refused(refusal))
                if matches!(refusal.verdict(), Verdict::NotFound | Verdict::Merged) =>
            {
                self.forget_contact(into);
                Err(Undelivered::Retry {
                    failure: (&*refusal).into(),
                    after: None,
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Why there is no lead to merge.
    async fn no_lead(
        &self,
        from: &Identity<'_>,
        deadline: Instant,
    ) -> Result<Undelivered, Undelivered> {
        if let Identity::AnonymousId(previous_id) = from
            && self
                .find_by_external_id(previous_id, deadline)
                .await?
                .is_some()
        {
            return Ok(Undelivered::rejected(
                ".previousId is a user: Intercom merges only leads into users",
            ));
        }
        Ok(Undelivered::Skipped(
            "there is no lead with this .previousId".into(),
        ))
    }

    /// Deletes or archives the contact. Repeating it is safe: a contact that isn't there is as
    /// good as deleted. One that isn't there under the remembered id is looked up again, since it
    /// may have been made anew.
    pub(super) async fn delete_contact(
        &self,
        identity: &Identity<'_>,
        deadline: Instant,
    ) -> Outcome {
        const REMEMBERED_THEN_LOOKED_UP: usize = 2;
        for _ in 0..REMEMBERED_THEN_LOOKED_UP {
            let Some(known) = self.contact(identity, deadline).await? else {
                return Ok(());
            };
            self.forget_contact(identity);
            let path = format!("/contacts/{}", segment(&known.id));
            let (method, path) = match self.settings.delete_mode {
                DeleteMode::Delete => (Method::DELETE, path),
                DeleteMode::Archive => (Method::POST, path + "/archive"),
            };
            let deleted = self.intercom.change(method, &path, None::<&()>, deadline);
            match deleted.await {
                Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::NotFound => {}
                deleted => return Ok(deleted?),
            }
        }
        Ok(())
    }
}
