//! `POST /v1/preview`: what would be sent, and nothing sent.

use super::Function;
use crate::http_api::{Answer, ApiError, HttpRequest, MAX_BODY_BYTES, decode, parse_preview};
use crate::invocation::Invocation;
use crate::mapping::{Channel, Sender};
use crate::preview::preview;

impl Function {
    /// What would be sent for these events?
    pub(super) async fn preview(
        &self,
        http: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<Answer, ApiError> {
        let (key, raw) = self.authenticate(http, invocation).await?;
        let body = decode(&raw, MAX_BODY_BYTES)?;
        let mut entries = parse_preview(&body, self.ignored_user_ids())?;
        self.set_senders(&mut entries, &key, http, invocation)
            .await?;
        for entry in &mut entries {
            // Nothing is sent, so a server's key may preview what only Segment itself may do.
            if entry.sender.channel == Channel::Server {
                entry.sender = Sender::by(Channel::Segment);
            }
        }
        let now = invocation.now.timestamp_millis();
        let answer = preview(&entries, now, None, &self.processing.mapping).map(Answer::ok);
        answer
            .filter(|answer| !answer.is_too_large())
            .ok_or(ApiError::PreviewTooLarge)
    }
}
