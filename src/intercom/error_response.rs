//! What Intercom's error answers mean. Pure.
//!
//! What follows from each: `docs/operations.md#when-an-event-fails`.

use std::cmp::Reverse;
use std::fmt;

use serde::Deserialize;

use super::RetryReason;

/// An answer of Intercom that isn't a success (its documentation, "HTTP Responses").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// HTTP status.
    pub status: u16,
    /// `code` of the first error; empty when the answer isn't an `error.list`.
    pub code: String,
    /// `message` of the first error.
    pub message: String,
    /// The field that it is about, where Intercom names one.
    pub field: Option<String>,
    /// Intercom's id of the request, for its support.
    pub request_id: Option<String>,
    /// Id of the contact that a merged one became, from the `Link` header of a 410.
    pub canonical_contact: Option<String>,
}

/// What an error means, whatever the call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may work later, for this reason.
    RetryLater(RetryReason),
    /// The contact, company or event's user isn't there.
    NotFound,
    /// Another contact has the external_id or the email.
    Conflict,
    /// The contact was merged into another.
    Merged,
    /// Somebody else wrote the same new contact or company at this moment: the same call works now.
    Raced,
    /// It can never work.
    Rejected,
}

#[derive(Deserialize)]
struct ErrorList {
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<ErrorItem>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorItem {
    code: String,
    message: String,
    field: Option<String>,
}

impl ErrorResponse {
    /// Reads an error answer; `link` is the `Link` header.
    pub fn read(status: u16, body: &[u8], link: Option<&str>) -> Self {
        let list: Option<ErrorList> = serde_json::from_slice(body).ok();
        let (request_id, errors) = match list {
            Some(list) => (list.request_id, list.errors),
            None => (None, Vec::new()),
        };
        let first = errors.into_iter().next().unwrap_or_default();
        Self {
            status,
            code: first.code,
            message: first.message,
            field: first.field,
            request_id,
            canonical_contact: link.and_then(contact_in_link),
        }
    }

    /// What it means. Decides by `code` before status: conflicts were seen as 400 and as 409.
    pub fn verdict(&self) -> Verdict {
        use RetryReason::{Outage, Permission, Plan, RateLimit, Setup, Token};
        match self.code.as_str() {
            "conflict" => return Verdict::Conflict,
            "resource_conflict" => return self.taken(),
            "contact_merged" => return Verdict::Merged,
            "unique_company_constraint" | "unique_user_constraint" => return Verdict::Raced,
            "rate_limit_exceeded" => return Verdict::RetryLater(RateLimit),
            "unauthorized" | "token_revoked" | "token_expired" | "token_suspended"
            | "token_not_found" | "token_blocked" | "token_unauthorized" => {
                return Verdict::RetryLater(Token);
            }
            "api_plan_restricted" => return Verdict::RetryLater(Plan),
            "action_forbidden" | "forbidden" => return Verdict::RetryLater(Permission),
            "intercom_version_invalid" => return Verdict::RetryLater(Setup),
            "server_error" | "service_unavailable" | "server_timeout" => {
                return Verdict::RetryLater(Outage);
            }
            "not_found" | "user_not_found" | "contact_not_found" | "company_not_found" => {
                return Verdict::NotFound;
            }
            _ => {}
        }
        match self.status {
            401 => Verdict::RetryLater(Token),
            402 => Verdict::RetryLater(Plan),
            403 => Verdict::RetryLater(Permission),
            // Intercom reports a missing thing in an error list. A bare 404 isn't Intercom's.
            300..=399 | 405 => Verdict::RetryLater(Setup),
            404 if self.code.is_empty() => Verdict::RetryLater(Setup),
            404 => Verdict::NotFound,
            _ if self.message.to_ascii_lowercase().contains("already exists") => self.taken(),
            409 => Verdict::Conflict,
            410 => Verdict::Merged,
            429 => Verdict::RetryLater(RateLimit),
            501 => Verdict::Rejected,
            408 | 500.. => Verdict::RetryLater(Outage),
            _ if self.is_multiple() => Verdict::Conflict,
            _ => Verdict::Rejected,
        }
    }

