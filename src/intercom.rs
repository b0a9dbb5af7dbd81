//! The client of Intercom's REST API. A [`Session`] has one method per endpoint.

mod answer;
mod companies;
mod contacts;
mod data_attributes;
mod error_response;
mod events;
mod rate_limit;
mod silence;
mod trouble;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::{Method, StatusCode, header};
use serde::Serialize;

pub use contacts::{Contact, Found, SEARCH_PAGE};
pub use data_attributes::{DataAttribute, Model};
pub use error_response::{ErrorResponse, Verdict};
pub use rate_limit::{Admission, RateLimit};
pub use trouble::Trouble;

use crate::secret::{Secret, SecretError, Secrets};
use answer::{Answer, if_readable};
use silence::Silence;

/// Longest time for one call, if the deadline allows it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// With less time than this left a call isn't made: its answer would hardly arrive.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// A failed call, named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Try the event again later.
    #[error("{}", .0.reason)]
    RetryLater(RetryLater),
    /// Intercom refuses it; what that means depends on the call.
    #[error("{0}")]
    Refused(Box<ErrorResponse>),
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
    /// Whether nothing failed except that the rate limit is used up.
    pub is_rate_limit: bool,
}

/// Calls Intercom with the customer's token.
#[derive(Debug)]
pub struct Intercom {
    http: reqwest::Client,
    base_url: String,
    version: String,
    secrets: Arc<Secrets>,
    rate_limit: Mutex<RateLimit>,
    silence: Mutex<Silence>,
    calls: AtomicU64,
    calls_over_limit: AtomicU64,
}

/// How many calls an instance has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub all: u64,
    /// Those that Intercom answered with 429.
    pub over_limit: u64,
}

/// Calls that are counted together, all over by their deadline.
#[derive(Debug)]
pub struct Session<'i> {
    intercom: &'i Intercom,
    deadline: Instant,
    calls: AtomicU32,
}

/// One call of an endpoint.
struct Call<'c> {
    method: Method,
    /// Path and query of the URL, escaped.
    path: &'c str,
    /// The permission that the token needs, as Intercom's Developer Hub names it: a 403 doesn't
    /// say.
    permission: &'static str,
    body: Option<Vec<u8>>,
    /// Whether events are delivered even if it fails.
    is_optional: bool,
}

const READ_CONTACTS: &str = "Read and list users and companies";
const WRITE_CONTACTS: &str = "Write users and companies";

impl<'c> Call<'c> {
    fn new(method: Method, path: &'c str, permission: &'static str) -> Self {
        Self {
            method,
            path,
            permission,
            body: None,
            is_optional: false,
        }
    }

    fn get(path: &'c str) -> Self {
        Self::new(Method::GET, path, READ_CONTACTS)
    }

    fn with(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).expect("bodies always serialise"));
        self
    }
}

