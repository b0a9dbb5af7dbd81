//! Segment's webhooks, classic and Actions.

use super::{Function, check_none_lost};
use crate::http_api::{
    Answer, ApiError, HttpRequest, MAX_SEGMENT_EVENTS, Signed, entries_of_array,
    replace_lone_surrogates, signed, without_byte_order_mark,
};
use crate::invocation::{Invocation, Request};
use crate::mapping::{Channel, Sender};
use crate::secret::Secret;
use crate::source::Source;
use crate::status::{EventResult, Status};

impl Function {
    /// Takes a webhook: one event or an array of events.
    pub(super) async fn webhook(
        &self,
        http: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<Answer, ApiError> {
        self.check_access_token(invocation).await?;
        let raw = http.raw_body()?;
        let signature = http.header("x-signature").unwrap_or_default();
        let covered = self.look_up(|secret| self.covered(secret, &raw, signature), invocation);
        let covered = covered.await?;
        let body = replace_lone_surrogates(without_byte_order_mark(&raw).into());
        let mut entries = entries_of_array(&body, MAX_SEGMENT_EVENTS, self.ignored_user_ids())?;
        self.processing.filter(&mut entries);
        for (index, entry) in entries.iter_mut().enumerate() {
            let is_covered = covered == Signed::Whole || index == 0;
            let channel = if is_covered {
                Channel::Segment
            } else {
                Channel::Server
            };
            entry.sender = Sender::by(channel);
        }
        let request = Request::new(Source::Webhook, None, invocation);
        let results = self.take(&entries, &request).await;
        check_none_lost(&results)?;
        let is_rejected = |result: &EventResult| result.status == Status::Rejected;
        if !results.is_empty() && results.iter().all(is_rejected) {
            return Err(ApiError::Rejected(results));
        }
        Ok(Answer::success_with(&results))
    }

    /// How much of a webhook is signed, if that is enough.
    fn covered(&self, secret: &Secret, raw: &[u8], signature: &str) -> Result<Signed, ApiError> {
        let secrets = secret.webhook_secrets();
        if secrets.len() == 0 {
            return Err(ApiError::NotConfigured("webhook_secret"));
        }
        let is_enough =
            |signed: &Signed| *signed == Signed::Whole || !self.strict_webhook_signature;
        let covered = signed(secrets, raw, signature).filter(is_enough);
        covered.ok_or(ApiError::Signature)
    }
}
