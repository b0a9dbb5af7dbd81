//! The log of API requests.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::message::{ApiRequest, ApiResponse};

const HEADERS_OF_INTEREST: [&str; 7] = [
    "accept",
    "content-type",
    "content-length",
    "host",
    "idempotency-key",
    "intercom-version",
    "user-agent",
];

/// One API request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    /// Counts from 1, in the order in which requests arrived.
    pub sequence: u64,
    /// Unix seconds of the simulator's clock, with fractions.
    pub at: f64,
    /// HTTP method.
    pub method: String,
    /// Path as sent, percent-encoded.
    pub path: String,
    /// Query string as sent, without `?`.
    pub query: String,
    /// `accepted`, `rejected` or `missing`; the token itself is never kept.
    pub authorization: &'static str,
    /// Request headers of interest, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Parsed JSON; a string if it isn't JSON; null without a body.
    pub request_body: Value,
    /// Null while the request is under way, and for good when no answer was sent.
    pub status: Option<u16>,
    /// Names in lower case.
    pub response_headers: BTreeMap<String, String>,
    /// Null without a body.
    pub response_body: Value,
    /// The fault applied, such as `status 503 after`, `reset before`, `hang before`.
    pub fault: Option<String>,
    /// What Intercom tolerates but a good client doesn't do.
    pub violations: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    last_sequence: u64,
}

impl RequestLog {
    /// Notes a request's arrival and returns its sequence number.
    pub(crate) fn begin(
        &mut self,
        request: &ApiRequest,
        at: f64,
        authorization: &'static str,
        limit: usize,
    ) -> u64 {
        self.last_sequence += 1;
        while self.entries.len() >= limit.max(1) {
            self.entries.pop_front();
        }
        self.entries.push_back(LoggedRequest {
            sequence: self.last_sequence,
            at,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            authorization,
            headers: request
                .headers
                .iter()
                .filter(|(name, _)| HEADERS_OF_INTEREST.contains(&name.as_str()))
                .cloned()
                .collect(),
            request_body: request.body_for_log(),
            status: None,
            response_headers: BTreeMap::new(),
            response_body: Value::Null,
            fault: None,
            violations: Vec::new(),
        });
        self.last_sequence
    }

    /// The entry, unless the log was cleared meanwhile.
    pub(crate) fn entry(&mut self, sequence: u64) -> Option<&mut LoggedRequest> {
        // Sequence numbers are dense, so the position follows from the first one.
        let first = self.entries.front()?.sequence;
        let position = usize::try_from(sequence.checked_sub(first)?).ok()?;
        self.entries.get_mut(position)
    }

    pub(crate) fn finish(&mut self, sequence: u64, response: &ApiResponse) {
        if let Some(entry) = self.entry(sequence) {
            entry.status = Some(response.status);
            entry.response_headers = response.headers.iter().cloned().collect();
            entry.response_body = response.body.clone().unwrap_or(Value::Null);
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.entries.iter()
    }

    /// Forgets the entries; numbering goes on.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
