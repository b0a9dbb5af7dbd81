//! The Lambda function: from an invocation to its answer.

mod admission;
mod browser;
mod preview;
mod tracking;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::entry::Entry;
use crate::filters::{Filters, FqlError, Rules};
use crate::http_api::{
    Answer, ApiError, BodyError, HttpRequest, MAX_SEGMENT_EVENTS, Route, entries_of_array,
    replace_lone_surrogates,
};
use crate::http_client::Transport;
use crate::intake::{Deduplication, Intake};
use crate::intercom::Intercom;
use crate::invocation::{Invocation, Request, Tally, millis};
use crate::log::COUNTED;
use crate::mapping::{Channel, Sender};
use crate::processing::Processing;
use crate::queue::Queues;
use crate::redelivery::Redelivery;
use crate::secret::{SecretError, Secrets};
use crate::segment::IgnoredUserIds;
use crate::source::Source;
use crate::status::{EventResult, Status};
use crate::time_budget::{self, RESERVE_TO_QUEUE, WARM_UP_WITHIN, before};
use crate::trigger::{OwnQueues, Trigger, TriggerError};

/// Everything that lives as long as the instance.
pub struct Function {
    clock: Clock,
    secrets: Arc<Secrets>,
    queues: Queues,
    processing: Processing,
    intake: Intake,
    own_queues: OwnQueues,
    strict_webhook_signature: bool,
    browser: crate::browser::Settings,
    /// Whether it has been invoked before.
    has_started: AtomicBool,
}