    /// "Multiple existing users match this email address … must be more specific using user_id": a
    /// conflict that names no contact, seen as 400 and as 409.
    fn is_multiple(&self) -> bool {
        self.message
            .to_ascii_lowercase()
            .contains("multiple existing users")
    }

    /// "Company already exists.", seen without a code of its own. A conflict names the contact that
    /// it is with.
    fn taken(&self) -> Verdict {
        if self.conflicting_contact().is_some() {
            Verdict::Conflict
        } else {
            Verdict::Raced
        }
    }

    /// The id in the text of a conflict: "A contact matching those details already exists with
    /// id=5da6…". It is nowhere else in the answer.
    pub fn conflicting_contact(&self) -> Option<&str> {
        let (_, id) = self.message.split_once("id=")?;
        let end = id
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(id.len());
        (end > 0).then(|| &id[..end])
    }

    /// Whether a conflict is with an archived contact.
    pub fn is_about_archived(&self) -> bool {
        self.message
            .to_ascii_lowercase()
            .contains("archived contact")
    }

    /// Which of the parts sent (name and value) the write was refused for: the one that `field`
    /// names, else the one whose name stands in the message, quoted or not. Where several do, one
    /// whose value stands there too, a quoted one, the longest, the first.
    pub fn refused_part<'p>(
        &self,
        sent: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Option<&'p str> {
        let sent: Vec<(&str, &str)> = sent.into_iter().collect();
        if let Some(field) = &self.field {
            let field = field.strip_prefix("custom_attributes.").unwrap_or(field);
            let is_named = |name: &str| name.eq_ignore_ascii_case(field);
            if let Some((name, _)) = sent.iter().find(|(name, _)| is_named(name)) {
                return Some(name);
            }
        }
        let message = self.message.to_lowercase();
        let standing = sent.into_iter().filter_map(|(name, value)| {
            let word = Word::find(&message, &name.to_lowercase())?;
            let has_value = Word::find(&message, &value.to_lowercase()).is_some();
            let rank = (has_value, word.is_quoted, name.len(), Reverse(word.at));
            Some((rank, name))
        });
        standing.max_by_key(|(rank, _)| *rank).map(|(_, name)| name)
    }

    /// The custom attribute that the write was refused for: "Custom attribute 'x' does not exist".
    pub fn custom_attribute(&self) -> Option<&str> {
        if !self
            .message
            .to_ascii_lowercase()
            .contains("custom attribute")
        {
            return None;
        }
        let (_, name) = self.message.split_once('\'')?;
        let (name, _) = name.rsplit_once('\'')?;
        (!name.is_empty()).then_some(name)
    }
}

/// A text that stands in another one as a word of its own.
struct Word {
    at: usize,
    is_quoted: bool,
}

impl Word {
    /// The first quoted one, else the first.
    fn find(message: &str, text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let of_word = |c: char| c.is_alphanumeric() || c == '_';
        let found = message.match_indices(text).filter_map(|(at, _)| {
            let before = message[..at].chars().next_back();
            let after = message[at + text.len()..].chars().next();
            let is_quote = |c: Option<char>| c.is_some_and(|c| "'\"`‘’“”".contains(c));
            let is_inside = before.is_some_and(of_word) || after.is_some_and(of_word);
            let is_quoted = is_quote(before) && is_quote(after);
            (is_quoted || !is_inside).then_some(Self { at, is_quoted })
        });
        found.min_by_key(|word| (!word.is_quoted, word.at))
    }
}

/// The id in `</contacts/{id}>; rel="canonical"`.
fn contact_in_link(link: &str) -> Option<String> {
    let (_, rest) = link.split_once("/contacts/")?;
    let (id, _) = rest.split_once('>')?;
    Some(id.to_owned())
}

