//! The Lambda function: from a trigger to its answer.

mod tracking;
mod webhook;

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
    Answer, BodyError, HttpRequest, LARGEST_BODY, MOST_EVENTS_OF_SEGMENT, Route, WriteKeyCheck,
    decode, entries_of_array, parse_preview, with_whole_characters,
};
use crate::intake::{Entry, EventResult, Intake, Invocation, Request, Status, Taken};
use crate::intercom::Intercom;
use crate::preview::preview;
use crate::queue::{Queues, Source};
use crate::redelivery::Redelivery;
use crate::secret::{Secret, SecretError, Secrets};
use crate::trigger::{Trigger, TriggerError};

/// Time from the start of an HTTP request by which its answer is to be ready, queueing included:
/// Segment's webhook gives up after 5 s.
const ANSWER_WITHIN: Duration = Duration::from_millis(4700);

/// Time kept back from Lambda's own limit to answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

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
    /// The events can't be taken.
    #[error(transparent)]
    Events(#[from] BodyError),
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
            InvocationError::Events(BodyError::TooManyEvents { .. }) => "TooManyEvents",
            InvocationError::Events(_) => "BrokenEvents",
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
                schedule: config.retry,
                taken: Taken::default(),
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
        lambda: LambdaEvent<Box<RawValue>>,
    ) -> Result<Value, InvocationError> {
        let started = Instant::now();
        let limit = lambda.context.deadline();
        let left = limit.duration_since(SystemTime::now()).unwrap_or_default();
        let invocation = Invocation {
            id: &lambda.context.request_id,
            started,
            ends: started + left,
        };
        match Trigger::of(&lambda.payload)? {
            Trigger::Http(request) => {
                let answer = self.answer(&request, invocation).await;
                let origin = request.origin();
                Ok(answer.unwrap_or_else(|answer| answer).into_payload(origin))
            }
            Trigger::Sqs(batch) => {
                let redelivered = self.redelivery.redeliver(
                    &batch,
                    invocation,
                    Utc::now(),
                    &self.delivery,
                    &self.queues,
                );
                Ok(redelivered.await)
            }
            Trigger::EventBridge(event) => {
                self.take_invocation(event, Source::EventBridge, invocation)
                    .await
            }
            Trigger::Direct(events) => {
                self.take_invocation(events, Source::Direct, invocation)
                    .await
            }
        }
    }

    /// Events of a caller whom AWS itself let in.
    async fn take_invocation(
        &self,
        events: &RawValue,
        source: Source,
        invocation: Invocation<'_>,
    ) -> Result<Value, InvocationError> {
        let secret = self.secrets.get().await?;
        if secret.access_token().is_none() {
            return Err(InvocationError::NotConfigured("access_token"));
        }
        let json = with_whole_characters(events.get().as_bytes().into());
        let entries = entries_of_array(&json, MOST_EVENTS_OF_SEGMENT)?;
        let results = self
            .take(&entries, &request(source, false, invocation))
            .await;
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

    async fn take(&self, entries: &[Entry<'_>], request: &Request<'_>) -> Vec<EventResult> {
        let (delivery, queues) = (&self.delivery, &self.queues);
        self.intake.take(entries, request, delivery, queues).await
    }

    /// The answer to a request; an early one comes as an error, which makes no difference to
    /// the caller.
    async fn answer(
        &self,
        request: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<Answer, Answer> {
        match Route::of(&request.method, &request.path) {
            Route::Single(kind) => self.tracking_call(request, Some(kind), invocation).await,
            Route::Batch => self.tracking_call(request, None, invocation).await,
            Route::Webhook => self.webhook(request, invocation).await,
            Route::Preview => self.preview(request).await,
            Route::Telemetry => Ok(Answer::success()),
            Route::Health => {
                let version = env!("CARGO_PKG_VERSION");
                Ok(Answer::ok(json!({"status": "ok", "version": version})))
            }
            Route::Preflight => Ok(Answer::no_content()),
            Route::WrongMethod => Err(Answer::error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not take this method",
            )),
            Route::Unknown => Err(Answer::error(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is no such path: see the README for the routes",
            )),
        }
    }

    /// What would be sent for these events?
    async fn preview(&self, http: &HttpRequest) -> Result<Answer, Answer> {
        let secret = self.secret().await?;
        let keys = WriteKeyCheck::of(http, &secret)?;
        let raw = http.raw_body()?;
        let body = decode(&raw, LARGEST_BODY).map_err(|broken| keys.refuse(&broken, &raw))?;
        let call = parse_preview(&body).map_err(|broken| keys.refuse(&broken, &body))?;
        keys.let_in(call.write_key.as_deref())?;
        let (now, has_origin) = (Utc::now().timestamp(), http.origin().is_some());
        let results = preview(&call.entries, now, has_origin, &self.intake.mapping);
        let answer = Answer::ok(results);
        if answer.is_too_large() {
            return Err(Answer::error(
                StatusCode::BAD_REQUEST,
                "preview_too_large",
                "the preview of these events is larger than an answer may be: send fewer at once",
            ));
        }
        Ok(answer)
    }

    async fn secret(&self) -> Result<Arc<Secret>, Answer> {
        self.secrets.get().await.map_err(|unavailable| {
            tracing::error!(error = %unavailable, "no secret, so nobody can be let in");
            Answer::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "secret_unavailable",
                "the keys could not be read: try again",
            )
        })
    }

    /// The secret, where it holds what every delivery needs.
    async fn secret_for_delivery(&self) -> Result<Arc<Secret>, Answer> {
        let secret = self.secret().await?;
        if secret.access_token().is_none() {
            return Err(Answer::not_configured("access_token"));
        }
        Ok(secret)
    }
}

/// What an HTTP request and an invocation have in common. HTTP's callers want their answer soon;
/// AWS waits as long as the function may run.
fn request(source: Source, has_origin: bool, invocation: Invocation<'_>) -> Request<'_> {
    let soon = invocation.started + ANSWER_WITHIN;
    let store_until = match source {
        Source::Api | Source::Webhook => soon,
        Source::EventBridge | Source::Direct => {
            let last = invocation.ends.checked_sub(ANSWER_MARGIN);
            last.map_or(soon, |last| soon.max(last))
        }
    };
    Request {
        source,
        received_at: Utc::now(),
        has_origin,
        invocation,
        store_until,
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
    Some(Answer::error(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        &message,
    ))
}
