//! The Lambda function: from a trigger to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use http::StatusCode;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::Config;
use crate::delivery::Delivery;
use crate::door::{
    Answer, BodyError, HttpRequest, LARGEST_BODY, Route, decode, entries_of_array, parse_call,
    user_hash_is_valid, webhook_signature_is_valid, write_key,
};
use crate::intake::{Entry, EventResult, Intake, Request, Status};
use crate::intercom::Intercom;
use crate::preview::preview;
use crate::queue::{Queues, Source};
use crate::redelivery::Redelivery;
use crate::secret::{Secret, SecretError, Secrets};
use crate::segment::Kind;
use crate::trigger::{Trigger, TriggerError};

/// Time kept back from the Lambda's own limit to put away what is left.
const MARGIN: Duration = Duration::from_secs(4);

/// Everything that lives as long as the instance.
#[derive(Debug)]
pub struct Function {
    secrets: Arc<Secrets>,
    queues: Queues,
    delivery: Delivery,
    intake: Intake,
    redelivery: Redelivery,
    require_user_hash: bool,
    strict_webhook_signature: bool,
}

/// Why an invocation fails, so that AWS tries it again or shows it to the caller.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The payload is none of ours.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// There are no keys to deliver with.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret lacks a key.
    #[error("not_configured: the secret has no {0}")]
    NotConfigured(&'static str),
    /// Events could be neither delivered nor queued.
    #[error("{0} events could be neither delivered nor queued: {1}")]
    Lost(usize, String),
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        let error_type = match error {
            InvocationError::Trigger(_) => "UnknownTrigger",
            InvocationError::Secret(_) => "SecretUnavailable",
            InvocationError::NotConfigured(_) => "NotConfigured",
            InvocationError::Lost(..) => "EventsLost",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}

impl Function {
    /// Puts the function together. Calls nothing yet.
    pub fn new(
        config: Config,
        secrets: aws_sdk_secretsmanager::Client,
        sqs: aws_sdk_sqs::Client,
        http: reqwest::Client,
    ) -> Self {
        let secrets = Arc::new(Secrets::new(secrets, config.secret_id));
        let intercom = Intercom::new(
            http,
            config.intercom_base_url,
            config.intercom_version,
            Arc::clone(&secrets),
        );
        Self {
            secrets,
            queues: Queues::new(sqs, config.retry_queue_url, config.dead_letter_queue_url),
            delivery: Delivery::new(intercom, config.delivery),
            intake: Intake {
                mapping: config.mapping.clone(),
                mode: config.delivery_mode,
                budget: config.inline_budget,
            },
            redelivery: Redelivery {
                mapping: config.mapping,
                schedule: config.retry,
            },
            require_user_hash: config.require_user_hash,
            strict_webhook_signature: config.strict_webhook_signature,
        }
    }

    /// Reads the secret before the first request, which then needn't wait for it. A failure is
    /// only logged: each request tries again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.secrets.get().await {
            tracing::error!(%error, "the secret could not be read at start");
        }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`InvocationError`], for callers that know no HTTP answer.
    pub async fn handle(
        &self,
        invocation: LambdaEvent<Box<RawValue>>,
    ) -> Result<Value, InvocationError> {
        let started = Instant::now();
        match Trigger::of(&invocation.payload)? {
            Trigger::Http(request) => {
                let answer = self.answer(&request, started).await;
                let origin = request.origin();
                Ok(answer.unwrap_or_else(|answer| answer).into_payload(origin))
            }
            Trigger::Sqs(batch) => {
                let limit = invocation.context.deadline();
                let left = limit.duration_since(SystemTime::now()).unwrap_or_default();
                let deadline = started + left.saturating_sub(MARGIN);
                let (delivery, queues) = (&self.delivery, &self.queues);
                let redelivered =
                    self.redelivery
                        .redeliver(&batch, Utc::now(), deadline, delivery, queues);
                Ok(redelivered.await)
            }
            Trigger::EventBridge(event) => {
                self.take_invocation(event, Source::EventBridge, started)
                    .await
            }
            Trigger::Direct(events) => self.take_invocation(events, Source::Direct, started).await,
        }
    }

    /// Events of a caller whom AWS itself let in.
    async fn take_invocation(
        &self,
        events: &RawValue,
        source: Source,
        started: Instant,
    ) -> Result<Value, InvocationError> {
        let secret = self.secrets.get().await?;
        if secret.access_token().is_none() {
            return Err(InvocationError::NotConfigured("access_token"));
        }
        let entries = entries_of_array(events.get().as_bytes());
        let entries = entries.unwrap_or_else(|_| vec![Entry::parse(events)]);
        let results = self.take(&entries, &request(source, false, started)).await;
        let mut lost = results
            .iter()
            .filter(|result| result.status == Status::Lost);
        match lost.next() {
            None => Ok(json!({"results": results})),
            Some(first) => Err(InvocationError::Lost(
                1 + lost.count(),
                first.reason.clone().unwrap_or_default(),
            )),
        }
    }

    async fn take(&self, entries: &[Entry<'_>], request: &Request) -> Vec<EventResult> {
        let (delivery, queues) = (&self.delivery, &self.queues);
        self.intake.take(entries, request, delivery, queues).await
    }

    /// The answer to a request; an early one comes as an error, which makes no difference to
    /// the caller.
    async fn answer(&self, request: &HttpRequest, started: Instant) -> Result<Answer, Answer> {
        let call = match Route::of(&request.method, &request.path) {
            Route::Single(kind) => Some(kind),
            Route::Batch => None,
            Route::Webhook => return self.webhook(request, started).await,
            Route::Preview => return self.preview(request).await,
            Route::Telemetry => return Ok(success()),
            Route::Health => {
                let version = env!("CARGO_PKG_VERSION");
                return Ok(Answer::ok(json!({"status": "ok", "version": version})));
            }
            Route::Preflight => return Ok(Answer::no_content()),
            Route::WrongMethod => {
                let message = "this path does not take this method";
                return Err(error(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    message,
                ));
            }
            Route::Unknown => {
                let message = "there is no such path: see the README for the routes";
                return Err(error(StatusCode::NOT_FOUND, "not_found", message));
            }
        };
        self.tracking_call(request, call, started).await
    }

    async fn tracking_call(
        &self,
        request: &HttpRequest,
        kind: Option<Kind>,
        started: Instant,
    ) -> Result<Answer, Answer> {
        let secret = self.secret_for_delivery().await?;
        let (body, is_let_in) = Self::body_with_write_key(request, &secret)?;
        let call = parse_call(&body, kind).map_err(|broken| refuse_body(&broken, is_let_in))?;
        let is_let_in = is_let_in
            || call
                .write_key
                .as_deref()
                .is_some_and(|key| secret.is_write_key(key));
        if !is_let_in {
            return Err(unauthorized());
        }
        let mut entries = call.entries;
        if request.origin().is_some() && self.require_user_hash {
            let api_secret = secret
                .api_secret()
                .ok_or_else(|| not_configured("api_secret"))?;
            refuse_forged(&mut entries, api_secret);
        }
        let results = self
            .take(
                &entries,
                &self::request(Source::Api, request.origin().is_some(), started),
            )
            .await;
        match lost(&results) {
            Some(answer) => Err(answer),
            None => Ok(success()),
        }
    }

    /// The unpacked body, and whether the header alone lets the caller in.
    fn body_with_write_key(
        request: &HttpRequest,
        secret: &Secret,
    ) -> Result<(Vec<u8>, bool), Answer> {
        if !secret.has_write_keys() {
            return Err(not_configured("write_keys"));
        }
        let authorization = request.header("authorization");
        let key = authorization.and_then(write_key);
        let is_let_in = key.is_some_and(|key| secret.is_write_key(&key));
        let body = request
            .raw_body()
            .map_err(|broken| {
                error(
                    StatusCode::BAD_REQUEST,
                    "invalid_base64",
                    &broken.to_string(),
                )
            })
            .and_then(|raw| {
                let decoded = decode(&raw, LARGEST_BODY).map(std::borrow::Cow::into_owned);
                decoded.map_err(|broken| refuse_body(&broken, is_let_in))
            })?;
        Ok((body, is_let_in))
    }

    async fn webhook(&self, request: &HttpRequest, started: Instant) -> Result<Answer, Answer> {
        let secret = self.secret_for_delivery().await?;
        let webhook_secret = secret
            .webhook_secret()
            .ok_or_else(|| not_configured("webhook_secret"))?;
        let raw = request.raw_body().map_err(|broken| {
            error(
                StatusCode::BAD_REQUEST,
                "invalid_base64",
                &broken.to_string(),
            )
        })?;
        let signature = request.header("x-signature").unwrap_or_default();
        let is_signed = |bytes: &[u8]| webhook_signature_is_valid(webhook_secret, bytes, signature);
        let entries = entries_of_array(&raw);
        let first = entries.as_ref().ok().and_then(|entries| entries.first());
        let is_let_in = is_signed(&raw)
            || !self.strict_webhook_signature
                && first.is_some_and(|first| is_signed(first.raw.get().as_bytes()));
        if !is_let_in {
            return Err(error(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "X-Signature is missing or wrong: it must be the hex HMAC-SHA1 of the body with \
                 the webhook_secret",
            ));
        }
        let entries = entries.map_err(|broken| refuse_body(&broken, true))?;
        let results = self
            .take(&entries, &self::request(Source::Webhook, false, started))
            .await;
        if let Some(answer) = lost(&results) {
            return Err(answer.with("results", json!(results)));
        }
        let mut rejected = results
            .iter()
            .filter(|result| result.status == Status::Rejected);
        if !results.is_empty() && rejected.clone().count() == results.len() {
            let first = rejected.next().and_then(|result| result.reason.as_deref());
            let reason = first.unwrap_or("every event was rejected");
            let answer = error(StatusCode::BAD_REQUEST, "rejected", reason);
            return Err(answer.with("results", json!(results)));
        }
        Ok(success().with("results", json!(results)))
    }

    async fn preview(&self, request: &HttpRequest) -> Result<Answer, Answer> {
        let secret = self.secret().await?;
        let (body, is_let_in) = Self::body_with_write_key(request, &secret)?;
        let has_batch =
            serde_json::from_slice::<Value>(&body).is_ok_and(|body| body.get("batch").is_some());
        let (key, entries) = if has_batch {
            let call = parse_call(&body, None).map_err(|broken| refuse_body(&broken, is_let_in))?;
            (call.write_key, call.entries)
        } else {
            let entries = entries_of_array(&body);
            let mut entries = entries.map_err(|broken| refuse_body(&broken, is_let_in))?;
            let first = entries.first_mut().and_then(|entry| entry.event.as_mut());
            (
                first.and_then(crate::segment::Event::take_write_key),
                entries,
            )
        };
        if !is_let_in && !key.is_some_and(|key| secret.is_write_key(&key)) {
            return Err(unauthorized());
        }
        let received_at = Utc::now().timestamp();
        let has_origin = request.origin().is_some();
        Ok(Answer::ok(preview(
            &entries,
            received_at,
            has_origin,
            &self.intake.mapping,
        )))
    }

    async fn secret(&self) -> Result<Arc<Secret>, Answer> {
        self.secrets.get().await.map_err(|unavailable| {
            tracing::error!(error = %unavailable, "no secret, so nobody can be let in");
            let message = "the keys could not be read: try again";
            error(
                StatusCode::SERVICE_UNAVAILABLE,
                "secret_unavailable",
                message,
            )
        })
    }

    /// The secret, where it holds what every delivery needs.
    async fn secret_for_delivery(&self) -> Result<Arc<Secret>, Answer> {
        let secret = self.secret().await?;
        if secret.access_token().is_none() {
            return Err(not_configured("access_token"));
        }
        Ok(secret)
    }
}

