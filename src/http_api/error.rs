//! Every refusal of a request: status, code and message.

use http::StatusCode;

use super::body_error::BodyError;
use super::{MAX_ANSWER_BYTES, ROUTES};
use crate::secret::SecretError;
use crate::status::EventResult;

/// Why a request is refused. Displays as the `message` of the answer, which says what to do; what
/// only the operator may know (a source) is for the log.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body can't be taken.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The preview doesn't fit into an answer.
    #[error(
        "the preview of these events is larger than the {MAX_ANSWER_BYTES} bytes of an answer: \
         send fewer at once"
    )]
    PreviewTooLarge,
    /// No event of a webhook can ever be delivered. The answer holds the results, so that
    /// Segment's own delivery log shows each reason.
    #[error("{}", reason(.0))]
    Rejected(Vec<EventResult>),
    /// The write key is missing or unknown.
    #[error("the write key is missing or wrong: send one of the secret's write_keys")]
    WriteKey,
    /// The webhook's signature is missing or wrong.
    #[error(
        "X-Signature is missing or wrong: it must be the hex HMAC-SHA1 of the body with the \
         webhook_secret"
    )]
    Signature,
    /// The settings of a write key that isn't public.
    #[error(
        "this is not one of the secret's public_write_keys: pages and apps need one, because \
         everybody can read their key"
    )]
    UnknownProject,
    /// Settings would lead to a host that isn't one.
    #[error("the Host header is not a host name: use the stack's own address")]
    UnknownHost,
    /// There is no Messenger for pages.
    #[error("there is no Messenger for pages: INTERCOM_APP_ID is not set")]
    NoMessenger,
    /// No route has this path.
    #[error("there is no such path; the routes are {ROUTES}")]
    UnknownPath,
    /// The route doesn't take this method.
    #[error("this path does not take this method; the routes are {ROUTES}")]
    WrongMethod,
    /// The secret lacks the key of this entry point, which has this name there. Senders keep
    /// their events until it is there.
    #[error("this entry point is not configured: the secret has no {0}")]
    NotConfigured(&'static str),
    /// The secret can't be read.
    #[error("the keys could not be read: try again")]
    SecretUnavailable(#[source] SecretError),
    /// An event could be neither delivered nor queued, for this reason.
    #[error("not every event could be delivered or queued, send them again: {0}")]
    Unavailable(String),
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// The `code` of the answer: stable, for programs and the log.
    pub fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        use StatusCode as Http;
        match self {
            Self::Body(error) => (Http::BAD_REQUEST, code_of_body(error)),
            Self::PreviewTooLarge => (Http::BAD_REQUEST, "preview_too_large"),
            Self::UnknownHost => (Http::BAD_REQUEST, "invalid_request"),
            Self::Rejected(_) => (Http::BAD_REQUEST, "rejected"),
            Self::WriteKey | Self::Signature => (Http::UNAUTHORIZED, "unauthorized"),
            Self::UnknownPath | Self::UnknownProject | Self::NoMessenger => {
                (Http::NOT_FOUND, "not_found")
            }
            Self::WrongMethod => (Http::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotConfigured(_) => (Http::SERVICE_UNAVAILABLE, "not_configured"),
            Self::SecretUnavailable(_) => (Http::SERVICE_UNAVAILABLE, "secret_unavailable"),
            Self::Unavailable(_) => (Http::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}

fn code_of_body(error: &BodyError) -> &'static str {
    match error {
        BodyError::Json(_) => "invalid_json",
        BodyError::Base64 => "invalid_base64",
        BodyError::Gzip | BodyError::GzipMembers => "invalid_gzip",
        BodyError::Shape(_) => "invalid_request",
        BodyError::TooLarge => "body_too_large",
        BodyError::EventTooLarge => "event_too_large",
        BodyError::TooManyEvents { .. } => "too_many_events",
    }
}

/// The first event's, which is the only one of most webhooks.
fn reason(results: &[EventResult]) -> &str {
    let first = results.first().and_then(|first| first.reason.as_deref());
    first.unwrap_or_default()
}
