//! The keys of the customer, from Secrets Manager, cached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use crate::aws;

/// How long a secret is used before it is read again.
const TIME_TO_LIVE: Duration = Duration::from_mins(5);

/// A read may take this long, retries included: the request that waits for it is to be answered
/// within 5 s.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// After a read that failed, a secret that is still known is used this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The secret's JSON (`contract.md`, "Secret"). An empty text counts as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Secret {
    access_token: Option<SecretString>,
    api_secret: Option<SecretString>,
    webhook_secret: Option<SecretString>,
    write_keys: Vec<SecretString>,
}

impl Secret {
    /// Intercom's access token.
    pub fn access_token(&self) -> Option<&str> {
        exposed(self.access_token.as_ref())
    }

    /// The key of Intercom's identity verification.
    pub fn api_secret(&self) -> Option<&str> {
        exposed(self.api_secret.as_ref())
    }

    /// The key with which Segment signs webhooks.
    pub fn webhook_secret(&self) -> Option<&str> {
        exposed(self.webhook_secret.as_ref())
    }

    /// Whether there is any write key.
    pub fn has_write_keys(&self) -> bool {
        self.write_keys
            .iter()
            .any(|key| !key.expose_secret().is_empty())
    }

    /// Whether `key` is one of the write keys; takes the same time whichever it is.
    pub fn is_write_key(&self, key: &str) -> bool {
        let is_any = self.write_keys.iter().fold(0, |found, known| {
            found
                | known
                    .expose_secret()
                    .as_bytes()
                    .ct_eq(key.as_bytes())
                    .unwrap_u8()
        });
        !key.is_empty() && is_any == 1
    }
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret
        .map(ExposeSecret::expose_secret)
        .filter(|text| !text.is_empty())
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager can't be reached or refuses.
    #[error("the secret can't be read from Secrets Manager: {0}")]
    Unavailable(String),
    /// It isn't what `contract.md` says.
    #[error(
        "the secret is not the expected JSON object \
         {{\"access_token\":\"…\",\"api_secret\":\"…\",\"webhook_secret\":\"…\",\"write_keys\":[\"…\"]}}: \
         it breaks at line {line}, column {column}"
    )]
    Malformed {
        /// Line of the secret's text, from 1.
        line: usize,
        /// Column of that line, from 1.
        column: usize,
    },
}

/// Reads the secret and keeps it for five minutes.
#[derive(Debug)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
    secret_id: String,
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug)]
struct Cached {
    secret: Arc<Secret>,
    good_until: Instant,
}

impl Secrets {
    /// A reader of the secret with this ARN or name. Reads nothing yet.
    pub fn new(client: aws_sdk_secretsmanager::Client, secret_id: String) -> Self {
        Self {
            client,
            secret_id,
            cached: Mutex::new(None),
        }
    }

    /// The secret, from the cache or read anew. A read that fails falls back on the old one.
    ///
    /// # Errors
    /// [`SecretError`] when it can't be read and none is known.
    pub async fn get(&self) -> Result<Arc<Secret>, SecretError> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = cached.as_ref()
            && Instant::now() < cached.good_until
        {
            return Ok(Arc::clone(&cached.secret));
        }
        self.read_into(&mut cached).await
    }

    /// The secret after Intercom refused the token of `refused`: read anew unless somebody
    /// else already did.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_newer_than(&self, refused: &Arc<Secret>) -> Result<Arc<Secret>, SecretError> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = cached.as_ref()
            && !Arc::ptr_eq(&cached.secret, refused)
        {
            return Ok(Arc::clone(&cached.secret));
        }
        self.read_into(&mut cached).await
    }

    async fn read_into(&self, cached: &mut Option<Cached>) -> Result<Arc<Secret>, SecretError> {
        match (self.read().await, cached) {
            (Ok(secret), cached) => {
                let secret = Arc::new(secret);
                *cached = Some(Cached {
                    secret: Arc::clone(&secret),
                    good_until: Instant::now() + TIME_TO_LIVE,
                });
                Ok(secret)
            }
            (Err(error), Some(old)) => {
                tracing::warn!(%error, "the secret could not be read again, the old one is used");
                old.good_until = Instant::now() + RETRY_AFTER;
                Ok(Arc::clone(&old.secret))
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn read(&self) -> Result<Secret, SecretError> {
        let request = self.client.get_secret_value().secret_id(&self.secret_id);
        let answer = tokio::time::timeout(READ_WITHIN, request.send()).await;
        let answer = answer
            .map_err(|_| SecretError::Unavailable(format!("no answer within {READ_WITHIN:?}")))?
            .map_err(|error| SecretError::Unavailable(aws::reason(&error)))?;
        // serde_json's own message could quote the secret.
        serde_json::from_str(answer.secret_string().unwrap_or_default()).map_err(|error| {
            SecretError::Malformed {
                line: error.line(),
                column: error.column(),
            }
        })
    }
}