fn request(source: Source, has_origin: bool, started: Instant) -> Request {
    Request {
        source,
        received_at: Utc::now(),
        has_origin,
        started,
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
        let user_hash = event
            .option("userhash")
            .and_then(crate::segment::Value::as_str);
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

fn success() -> Answer {
    Answer::ok(json!({"success": true}))
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    Answer::error(status, code, message)
}

fn unauthorized() -> Answer {
    let message = "the write key is missing or wrong: send one of the secret's write_keys";
    error(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn not_configured(key: &str) -> Answer {
    tracing::error!(key, "not configured: the secret lacks this key");
    let message = format!("this entry point is not configured: the secret has no {key}");
    error(StatusCode::SERVICE_UNAVAILABLE, "not_configured", &message)
}

/// What a broken body gets: its fault, but only for a caller with a key.
fn refuse_body(broken: &BodyError, is_let_in: bool) -> Answer {
    if is_let_in {
        error(StatusCode::BAD_REQUEST, broken.code(), &broken.to_string())
    } else {
        unauthorized()
    }
}

/// The answer when an event could be neither delivered nor queued.
fn lost(results: &[EventResult]) -> Option<Answer> {
    let lost = results
        .iter()
        .find(|result| result.status == Status::Lost)?;
    let reason = lost.reason.as_deref().unwrap_or_default();
    let message =
        format!("not every event could be delivered or queued, send them again: {reason}");
    Some(error(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        &message,
    ))
}
