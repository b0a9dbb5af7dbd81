//! AWS errors in one line.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// What went wrong in a call to AWS, in one line: its error code and message, else the chain of
/// causes. Never the request's or the answer's body.
pub(crate) fn reason<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    if let Some(code) = error.code() {
        return format!("{code}: {}", error.message().unwrap_or("no message"));
    }
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