impl Intercom {
    /// A client of the API at `base_url` (without a trailing slash), in this version.
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
            silence: Mutex::default(),
            calls: AtomicU64::default(),
            calls_over_limit: AtomicU64::default(),
        }
    }

    /// How many calls it has made so far.
    pub fn calls(&self) -> Calls {
        Calls {
            all: self.calls.load(Ordering::Relaxed),
            over_limit: self.calls_over_limit.load(Ordering::Relaxed),
        }
    }

    /// Calls that are over by `deadline`.
    pub fn session(&self, deadline: Instant) -> Session<'_> {
        Session {
            intercom: self,
            deadline,
            calls: AtomicU32::default(),
        }
    }

    fn limit<T>(&self, read: impl FnOnce(&mut RateLimit) -> T) -> T {
        read(
            &mut self
                .rate_limit
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn silence<T>(&self, read: impl FnOnce(&mut Silence) -> T) -> T {
        read(&mut self.silence.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Session<'_> {
    /// How many calls it has made so far.
    pub fn calls_made(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Makes the call, and again with a newer token if Intercom refuses this one.
    async fn call(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let secrets = &self.intercom.secrets;
        let secret = secrets.get(self.deadline).await;
        let secret = secret.map_err(|error| no_secret(&error))?;
        let answer = self.try_once(&call, &secret).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return answer.check(&call);
        }
        // The customer may just have changed the token.
        let newer = secrets.get_newer_than(&secret, self.deadline).await;
        let newer = newer.map_err(|error| no_secret(&error))?;
        let is_changed = |newer: &Arc<Secret>| newer.access_token() != secret.access_token();
        let Some(newer) = newer.filter(is_changed) else {
            return answer.check(&call);
        };
        self.try_once(&call, &newer).await?.check(&call)
    }

    async fn try_once(&self, call: &Call<'_>, secret: &Secret) -> Result<Answer, CallError> {
        let intercom = self.intercom;
        let _under_way = self.wait_for_admission().await?;
        let began = Instant::now();
        let left = self.deadline.saturating_duration_since(began);
        if left < SHORTEST_CALL {
            return Err(retry_later("no time left in this invocation", None));
        }
        let Some(token) = secret.access_token() else {
            let reason = "the secret has no access_token: put Intercom's token there";
            return Err(retry_later(reason, None));
        };
        if let Some(wait) = intercom.silence(|silence| silence.refuse(began)) {
            return Err(retry_later(
                "Intercom did not answer a moment ago",
                Some(wait),
            ));
        }
        let url = format!("{}{}", intercom.base_url, call.path);
        let mut request = intercom
            .http
            .request(call.method.clone(), url)
            .bearer_auth(token)
            .header(header::ACCEPT, "application/json")
            .header("Intercom-Version", &intercom.version)
            .timeout(left.min(CALL_TIMEOUT));
        if let Some(body) = &call.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let lost = |error: reqwest::Error| {
            if error.is_timeout() {
                intercom.silence(|silence| silence.timed_out(began, Instant::now()));
            }
            lost(&error)
        };
        intercom.calls.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let sent = SystemTime::now();
        let answer = request.send().await.map_err(lost)?;
        let received = SystemTime::now();
        intercom.silence(Silence::answered);
        let status = answer.status();
        let is_rate_limit = status == StatusCode::TOO_MANY_REQUESTS;
        if is_rate_limit {
            intercom.calls_over_limit.fetch_add(1, Ordering::Relaxed);
        }
        let asked_wait = intercom.limit(|limit| {
            limit.note(answer.headers(), sent, received);
            limit.asked_wait(answer.headers(), is_rate_limit, received)
        });
        let headers = answer.headers().clone();
        let body = answer.bytes().await.map_err(lost)?;
        Ok(Answer {
            status,
            headers,
            asked_wait,
            body: body.to_vec(),
        })
    }

    /// Waits until the rate limit has room for a call.
    async fn wait_for_admission(&self) -> Result<UnderWay<'_>, CallError> {
        let intercom = self.intercom;
        let wait = loop {
            let now = Instant::now();
            let left = self.deadline.saturating_duration_since(now);
            match intercom.limit(|limit| limit.admit(SystemTime::now(), fastrand::f64())) {
                Admission::Now => return Ok(UnderWay(intercom)),
                Admission::Later(wait) if wait < left => tokio::time::sleep(wait).await,
                Admission::Later(wait) | Admission::Closed(wait) => break wait,
            }
        };
        Err(CallError::RetryLater(RetryLater {
            reason: Trouble::RateLimit.to_string(),
            status: None,
            request_id: None,
            after: Some(wait),
            is_rate_limit: true,
        }))
    }
}

/// An admitted call, until it is dropped.
struct UnderWay<'i>(&'i Intercom);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.limit(RateLimit::ended);
    }
}

fn retry_later(reason: &str, after: Option<Duration>) -> CallError {
    CallError::RetryLater(RetryLater {
        reason: reason.to_owned(),
        status: None,
        request_id: None,
        after,
        is_rate_limit: false,
    })
}

fn no_secret(error: &SecretError) -> CallError {
    retry_later(&error.to_string(), None)
}

/// A call that got no answer. The error's URL could contain an email address, so it isn't shown.
fn lost(error: &reqwest::Error) -> CallError {
    let what = if error.is_timeout() {
        "Intercom did not answer in time"
    } else if error.is_connect() {
        "no connection to Intercom"
    } else {
        "the connection to Intercom broke"
    };
    retry_later(what, None)
}