/// Why an invocation fails, so that AWS tries it again or shows it to the caller.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The payload isn't one of our triggers.
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
    /// The condition of a preview can't be parsed.
    #[error("\"if\": {0}")]
    Condition(#[from] FqlError),
    /// What would be sent for the events is more than an answer holds.
    #[error("preview_too_large: ask for fewer events at a time")]
    PreviewTooLarge,
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
            InvocationError::Condition(_) => "WrongCondition",
            InvocationError::PreviewTooLarge => "PreviewTooLarge",
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
        rules: Rules,
        secrets: aws_sdk_secretsmanager::Client,
        sqs: aws_sdk_sqs::Client,
        transport: Transport,
        clock: Clock,
    ) -> Self {
        let secrets = Secrets::new(secrets, config.secret_id, clock.clone());
        let secrets = Arc::new(secrets);
        let filters = Filters::new(config.browser.consent_categories.clone(), rules);
        let browser = crate::browser::Settings {
            routing_rules: filters.page_rules(crate::browser::PLUGIN).routing_rules,
            ..config.browser
        };
        let intercom = Intercom::new(
            transport,
            clock.clone(),
            config.intercom_base_url,
            config.intercom_version,
            Arc::clone(&secrets),
        );
        Self {
            secrets,
            queues: Queues::new(
                sqs,
                config.retry_queue_url.clone(),
                config.waiting_queue_url.clone(),
                config.dead_letter_queue_url,
            ),
            processing: Processing {
                filters,
                mapping: config.mapping,
                schedule: config.retry,
                delivery: Delivery::new(intercom, config.delivery, &clock),
            },
            intake: Intake {
                mode: config.delivery_mode,
                budget: config.inline_budget,
                deduplication: Deduplication::new(&clock),
            },
            own_queues: OwnQueues {
                retry: config.retry_queue_url,
                waiting: config.waiting_queue_url,
            },
            strict_webhook_signature: config.strict_webhook_signature,
            browser,
            has_started: AtomicBool::new(false),
            clock,
        }
    }

    /// What time it is by its clock, by which Lambda's deadlines are read too.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Reads the secret before the first request, which then needn't wait for it. A failure is
    /// only logged: each request tries again.
    pub async fn warm_up(&self) {
        let deadline = time_budget::now() + WARM_UP_WITHIN;
        if let Err(error) = self.secrets.get(deadline).await {
            tracing::error!(%error, "the secret could not be read at start");
        }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`InvocationError`], for callers that don't get an HTTP answer.
    pub async fn handle(
        &self,
        lambda: LambdaEvent<Box<RawValue>>,
    ) -> Result<Value, InvocationError> {
        let started = time_budget::now();
        let is_cold_start = !self.has_started.swap(true, Ordering::Relaxed);
        let tally = Tally::default();
        let calls_before = self.processing.delivery.calls();
        let limit = lambda.context.deadline();
        let now = self.clock.now();
        let left = limit.duration_since(now.into()).unwrap_or_default();
        let invocation = Invocation {
            id: &lambda.context.request_id,
            started,
            deadline: before(started + left, RESERVE_TO_QUEUE, started),
            ends: started + left,
            now,
            tally: &tally,
        };
        let trigger = Trigger::of(&lambda.payload, &self.own_queues);
        let name = trigger.as_ref().map(Trigger::name).ok();
        let result = match trigger {
            Ok(trigger) => self.handle_trigger(trigger, invocation).await,
            Err(unknown) => Err(unknown.into()),
        };
        let calls = self.processing.delivery.calls();
        tracing::info!(
            target: COUNTED,
            trigger = name,
            delivered = tally.of(Status::Delivered),
            queued = tally.of(Status::Queued),
            waiting = tally.of(Status::Waiting),
            skipped = tally.of(Status::Skipped),
            rejected = tally.of(Status::Rejected),
            lost = tally.of(Status::Lost),
            calls = calls.all - calls_before.all,
            calls_over_limit = calls.over_limit - calls_before.over_limit,
            duration_ms = millis(started.elapsed()),
            cold_start = is_cold_start,
            version = env!("CARGO_PKG_VERSION"),
            error = result.as_ref().err().map(tracing::field::display),
            "invocation"
        );
        result
    }

    async fn handle_trigger(
        &self,
        trigger: Trigger<'_>,
        invocation: Invocation<'_>,
    ) -> Result<Value, InvocationError> {
        match trigger {
            Trigger::Http(request) => {
                let answer = self.answer(&request, invocation).await;
                let answer = answer.unwrap_or_else(|error| refused(&error, &request));
                Ok(answer.into_payload(request.origin()))
            }
            Trigger::Sqs(queue, batch) => {
                let redelivery = Redelivery {
                    queue,
                    processing: &self.processing,
                    queues: &self.queues,
                    invocation,
                };
                Ok(json!(redelivery.redeliver(&batch).await))
            }
            Trigger::EventBridge(event) => {
                self.take_invocation(event, Source::EventBridge, invocation)
                    .await
            }
            Trigger::Direct(events) => {
                self.take_invocation(events, Source::Direct, invocation)
                    .await
            }
            Trigger::Preview(request) => self.preview_for_a_person(&request, invocation),
        }
    }

    /// Events of a caller that AWS itself authorised.
    async fn take_invocation(
        &self,
        events: &RawValue,
        source: Source,
        invocation: Invocation<'_>,
    ) -> Result<Value, InvocationError> {
        let secret = self.secrets.get(invocation.deadline).await?;
        if secret.access_token().is_none() {
            return Err(InvocationError::NotConfigured("access_token"));
        }
        let json = replace_lone_surrogates(events.get().as_bytes().into());
        let mut entries = entries_of_array(&json, MAX_SEGMENT_EVENTS, self.ignored_user_ids())?;
        self.processing.filter(&mut entries);
        for entry in &mut entries {
            entry.sender = Sender::by(Channel::Segment);
        }
        let request = Request::new(source, None, invocation);
        let results = self.take(&entries, &request).await;
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

    fn ignored_user_ids(&self) -> &IgnoredUserIds {
        &self.processing.mapping.ignored_user_ids
    }

    async fn take(&self, entries: &[Entry<'_>], request: &Request<'_>) -> Vec<EventResult> {
        let (processing, queues) = (&self.processing, &self.queues);
        self.intake.take(entries, request, processing, queues).await
    }

    async fn answer(
        &self,
        request: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<Answer, ApiError> {
        match Route::of(&request.method, &request.path) {
            Route::Single(kind) => self.tracking_call(request, Some(kind), invocation).await,
            Route::Batch => self.tracking_call(request, None, invocation).await,
            Route::Webhook => self.webhook(request, invocation).await,
            Route::Preview => self.preview(request, invocation).await,
            Route::Telemetry => Ok(Answer::success()),
            Route::Health => {
                let version = env!("CARGO_PKG_VERSION");
                Ok(Answer::ok(json!({"status": "ok", "version": version})))
            }
            Route::Settings => self.browser_settings(request, invocation).await,
            Route::SegmentBundle => browser::segment_bundle(request),
            Route::BrowserFile => self.browser_file(request),
            Route::Preflight => Ok(Answer::no_content()),
            Route::WrongMethod => Err(ApiError::WrongMethod),
            Route::Unknown => Err(ApiError::UnknownPath),
        }
    }
}

/// The answer to a request that is refused. The log says what only the operator may know.
fn refused(error: &ApiError, request: &HttpRequest) -> Answer {
    tracing::warn!(
        target: COUNTED,
        code = error.code(),
        http_status = error.status().as_u16(),
        route = Route::of(&request.method, &request.path).name(),
        source_address = request.source_address,
        "refused request"
    );
    match error {
        ApiError::NotConfigured(key) => {
            tracing::error!(key, "not configured: the secret lacks this key");
        }
        ApiError::SecretUnavailable(error) => {
            tracing::error!(%error, "the secret could not be read: no request can be authenticated");
        }
        _ => {}
    }
    error.into()
}

/// An error when an event could be neither delivered nor queued: the sender has to keep it.
fn check_none_lost(results: &[EventResult]) -> Result<(), ApiError> {
    let lost = results.iter().find(|result| result.status == Status::Lost);
    lost.map_or(Ok(()), |lost| {
        Err(ApiError::Unavailable(
            lost.reason.clone().unwrap_or_default(),
        ))
    })
}
