//! The client of Intercom's REST API. A [`Session`] has one method per endpoint.

mod answer;
mod call_record;
mod circuit_breaker;
mod companies;
mod contacts;
mod data_attributes;
mod error_response;
mod events;
mod rate_limit;
mod retry_reason;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use serde::Serialize;
use tokio::time::Instant;

pub use call_record::CallRecord;
pub use contacts::{Contact, Found, SEARCH_PAGE};
pub use data_attributes::{DataAttribute, Model};
pub use error_response::{ErrorResponse, Verdict};
pub use rate_limit::{Admission, RateLimit};
pub use retry_reason::RetryReason;

use crate::clock::Clock;
use crate::http_client::{NoAnswer, Transport};
use crate::secret::{Secret, SecretError, Secrets};
use crate::time_budget::{self, CALL_WITHIN, SHORTEST_CALL};
use answer::{Answer, if_readable};
use circuit_breaker::CircuitBreaker;

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
    /// Whether the event itself was not tried: the time was up, the rate limit used up, or the
    /// circuit open. Such a receive is no failure.
    pub is_untried: bool,
}

impl RetryLater {
    fn failed(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            status: None,
            request_id: None,
            after: None,
            is_untried: false,
        }
    }
}

/// Calls Intercom with the customer's token.
#[derive(Debug)]
pub struct Intercom {
    transport: Transport,
    clock: Clock,
    base_url: String,
    version: String,
    secrets: Arc<Secrets>,
    rate_limit: Mutex<RateLimit>,
    circuit_breaker: Mutex<CircuitBreaker>,
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

/// Calls that are counted together and share a deadline.
#[derive(Debug)]
pub struct Session<'i> {
    intercom: &'i Intercom,
    deadline: Instant,
    made: Mutex<Vec<CallRecord>>,
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
    /// Whether no event depends on it: a refusal, for whatever reason, is then no problem of the
    /// account.
    is_helper: bool,
    /// Whether a success may have no body.
    may_answer_nothing: bool,
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
            is_helper: false,
            may_answer_nothing: false,
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
        transport: Transport,
        clock: Clock,
        base_url: String,
        version: String,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self {
            transport,
            clock,
            base_url,
            version,
            secrets,
            rate_limit: Mutex::default(),
            circuit_breaker: Mutex::default(),
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

    /// Calls that have to end by `deadline`.
    pub fn session(&self, deadline: Instant) -> Session<'_> {
        Session {
            intercom: self,
            deadline,
            made: Mutex::default(),
        }
    }

    fn request(&self, call: &Call<'_>, token: &str) -> Result<Request<Vec<u8>>, http::Error> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.base_url, call.path))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/json")
            .header("Intercom-Version", &self.version);
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = call.body.clone().unwrap_or_default();
        request.body(body)
    }

    fn limit<T>(&self, read: impl FnOnce(&mut RateLimit) -> T) -> T {
        read(
            &mut self
                .rate_limit
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn circuit_breaker<T>(&self, read: impl FnOnce(&mut CircuitBreaker) -> T) -> T {
        let breaker = self.circuit_breaker.lock();
        read(&mut breaker.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Session<'_> {
    /// The calls it has made so far.
    pub fn calls_made(&self) -> Vec<CallRecord> {
        self.made().clone()
    }

    fn made(&self) -> MutexGuard<'_, Vec<CallRecord>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
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
        let began = time_budget::now();
        let left = self.deadline.saturating_duration_since(began);
        if left < SHORTEST_CALL {
            return Err(untried("no time left in this invocation", None));
        }
        let Some(token) = secret.access_token() else {
            let reason = "the secret has no access_token: put Intercom's token there";
            return Err(failed(reason));
        };
        // The error could quote the token.
        let request = intercom.request(call, token).map_err(|_| {
            failed("a call can't be made: check the access_token and INTERCOM_BASE_URL")
        })?;
        let sent = intercom.clock.system_time();
        if let Some(wait) = intercom.circuit_breaker(|breaker| breaker.refuse(sent)) {
            return Err(untried("Intercom did not answer a moment ago", Some(wait)));
        }
        intercom.calls.fetch_add(1, Ordering::Relaxed);
        let limit = left.min(CALL_WITHIN);
        let answer = tokio::time::timeout(limit, intercom.transport.send(request)).await;
        let answer = answer.unwrap_or(Err(NoAnswer::TimedOut));
        let received = intercom.clock.system_time();
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        let record = CallRecord::new(call.method.clone(), call.path, status, began.elapsed());
        self.made().push(record);
        let answer = answer.map_err(|why| {
            if why == NoAnswer::TimedOut {
                intercom.circuit_breaker(|breaker| breaker.timed_out(began.elapsed(), received));
            }
            failed(&why.to_string())
        })?;
        intercom.circuit_breaker(CircuitBreaker::answered);
        let (parts, body) = answer.into_parts();
        let is_rate_limit = parts.status == StatusCode::TOO_MANY_REQUESTS;
        if is_rate_limit {
            intercom.calls_over_limit.fetch_add(1, Ordering::Relaxed);
        }
        let asked_wait = intercom.limit(|limit| {
            limit.answered(&parts.headers, is_rate_limit, sent, received);
            limit.asked_wait(&parts.headers, is_rate_limit, received)
        });
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            asked_wait,
            body,
        })
    }

    /// Waits until the rate limit has room for a call.
    async fn wait_for_admission(&self) -> Result<UnderWay<'_>, CallError> {
        let intercom = self.intercom;
        let wait = loop {
            let left = self.deadline.saturating_duration_since(time_budget::now());
            let now = intercom.clock.system_time();
            match intercom.limit(|limit| limit.admit(now, fastrand::f64())) {
                Admission::Now => return Ok(UnderWay(intercom)),
                Admission::Later(wait) if wait < left => tokio::time::sleep(wait).await,
                Admission::Later(wait) | Admission::Closed(wait) => break wait,
            }
        };
        Err(untried(&RetryReason::RateLimit.to_string(), Some(wait)))
    }
}

/// An admitted call, until it is dropped.
struct UnderWay<'i>(&'i Intercom);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.limit(RateLimit::ended);
    }
}

/// The event was not tried.
fn untried(reason: &str, after: Option<Duration>) -> CallError {
    CallError::RetryLater(RetryLater {
        after,
        is_untried: true,
        ..RetryLater::failed(reason)
    })
}

/// A call that got no answer.
fn failed(reason: &str) -> CallError {
    CallError::RetryLater(RetryLater::failed(reason))
}

fn no_secret(error: &SecretError) -> CallError {
    failed(&error.to_string())
}
