//! Why a body can't be taken.

use serde::Deserialize;

use super::gzip::MAX_GZIP_MEMBERS;

/// A body that can't be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    Json(String),
    /// Marked as base64 and isn't.
    #[error("the body is marked as base64 but does not decode")]
    Base64,
    /// Gzip that doesn't decompress.
    #[error("the body starts like gzip but does not unpack")]
    Gzip,
    /// Gzip with more members than any sender writes.
    #[error("the body is gzip of more than {MAX_GZIP_MEMBERS} members")]
    GzipMembers,
    /// JSON, but not what this route takes.
    #[error("{0}")]
    Shape(&'static str),
    /// More than the limit of a body.
    #[error("the body is larger than 500 KB")]
    TooLarge,
    /// More than the limit of a single event.
    #[error("the event is larger than 32 KB")]
    EventTooLarge,
    /// More than the limit of a batch.
    #[error("there are {events} events, at most {most} are taken")]
    TooManyEvents {
        /// How many came.
        events: usize,
        /// How many are taken.
        most: usize,
    },
}

/// Reads a body as JSON.
pub(super) fn from_json<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, BodyError> {
    serde_json::from_slice(body).map_err(|error| BodyError::Json(error.to_string()))
}
