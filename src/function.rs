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
use crate::mapping::Arrival;
use crate::preview::preview;
use crate::queue::{Queues, Source};
use crate::redelivery::Redelivery;
use crate::secret::{Secret, SecretError, Secrets};
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
        let invocation = Invocation {
            id: &lambda.context.request_id,
            started: Instant::now(),
        };
        match Trigger::of(&lambda.payload)? {
            Trigger::Http(request) => {
                let answer = self.answer(&request, invocation).await;
                let origin = request.origin();
                Ok(answer.unwrap_or_else(|answer| answer).into_payload(origin))
            }
            Trigger::Sqs(batch) => {
                let limit = lambda.context.deadline();
                let left = limit.duration_since(SystemTime::now()).unwrap_or_default();
                let deadline = invocation.started + left.saturating_sub(MARGIN);
                let redelivered = self.redelivery.redeliver(
                    &batch,
                    invocation.id,
                    Utc::now(),
                    deadline,
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
        let mut entries = entries_of_array(&json, MOST_EVENTS_OF_SEGMENT)?;
        self.ignore_user_ids(&mut entries);
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

    /// Sees to it that no event has a user who is nobody.
    fn ignore_user_ids(&self, entries: &mut [Entry<'_>]) {
        let ignored = &self.intake.mapping.ignored_user_ids;
        for event in entries.iter_mut().filter_map(|entry| entry.event.as_mut()) {
            event.ignore_user_id(ignored);
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
        let mut call = parse_preview(&body).map_err(|broken| keys.refuse(&broken, &body))?;
        keys.let_in(call.write_key.as_deref())?;
        self.ignore_user_ids(&mut call.entries);
        let arrival = Arrival {
            received_at_millis: Utc::now().timestamp_millis(),
            source: Source::Api,
            has_origin: http.origin().is_some(),
        };
        let answer = preview(&call.entries, arrival, &self.intake.mapping).map(Answer::ok);
        answer.filter(|answer| !answer.is_too_large()).ok_or_else(|| {
            Answer::error(
                StatusCode::BAD_REQUEST,
                "preview_too_large",
                "the preview of these events is larger than an answer may be: send fewer at once",
            )
        })
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

fn request(source: Source, has_origin: bool, invocation: Invocation<'_>) -> Request<'_> {
    Request {
        source,
        received_at: Utc::now(),
        has_origin,
        invocation,
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
