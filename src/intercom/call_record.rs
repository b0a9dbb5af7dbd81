//! What the log says of a call: enough to see what was asked and how long it took, and nobody's id.

use std::fmt;
use std::time::Duration;

use http::Method;

/// Parts of paths that are Intercom's own words; all others are somebody's ids.
const WORDS: [&str; 10] = [
    "archive",
    "companies",
    "contacts",
    "data_attributes",
    "events",
    "find_by_external_id",
    "me",
    "merge",
    "search",
    "unarchive",
];

/// A call that was made. Displays as `PUT /contacts/{id} 200 152`: status, then milliseconds; `-`
/// where no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    method: Method,
    path: String,
    status: Option<u16>,
    took: Duration,
}

impl CallRecord {
    pub(super) fn new(method: Method, path: &str, status: Option<u16>, took: Duration) -> Self {
        Self {
            method,
            path: template(path),
            status,
            took,
        }
    }
}

impl fmt::Display for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, .. } = self;
        write!(f, "{method} {path} ")?;
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {}", self.took.as_millis())
    }
}

/// The path without query and ids.
fn template(path: &str) -> String {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let mut segments = Vec::new();
    // What follows a user's lookup is an id, even one that reads like a word.
    let mut is_id = false;
    for segment in path.split('/') {
        let is_word = segment.is_empty() || WORDS.contains(&segment);
        segments.push(if is_word && !is_id { segment } else { "{id}" });
        is_id = segment == "find_by_external_id";
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_without_anybodys_id() {
        for (path, told) in [
            ("/contacts", "/contacts"),
            ("/contacts/6b0b4e5", "/contacts/{id}"),
            (
                "/contacts/6b0b/companies/6b0c",
                "/contacts/{id}/companies/{id}",
            ),
            (
                "/contacts/find_by_external_id/a%40b.c",
                "/contacts/find_by_external_id/{id}",
            ),
            (
                "/contacts/find_by_external_id/me",
                "/contacts/find_by_external_id/{id}",
            ),
            ("/companies?company_id=acme", "/companies"),
        ] {
            assert_eq!(template(path), told);
        }
        let took = Duration::from_millis(152);
        let answered = CallRecord::new(Method::PUT, "/contacts/6b0b", Some(200), took);
        assert_eq!(answered.to_string(), "PUT /contacts/{id} 200 152");
        let lost = CallRecord::new(Method::POST, "/events", None, took);
        assert_eq!(lost.to_string(), "POST /events - 152");
    }
}