/// Intercom's own words, with its status.
impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intercom answered {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(field) = &self.field {
            write!(f, " (field {field})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str, message: &str) -> ErrorResponse {
        ErrorResponse {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            ..ErrorResponse::default()
        }
    }

    #[test]
    fn every_status_and_code() {
        enum Expected {
            Retry,
            Setup,
            NotFound,
            Conflict,
            Merged,
            Raced,
            Rejected,
        }
        use Expected::{Conflict, Merged, NotFound, Raced, Rejected, Retry, Setup};
        let cases = [
            (400, "parameter_invalid", Rejected),
            (400, "bad_request", Rejected),
            (400, "conflict", Conflict),
            (400, "custom_data_limit_reached", Rejected),
            (400, "contact_company_limit_exceeded", Rejected),
            (400, "invalid_merge", Rejected),
            (401, "unauthorized", Retry),
            (401, "token_revoked", Retry),
            (401, "token_expired", Retry),
            (401, "token_suspended", Retry),
            (401, "", Retry),
            (402, "api_plan_restricted", Retry),
            (402, "", Retry),
            (403, "action_forbidden", Retry),
            (403, "forbidden", Retry),
            (403, "", Retry),
            (404, "not_found", NotFound),
            (404, "company_not_found", NotFound),
            (404, "user_not_found", NotFound),
            (404, "another_code", NotFound),
            (404, "", Setup),
            (301, "", Setup),
            (308, "", Setup),
            (405, "", Setup),
            (400, "intercom_version_invalid", Setup),
            (400, "parameter_not_found", Rejected),
            (400, "unique_company_constraint", Raced),
            (409, "unique_company_constraint", Raced),
            (409, "unique_user_constraint", Raced),
            (406, "not_acceptable", Rejected),
            (408, "", Retry),
            (409, "conflict", Conflict),
            (409, "", Conflict),
            (410, "contact_merged", Merged),
            (410, "", Merged),
            (413, "", Rejected),
            (415, "", Rejected),
            (422, "", Rejected),
            (429, "rate_limit_exceeded", Retry),
            (429, "", Retry),
            (500, "", Retry),
            (501, "", Rejected),
            (502, "", Retry),
            (503, "service_unavailable", Retry),
            (504, "", Retry),
            (599, "", Retry),
        ];
        for (status, code, expected) in cases {
            let verdict = error(status, code, "").verdict();
            let as_expected = match expected {
                Setup => verdict == Verdict::RetryLater(RetryReason::Setup),
                Retry => {
                    matches!(verdict, Verdict::RetryLater(reason) if reason != RetryReason::Setup)
                }
                NotFound => verdict == Verdict::NotFound,
                Conflict => verdict == Verdict::Conflict,
                Merged => verdict == Verdict::Merged,
                Raced => verdict == Verdict::Raced,
                Rejected => verdict == Verdict::Rejected,
            };
            assert!(as_expected, "{status} {code}: {verdict:?}");
        }
    }

    /// Conflicts were seen as 400 and as 409.
    #[test]
    fn a_code_means_the_same_whatever_the_status() {
        use RetryReason::{Outage, Permission, Plan, RateLimit, Setup, Token};
        let later = Verdict::RetryLater;
        for (codes, expected) in [
            ("conflict", Verdict::Conflict),
            ("contact_merged", Verdict::Merged),
            (
                "unique_company_constraint unique_user_constraint",
                Verdict::Raced,
            ),
            ("rate_limit_exceeded", later(RateLimit)),
            (
                "unauthorized token_revoked token_expired token_suspended token_not_found \
                 token_blocked token_unauthorized",
                later(Token),
            ),
            ("api_plan_restricted", later(Plan)),
            ("action_forbidden forbidden", later(Permission)),
            ("intercom_version_invalid", later(Setup)),
            (
                "server_error service_unavailable server_timeout",
                later(Outage),
            ),
            (
                "not_found user_not_found contact_not_found company_not_found",
                Verdict::NotFound,
            ),
        ] {
            for code in codes.split(' ') {
                for status in [400, 422] {
                    assert_eq!(error(status, code, "").verdict(), expected, "{code}");
                }
            }
        }
    }

    #[test]
    fn what_the_texts_say() {
        let conflict = error(
            409,
            "conflict",
            "An archived contact matching those details already exists with id=5da61b",
        );
        assert_eq!(conflict.conflicting_contact(), Some("5da61b"));
        assert!(conflict.is_about_archived());
        let cut = error(409, "conflict", "A contact already exists with id=");
        assert_eq!(cut.conflicting_contact(), None);
        let multiple = "Multiple existing users match this email address - must be more specific using user_id";
        for status in [400, 409] {
            let multiple = error(status, "parameter_invalid", multiple);
            assert_eq!(multiple.verdict(), Verdict::Conflict);
            assert_eq!(multiple.conflicting_contact(), None);
        }
        let attribute = error(
            400,
            "parameter_invalid",
            "Custom attribute 'it's mine' does not exist",
        );
        assert_eq!(attribute.custom_attribute(), Some("it's mine"));
        assert_eq!(error(400, "", "email is invalid").custom_attribute(), None);
    }

    #[test]
    fn another_writer_is_told_in_many_ways() {
        for (status, code, message, expected) in [
            (409, "resource_conflict", "", Verdict::Raced),
            (
                400,
                "resource_conflict",
                "A contact already exists with id=5d",
                Verdict::Conflict,
            ),
            (400, "", "Company already exists.", Verdict::Raced),
            (409, "", "User already exists", Verdict::Raced),
            (
                422,
                "parameter_invalid",
                "company already exists",
                Verdict::Raced,
            ),
            (
                409,
                "",
                "A contact matching those details already exists with id=5d",
                Verdict::Conflict,
            ),
            (409, "conflict", "Already exists.", Verdict::Conflict),
        ] {
            let error = error(status, code, message);
            assert_eq!(error.verdict(), expected, "{error}");
        }
    }

    #[test]
    fn the_part_that_a_write_was_refused_for() {
        let sent = [
            ("email", "u@example"),
            ("name", "Ann"),
            ("tier", "gold"),
            ("gold", "yes"),
            ("plan tier", "x"),
            ("it's mine", "1"),
            ("is", "2"),
            ("ΤΙΜΉ", "3"),
        ];
        for (field, message, expected) in [
            (None, "Custom attribute 'tier' does not exist", Some("tier")),
            (
                None,
                "Custom attribute 'it's mine' does not exist",
                Some("it's mine"),
            ),
            (
                None,
                "Custom attribute 'tier' has an invalid value: 'gold' is not in the list of allowed values",
                Some("tier"),
            ),
            (
                None,
                "'gold' is not a valid option for 'tier'",
                Some("tier"),
            ),
            (None, "\"tier\" must be one of \"a\", \"b\"", Some("tier")),
            (None, "tier must be one of a, b", Some("tier")),
            (None, "plan tier must be one of a, b", Some("plan tier")),
            (None, "Email is invalid", Some("email")),
            (None, "custom attribute τιμή is unknown", Some("ΤΙΜΉ")),
            (Some("tier"), "is invalid", Some("tier")),
            (Some("Email"), "is invalid", Some("email")),
            (Some("custom_attributes.tier"), "'gold'", Some("tier")),
            (Some("another"), "Email is invalid", Some("email")),
            (None, "the frontier was misnamed", None),
            (None, "", None),
        ] {
            let error = ErrorResponse {
                field: field.map(str::to_owned),
                ..error(400, "parameter_invalid", message)
            };
            assert_eq!(error.refused_part(sent), expected, "{field:?} {message}");
        }
    }

    #[test]
    fn an_error_list_and_a_page_of_a_proxy() {
        let body = br#"{"type":"error.list","request_id":"r1","errors":[{"code":"parameter_invalid","message":"email is invalid","field":"email"}]}"#;
        let read = ErrorResponse::read(400, body, None);
        assert_eq!(
            read.to_string(),
            "Intercom answered 400 parameter_invalid: email is invalid (field email)"
        );
        assert_eq!(read.request_id.as_deref(), Some("r1"));
        let page = ErrorResponse::read(502, b"<html>", None);
        assert_eq!(page.to_string(), "Intercom answered 502");
        let link = r#"</contacts/5da6>; rel="canonical""#;
        let merged = ErrorResponse::read(410, b"", Some(link));
        assert_eq!(merged.canonical_contact.as_deref(), Some("5da6"));
    }
}
