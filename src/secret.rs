//! The keys of the customer, from Secrets Manager, cached.

mod keys;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use keys::{Secret, WriteKey};

use crate::aws_error;
use crate::clock::Clock;
use crate::time_budget::{self, SECRET_READ_WITHIN};

/// How long a secret is used before it is read again.
const TIME_TO_LIVE: Duration = Duration::from_mins(5);

/// Shortest time between reads because a key didn't match or a read failed, so that callers without
/// a key can't cause a read per request.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Why there is no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager can't be reached or refuses. Its own words are in the log, not here: this
    /// text reaches callers.
    #[error("the secret can't be read from Secrets Manager: the function's log says why")]
    Unavailable,
    /// It isn't the expected JSON.
    #[error(
        "the secret is not the expected JSON object \
         {{\"access_token\":\"…\",\"api_secret\":\"…\",\"webhook_secret\":\"…\",\
         \"write_keys\":[\"…\"],\"public_write_keys\":[\"…\"]}}: \
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
    clock: Clock,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    secret: Option<Arc<Secret>>,
    /// When it was read last.
    read_at: Option<DateTime<Utc>>,
    /// When it was last read because a key didn't match.
    read_again_at: Option<DateTime<Utc>>,
    /// The last read, where it failed.
    failed: Option<(DateTime<Utc>, SecretError)>,
}

impl Secrets {
    /// Caches the secret with this ARN or name. Reads nothing yet.
    pub fn new(client: aws_sdk_secretsmanager::Client, secret_id: String, clock: Clock) -> Self {
        Self {
            client,
            secret_id,
            clock,
            cache: Mutex::default(),
        }
    }

    /// The secret, from the cache or read by `deadline`. If the read fails, the old one.
    ///
    /// # Errors
    /// [`SecretError`] when it can't be read and there is no old one.
    pub async fn get(&self, deadline: Instant) -> Result<Arc<Secret>, SecretError> {
        let mut cache = self.lock(deadline).await?;
        if let Some(secret) = &cache.secret {
            let is_fresh = self.is_within(cache.read_at, TIME_TO_LIVE);
            let just_failed = self.is_within(cache.failed_at(), READ_AGAIN_AFTER);
            if is_fresh || just_failed {
                return Ok(Arc::clone(secret));
            }
        }
        match self.read_into(&mut cache, deadline).await {
            Ok(secret) => Ok(secret),
            Err(error) => cache.secret.clone().ok_or(error),
        }
    }

    /// A secret newer than `refused`, whose key or token didn't match: it may have been changed
    /// since. None when it was read again for this reason within the last ten seconds.
    ///
    /// # Errors
    /// [`SecretError`] when it can't be read, so that the key can't be judged.
    pub async fn get_newer_than(
        &self,
        refused: &Arc<Secret>,
        deadline: Instant,
    ) -> Result<Option<Arc<Secret>>, SecretError> {
        let mut cache = self.lock(deadline).await?;
        if let Some(secret) = &cache.secret
            && !Arc::ptr_eq(secret, refused)
        {
            return Ok(Some(Arc::clone(secret)));
        }
        if let Some((at, error)) = &cache.failed
            && self.is_within(Some(*at), READ_AGAIN_AFTER)
        {
            return Err(error.clone());
        }
        if self.is_within(cache.read_again_at, READ_AGAIN_AFTER) {
            return Ok(None);
        }
        cache.read_again_at = Some(self.clock.now());
        self.read_into(&mut cache, deadline).await.map(Some)
    }

    /// Whether that was less than `age` ago. A time still to come, by a clock that was set back,
    /// was not.
    fn is_within(&self, at: Option<DateTime<Utc>>, age: Duration) -> bool {
        let passed = at.and_then(|at| (self.clock.now() - at).to_std().ok());
        passed.is_some_and(|passed| passed < age)
    }

    async fn lock(
        &self,
        deadline: Instant,
    ) -> Result<tokio::sync::MutexGuard<'_, Cache>, SecretError> {
        tokio::time::timeout_at(deadline, self.cache.lock())
            .await
            .map_err(|_| SecretError::Unavailable)
    }

    async fn read_into(
        &self,
        cache: &mut Cache,
        deadline: Instant,
    ) -> Result<Arc<Secret>, SecretError> {
        match self.read(deadline).await {
            Ok(secret) => {
                let secret = Arc::new(secret);
                cache.secret = Some(Arc::clone(&secret));
                cache.read_at = Some(self.clock.now());
                cache.failed = None;
                Ok(secret)
            }
            Err(error) => {
                cache.failed = Some((self.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn read(&self, deadline: Instant) -> Result<Secret, SecretError> {
        let request = self.client.get_secret_value().secret_id(&self.secret_id);
        let until = deadline.min(time_budget::now() + SECRET_READ_WITHIN);
        // Boxed, since it would make every future that may read a secret large.
        let sent = Box::pin(request.send());
        let answer = tokio::time::timeout_at(until, sent).await;
        let unavailable = |reason: String| {
            tracing::error!(reason, "the secret can't be read from Secrets Manager");
            SecretError::Unavailable
        };
        let answer = answer
            .map_err(|_| unavailable("no answer in time".to_owned()))?
            .map_err(|error| unavailable(aws_error::reason(&error)))?;
        Secret::parse(answer.secret_string().unwrap_or_default())
    }
}

impl Cache {
    fn failed_at(&self) -> Option<DateTime<Utc>> {
        self.failed.as_ref().map(|(at, _)| *at)
    }
}
