//! Authentication of callers, against the keys of the secret.

use std::sync::Arc;

use tokio::time::Instant;

use super::Function;
use crate::entry::Entry;
use crate::http_api::{
    ApiError, HttpRequest, MAX_BODY_BYTES, proof, write_key_in, write_keys_in_headers,
};
use crate::invocation::Invocation;
use crate::mapping::{Channel, Sender};
use crate::secret::{Secret, WriteKey};
use crate::time_budget::KEYS_WITHIN;

impl Function {
    /// Accepts only public write keys: a server's has no business in a page.
    pub(super) async fn check_public_key(
        &self,
        key: &str,
        invocation: Invocation<'_>,
    ) -> Result<(), ApiError> {
        let known = |secret: &Secret| {
            let known = find_write_key(secret, &[key.to_owned()]);
            match known {
                Ok(known) if known.is_public => Ok(()),
                Ok(_) | Err(ApiError::WriteKey) => Err(ApiError::UnknownProject),
                Err(error) => Err(error),
            }
        };
        self.look_up(known, invocation).await
    }

    /// The write key of a call, and its body as it was sent. The key is taken from the headers, so
    /// that nothing of the body is looked at before, else from the body, which is read only that
    /// far.
    ///
    /// When the body can't even be searched for a key, the caller gets the benefit of the doubt:
    /// some SDKs send their key nowhere else and give an event up only on a 400.
    pub(super) async fn authenticate(
        &self,
        http: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<(WriteKey, Vec<u8>), ApiError> {
        let key_of = |keys: Vec<String>| {
            self.look_up(move |secret| find_write_key(secret, &keys), invocation)
        };
        let in_headers = write_keys_in_headers(http);
        if !in_headers.is_empty() {
            let key = key_of(in_headers).await?;
            return Ok((key, http.raw_body()?));
        }
        let read = http.raw_body().and_then(|raw| {
            let in_body = write_key_in(&raw, MAX_BODY_BYTES)?;
            Ok((in_body, raw))
        });
        match read {
            Ok((in_body, raw)) => Ok((key_of(in_body.into_iter().collect()).await?, raw)),
            Err(broken) => match key_of(Vec::new()).await {
                Err(ApiError::WriteKey) | Ok(_) => Err(broken.into()),
                Err(not_configured) => Err(not_configured),
            },
        }
    }

    /// Sets the sender of each event of a write key, verifying its `user_hash`.
    pub(super) async fn set_senders(
        &self,
        entries: &mut [Entry<'_>],
        key: &WriteKey,
        http: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<(), ApiError> {
        let channel = match http.origin() {
            _ if key.is_public => Channel::Public,
            Some(_) => Channel::Browser,
            None => Channel::Server,
        };
        for entry in &mut *entries {
            entry.sender = Sender::by(channel);
        }
        if !Sender::by(channel).is_client_side() {
            return Ok(());
        }
        let is_required = self.processing.mapping.require_user_hash;
        let mut secret = self.secret(invocation).await?;
        if is_required && secret.api_secret().is_none() {
            let api_secret = |secret: &Secret| {
                let is_there = secret.api_secret().is_some();
                is_there
                    .then_some(())
                    .ok_or(ApiError::NotConfigured("api_secret"))
            };
            self.look_up(api_secret, invocation).await?;
            secret = self.secret(invocation).await?;
        }
        let mut proofs = proofs(entries, &secret);
        if proofs.contains(&Some(false))
            && let Some(newer) = self.newer_than(&secret, invocation).await?
        {
            proofs = self::proofs(entries, &newer);
        }
        for (entry, proof) in entries.iter_mut().zip(proofs) {
            entry.sender.is_verified = proof == Some(true);
        }
        Ok(())
    }

    /// What `look` finds in the secret. If it finds nothing, the secret may have changed since it
    /// was read, so it is read again before anybody is refused.
    pub(super) async fn look_up<T>(
        &self,
        look: impl Fn(&Secret) -> Result<T, ApiError>,
        invocation: Invocation<'_>,
    ) -> Result<T, ApiError> {
        let secret = self.secret(invocation).await?;
        let error = match look(&secret) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        match self.newer_than(&secret, invocation).await? {
            Some(newer) => look(&newer),
            None => Err(error),
        }
    }

    /// Checks for the token that every delivery needs.
    pub(super) async fn check_access_token(
        &self,
        invocation: Invocation<'_>,
    ) -> Result<(), ApiError> {
        let access_token = |secret: &Secret| {
            let is_there = secret.access_token().is_some();
            is_there
                .then_some(())
                .ok_or(ApiError::NotConfigured("access_token"))
        };
        self.look_up(access_token, invocation).await
    }

    async fn secret(&self, invocation: Invocation<'_>) -> Result<Arc<Secret>, ApiError> {
        let secret = self.secrets.get(keys_deadline(invocation)).await;
        secret.map_err(ApiError::SecretUnavailable)
    }

    async fn newer_than(
        &self,
        secret: &Arc<Secret>,
        invocation: Invocation<'_>,
    ) -> Result<Option<Arc<Secret>>, ApiError> {
        let newer = self
            .secrets
            .get_newer_than(secret, keys_deadline(invocation))
            .await;
        newer.map_err(ApiError::SecretUnavailable)
    }
}

fn keys_deadline(invocation: Invocation<'_>) -> Instant {
    invocation.deadline.min(invocation.started + KEYS_WITHIN)
}

/// The first of a caller's keys that the secret knows.
fn find_write_key(secret: &Secret, keys: &[String]) -> Result<WriteKey, ApiError> {
    if !secret.has_write_keys() {
        return Err(ApiError::NotConfigured("write_keys"));
    }
    let known = keys.iter().find_map(|key| secret.write_key(key));
    known.ok_or(ApiError::WriteKey)
}

/// Whether the `user_hash` of each event proves the user it names. `None` for an event without a
/// user or a hash, or without a key to verify it.
fn proofs(entries: &[Entry<'_>], secret: &Secret) -> Vec<Option<bool>> {
    let proof = |entry: &Entry<'_>| proof(entry.event()?, secret);
    entries.iter().map(proof).collect()
}
