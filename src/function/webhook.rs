//! Segment's webhooks, classic and Actions.

use http::StatusCode;
use serde_json::json;

use super::{Function, lost, request};
use crate::door::{
    Answer, HttpRequest, MOST_EVENTS_OF_SEGMENT, entries_of_array, webhook_is_signed,
    with_whole_characters, without_byte_order_mark,
};
use crate::intake::{EventResult, Invocation, Status};
use crate::queue::Source;

impl Function {
    /// Takes a webhook: one event or an array of such.
    pub(super) async fn webhook(
        &self,
        http: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<Answer, Answer> {
        let secret = self.secret_for_delivery().await?;
        let webhook_secret = secret
            .webhook_secret()
            .ok_or_else(|| Answer::not_configured("webhook_secret"))?;
        let raw = http.raw_body()?;
        let signature = http.header("x-signature").unwrap_or_default();
        let is_strict = self.strict_webhook_signature;
        if !webhook_is_signed(webhook_secret, &raw, signature, is_strict) {
            return Err(Answer::error(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "X-Signature is missing or wrong: it must be the hex HMAC-SHA1 of the body with \
                 the webhook_secret",
            ));
        }
        let body = with_whole_characters(without_byte_order_mark(&raw).into());
        let mut entries = entries_of_array(&body, MOST_EVENTS_OF_SEGMENT)?;
        self.ignore_user_ids(&mut entries);
        let request = request(Source::Webhook, false, invocation);
        let results = self.take(&entries, &request).await;
        // Without results: for a lost event they know no status.
        if let Some(answer) = lost(&results) {
            return Err(answer);
        }
        let answer = all_rejected(&results).unwrap_or_else(Answer::success);
        Ok(answer.with("results", json!(results)))
    }
}

/// The answer when no event can ever be delivered: the sender's own log then shows why.
fn all_rejected(results: &[EventResult]) -> Option<Answer> {
    let first = results.first()?;
    let is_rejected = |result: &EventResult| result.status == Status::Rejected;
    results.iter().all(is_rejected).then(|| {
        let reason = first.reason.as_deref().unwrap_or_default();
        Answer::error(StatusCode::BAD_REQUEST, "rejected", reason)
    })
}
