//! The Tracking API: the calls of Segment's SDKs.

use super::{Function, check_none_lost};
use crate::http_api::{Answer, ApiError, HttpRequest, MAX_BODY_BYTES, decode, parse_call};
use crate::invocation::{Invocation, Request};
use crate::segment::Kind;
use crate::source::Source;

impl Function {
    /// Takes a single call of this kind, or a batch.
    pub(super) async fn tracking_call(
        &self,
        http: &HttpRequest,
        kind: Option<Kind>,
        invocation: Invocation<'_>,
    ) -> Result<Answer, ApiError> {
        self.check_access_token(invocation).await?;
        let (key, raw) = self.authenticate(http, invocation).await?;
        let body = decode(&raw, MAX_BODY_BYTES)?;
        let mut entries = parse_call(&body, kind, self.ignored_user_ids())?;
        self.processing.filter(&mut entries);
        self.set_senders(&mut entries, &key, http, invocation)
            .await?;
        let request = Request::new(Source::Api, Some(&key), invocation);
        let results = self.take(&entries, &request).await;
        check_none_lost(&results)?;
        Ok(Answer::success())
    }
}
