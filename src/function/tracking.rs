//! The Tracking API: the calls of Segment's SDKs.

use std::borrow::Cow;

use super::{Function, check_none_lost};
use crate::entry::Entry;
use crate::http_api::{
    Answer, ApiError, BodyError, Call, HttpRequest, MAX_BODY_BYTES, decode, parse_call,
};
use crate::invocation::{Invocation, Request};
use crate::secret::WriteKey;
use crate::segment::Kind;
use crate::source::Source;

/// A parser of bodies.
type Parse<'p> = &'p (dyn for<'b> Fn(&'b [u8]) -> Result<Call<'b>, BodyError> + Sync);

impl Function {
    /// Takes a single call of this kind, or a batch.
    pub(super) async fn tracking_call(
        &self,
        http: &HttpRequest,
        kind: Option<Kind>,
        invocation: Invocation<'_>,
    ) -> Result<Answer, ApiError> {
        self.check_access_token(invocation).await?;
        let parse: Parse<'_> = &|body| parse_call(body, kind);
        let (in_headers, raw) = self.read(http, invocation).await?;
        let body = self.unpack(in_headers.as_ref(), &raw, invocation).await?;
        let (entries, key) = self
            .parse(http, in_headers, &body, parse, invocation)
            .await?;
        let request = Request::new(Source::Api, Some(&key), invocation);
        let results = self.take(&entries, &request).await;
        check_none_lost(&results)?;
        Ok(Answer::success())
    }

    /// The key in the headers, where there is one, and the body as it was sent.
    pub(super) async fn read(
        &self,
        http: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<(Option<WriteKey>, Vec<u8>), ApiError> {
        let in_headers = self.write_key_in_headers(http, invocation).await?;
        Ok((in_headers, http.raw_body()?))
    }

    pub(super) async fn unpack<'r>(
        &self,
        in_headers: Option<&WriteKey>,
        raw: &'r [u8],
        invocation: Invocation<'_>,
    ) -> Result<Cow<'r, [u8]>, ApiError> {
        match decode(raw, MAX_BODY_BYTES) {
            Ok(body) => Ok(body),
            Err(broken) => Err(self
                .refusal_of(in_headers.cloned(), broken, raw, invocation)
                .await),
        }
    }

    /// The events of a body and the key that lets them in.
    pub(super) async fn parse<'b>(
        &self,
        http: &HttpRequest,
        in_headers: Option<WriteKey>,
        body: &'b [u8],
        parse: Parse<'_>,
        invocation: Invocation<'_>,
    ) -> Result<(Vec<Entry<'b>>, WriteKey), ApiError> {
        let Call {
            write_key,
            mut entries,
        } = match parse(body) {
            Ok(call) => call,
            Err(broken) => return Err(self.refusal_of(in_headers, broken, body, invocation).await),
        };
        let key = self.authenticate(in_headers, write_key, invocation).await?;
        self.ignore_user_ids(&mut entries);
        self.set_senders(&mut entries, &key, http, invocation)
            .await?;
        Ok((entries, key))
    }
}
