//! The client of Intercom's REST API: one call in, what it means out.

mod rate_limit;
mod refusal;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use rate_limit::{Admission, RateLimit};
pub use refusal::{Refusal, Verdict};

use crate::secret::{Secret, SecretError, Secrets};

/// Longest that one call may take, where the time left allows it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// With less than this left, a call isn't begun: its answer would hardly arrive.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// A call that brought no good answer, named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Try the event again later.
    #[error("{}", .0.reason)]
    RetryLater(RetryLater),
    /// Intercom says no; what that means depends on the call.
    #[error("{0}")]
    Refused(Box<Refusal>),
}

/// Why and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryLater {
    /// A line for a person.
    pub reason: String,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// Intercom's id of the request, if there was an answer.
    pub request_id: Option<String>,
    /// Earliest time for the next try, from now.
    pub after: Option<Duration>,
}

/// Calls Intercom with the customer's token.
#[derive(Debug)]
pub struct Intercom {
    http: reqwest::Client,
    base_url: String,
    version: String,
    secrets: Arc<Secrets>,
    rate_limit: Mutex<RateLimit>,
}

impl Intercom {
    /// A client of the API at `base_url` (no slash at the end), in this version of it.
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        version: String,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self {
            http,
            base_url,
            version,
            secrets,
            rate_limit: Mutex::default(),
        }
    }

    /// `GET`s the JSON at `path`, by `deadline`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        deadline: Instant,
    ) -> Result<T, CallError> {
        let answer = self.call(Method::GET, path, None::<&()>, deadline).await?;
        answer.read()
    }

    /// Sends a change that answers with JSON, by `deadline`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        deadline: Instant,
    ) -> Result<T, CallError> {
        let answer = self.call(method, path, Some(body), deadline).await?;
        answer.read()
    }

    /// Sends a change whose answer's body doesn't matter, by `deadline`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        deadline: Instant,
    ) -> Result<(), CallError> {
        self.call(method, path, body, deadline).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        let body = body.map(|body| serde_json::to_vec(body).expect("bodies always serialise"));
        let secret = self.secret().await?;
        let answer = self
            .try_once(&method, path, body.as_deref(), &secret, deadline)
            .await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return answer.check(&method, path);
        }
        // The customer may just have changed the token.
        let newer = self
            .secrets
            .get_newer_than(&secret)
            .await
            .map_err(|error| no_secret(&error))?;
        if newer.access_token() == secret.access_token() {
            return answer.check(&method, path);
        }
        let answer = self
            .try_once(&method, path, body.as_deref(), &newer, deadline)
            .await?;
        answer.check(&method, path)
    }

    async fn secret(&self) -> Result<Arc<Secret>, CallError> {
        self.secrets.get().await.map_err(|error| no_secret(&error))
    }

    async fn try_once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&[u8]>,
        secret: &Secret,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        let _under_way = self.wait_for_admission(deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left < SHORTEST_CALL {
            return Err(retry_later(
                "no time left in this invocation".to_owned(),
                None,
            ));
        }
        let Some(token) = secret.access_token() else {
            let reason = "the secret has no access_token: put Intercom's token there";
            return Err(retry_later(reason.to_owned(), None));
        };
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base_url))
            .bearer_auth(token)
            .header(header::ACCEPT, "application/json")
            .header("Intercom-Version", &self.version)
            .timeout(left.min(CALL_TIMEOUT));
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_vec());
        }
        let sent = SystemTime::now();
        let answer = request.send().await.map_err(|error| lost(&error))?;
        let received = SystemTime::now();
        let status = answer.status();
        let is_rate_limit = status == StatusCode::TOO_MANY_REQUESTS;
        let asked_wait = self.limit(|limit| {
            limit.note(answer.headers(), sent, received);
            limit.asked_wait(answer.headers(), is_rate_limit, received)
        });
        let headers = answer.headers().clone();
        let body = answer.bytes().await.map_err(|error| lost(&error))?;
        Ok(Answer {
            status,
            headers,
            asked_wait,
            body: body.to_vec(),
        })
    }

    /// Waits until the rate limit has room for a call.
    async fn wait_for_admission(&self, deadline: Instant) -> Result<UnderWay<'_>, CallError> {
        let wait = loop {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            match self.limit(|limit| limit.admit(SystemTime::now(), fastrand::f64())) {
                Admission::Now => return Ok(UnderWay(self)),
                Admission::Later(wait) if wait < left => tokio::time::sleep(wait).await,
                Admission::Later(wait) | Admission::Closed(wait) => break wait,
            }
        };
        Err(CallError::RetryLater(RetryLater {
            reason: "Intercom's rate limit is used up".to_owned(),
            status: Some(StatusCode::TOO_MANY_REQUESTS.as_u16()),
            request_id: None,
            after: Some(wait),
        }))
    }

    fn limit<T>(&self, read: impl FnOnce(&mut RateLimit) -> T) -> T {
        read(
            &mut self
                .rate_limit
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// An admitted call, until it is dropped.
struct UnderWay<'i>(&'i Intercom);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.limit(RateLimit::ended);
    }
}

/// An answer that arrived whole.
struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    /// How long an error asks us to wait.
    asked_wait: Option<Duration>,
    body: Vec<u8>,
}

impl Answer {
    /// The answer if it is a good one to this call.
    fn check(self, method: &Method, path: &str) -> Result<Self, CallError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let link = self.headers.get(header::LINK);
        let link = link.and_then(|link| link.to_str().ok());
        let refusal = Refusal::read(self.status.as_u16(), &self.body, link);
        // template.yaml's alarm counts these lines: until a person acts, nothing is delivered.
        if matches!(refusal.status, 401..=403) {
            tracing::error!(alarm = "account_refused", %refusal, "Intercom refuses this account");
        }
        match refusal.verdict() {
            Verdict::RetryLater(advice) => Err(CallError::RetryLater(RetryLater {
                reason: if refusal.status == 403 {
                    let permission = refusal::permission_for(method.as_str(), path);
                    format!("{advice}, probably {permission:?}: {refusal}")
                } else {
                    format!("{advice}: {refusal}")
                },
                status: Some(refusal.status),
                request_id: refusal.request_id.clone(),
                after: self.asked_wait,
            })),
            _ => Err(CallError::Refused(Box::new(refusal))),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            CallError::RetryLater(RetryLater {
                reason: format!("Intercom's answer could not be read: {error}"),
                status: Some(self.status.as_u16()),
                request_id: None,
                after: None,
            })
        })
    }
}

fn retry_later(reason: String, after: Option<Duration>) -> CallError {
    CallError::RetryLater(RetryLater {
        reason,
        status: None,
        request_id: None,
        after,
    })
}

fn no_secret(error: &SecretError) -> CallError {
    retry_later(error.to_string(), None)
}

/// A call without an answer. The error's URL could hold an email address, so it isn't shown.
fn lost(error: &reqwest::Error) -> CallError {
    let what = if error.is_timeout() {
        "Intercom did not answer in time"
    } else if error.is_connect() {
        "no connection to Intercom"
    } else {
        "the connection to Intercom broke"
    };
    retry_later(what.to_owned(), None)
}
