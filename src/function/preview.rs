//! `POST /v1/preview`, and the same by direct invocation: what would be sent, and nothing sent.

use serde_json::Value;

use super::{Function, InvocationError};
use crate::filters::Expression;
use crate::http_api::{
    Answer, ApiError, HttpRequest, MAX_BODY_BYTES, MAX_SEGMENT_EVENTS, decode, entries_of_array,
    parse_preview, replace_lone_surrogates,
};
use crate::invocation::Invocation;
use crate::mapping::{Channel, Sender};
use crate::preview::preview;
use crate::source::Source;
use crate::trigger::{PreviewRequest, PreviewSource};

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
        self.processing.filter(&mut entries);
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

    /// The same for a caller that AWS itself authorised.
    pub(super) fn preview_for_a_person(
        &self,
        request: &PreviewRequest<'_>,
        invocation: Invocation<'_>,
    ) -> Result<Value, InvocationError> {
        let json = replace_lone_surrogates(request.events.get().as_bytes().into());
        // What Segment itself sends has no limit of an event's own, unlike what a write key sends.
        let is_segments = matches!(request.source, Some(PreviewSource::Webhook))
            && json.trim_ascii_start().starts_with(b"[");
        let mut entries = if is_segments {
            entries_of_array(&json, MAX_SEGMENT_EVENTS, self.ignored_user_ids())?
        } else {
            parse_preview(&json, self.ignored_user_ids())?
        };
        let condition = request.condition.as_deref().map(Expression::parse);
        let condition = condition.transpose()?;
        self.processing.filter(&mut entries);
        if let Some(condition) = &condition {
            for entry in &mut entries {
                entry.choose(condition);
            }
        }
        let channel = match request.source {
            // A server's write key: what only Segment itself may do is rejected.
            Some(PreviewSource::Api) => Channel::Server,
            Some(PreviewSource::Webhook) | None => Channel::Segment,
        };
        for entry in &mut entries {
            entry.sender = Sender::by(channel);
        }
        let source = request.source.map(|source| match source {
            PreviewSource::Api => Source::Api,
            PreviewSource::Webhook => Source::Webhook,
        });
        let now = invocation.now.timestamp_millis();
        preview(&entries, now, source, &self.processing.mapping)
            .ok_or(InvocationError::PreviewTooLarge)
    }
}
