//! The Tracking API: the calls of Segment's SDKs.

use super::{Function, lost, request};
use crate::door::{
    Answer, HttpRequest, LARGEST_BODY, WriteKeyCheck, decode, parse_call, user_hash_is_valid,
};
use crate::intake::{Entry, Invocation};
use crate::queue::Source;
use crate::segment::{Kind, Value};

impl Function {
    /// Takes a single call of this kind, or a batch.
    pub(super) async fn tracking_call(
        &self,
        http: &HttpRequest,
        kind: Option<Kind>,
        invocation: Invocation<'_>,
    ) -> Result<Answer, Answer> {
        let secret = self.secret_for_delivery().await?;
        let keys = WriteKeyCheck::of(http, &secret)?;
        let raw = http.raw_body()?;
        let body = decode(&raw, LARGEST_BODY).map_err(|broken| keys.refuse(&broken, &raw))?;
        let call = parse_call(&body, kind).map_err(|broken| keys.refuse(&broken, &body))?;
        keys.let_in(call.write_key.as_deref())?;
        let mut entries = call.entries;
        self.ignore_user_ids(&mut entries);
        let is_from_browser = http.origin().is_some();
        if is_from_browser && self.require_user_hash {
            let api_secret = secret.api_secret();
            refuse_forged(
                &mut entries,
                api_secret.ok_or_else(|| Answer::not_configured("api_secret"))?,
            );
        }
        let request = request(Source::Api, is_from_browser, invocation);
        let results = self.take(&entries, &request).await;
        lost(&results).map_or_else(|| Ok(Answer::success()), Err)
    }
}

/// Refuses events of a browser that name a user without proof (Intercom's identity
/// verification).
fn refuse_forged(entries: &mut [Entry<'_>], api_secret: &str) {
    for entry in entries {
        let Some(event) = &entry.event else {
            continue;
        };
        let user = event.user_id().or_else(|| event.email());
        let user_hash = event.option("userhash").and_then(Value::as_str);
        let is_proven = match (&user, user_hash) {
            (Some(user), Some(hash)) => user_hash_is_valid(api_secret, user, hash),
            (Some(_), None) => false,
            (None, _) => event.type_name() != Some(Kind::Group.as_str()),
        };
        if !is_proven {
            entry.refusal = Some(
                "a browser's event needs integrations.Intercom.user_hash, the hex HMAC-SHA256 of \
                 its userId with the api_secret (REQUIRE_USER_HASH)"
                    .into(),
            );
        }
    }
}
