//! What a person asks for.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::selection::Selection;
use crate::queue::Queue;
use crate::segment::Kind;

/// How much of a wrong word an error quotes.
const MAX_QUOTED_CHARS: usize = 40;

/// What to do with which letters.
#[derive(Debug)]
pub struct Command {
    /// What is to be done.
    pub verb: Verb,
    /// With which letters, and how.
    pub options: Options,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Counts letters by reason.
    List,
    /// Shows each letter, and what would be sent for it now.
    Show,
    /// Sends letters back to the retry queue.
    Retry,
    /// Deletes letters for good.
    Drop,
    /// Gives each letter as it is, as many as an answer holds.
    Export,
}

impl Verb {
    const ALL: [Self; 5] = [
        Self::List,
        Self::Show,
        Self::Retry,
        Self::Drop,
        Self::Export,
    ];

    /// Its name in a command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Show => "show",
            Self::Retry => "retry",
            Self::Drop => "drop",
            Self::Export => "export",
        }
    }

    /// Whether it removes letters, unless it is a dry run.
    pub fn changes(self) -> bool {
        matches!(self, Self::Retry | Self::Drop)
    }
}

/// The fields of a command, all optional.
#[derive(Debug, Deserialize)]
#[serde(from = "Fields")]
pub struct Options {
    /// `queue`: `deadLetters`, or `failedInvocations`.
    pub queue: Queue,
    /// Which letters.
    pub selection: Selection,
    /// `limit`: how many letters `show` and `export` give at most.
    pub limit: Option<usize>,
    /// `dryRun`: whether `retry` and `drop` only count. They do unless it is `false`.
    pub dry_run: bool,
    /// `perSecond`: how many letters `retry` sends a second.
    pub per_second: Option<u32>,
    /// `pass`: that of the answer to continue from.
    pub pass: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Fields {
    queue: Queue,
    message_ids: Vec<String>,
    reason: Option<String>,
    status: Option<String>,
    kind: Option<String>,
    user_id: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    limit: Option<usize>,
    dry_run: bool,
    per_second: Option<u32>,
    pass: Option<DateTime<Utc>>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            queue: Queue::default(),
            message_ids: Vec::new(),
            reason: None,
            status: None,
            kind: None,
            user_id: None,
            since: None,
            until: None,
            limit: None,
            dry_run: true,
            per_second: None,
            pass: None,
        }
    }
}

impl From<Fields> for Options {
    fn from(fields: Fields) -> Self {
        Self {
            queue: fields.queue,
            selection: Selection {
                message_ids: fields.message_ids,
                reason: fields.reason.map(|text| text.to_lowercase()),
                status: fields.status,
                kind: fields.kind,
                user_id: fields.user_id,
                since: fields.since,
                until: fields.until,
            },
            limit: fields.limit,
            dry_run: fields.dry_run,
            per_second: fields.per_second,
            pass: fields.pass,
        }
    }
}

/// Not a valid command; the message shows the expected form.
#[derive(Debug, thiserror::Error)]
#[error(
    "deadLetters takes one of list, show, retry, drop and export, each with an object: \
     {{\"deadLetters\":{{\"list\":{{\"reason\":\"…\"}}}}}}: {0}"
)]
pub struct CommandError(String);

impl Command {
    /// Reads the value of `deadLetters`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn parse(command: &RawValue) -> Result<Self, CommandError> {
        type Verbs = std::collections::BTreeMap<String, Box<RawValue>>;
        let wrong = |error: serde_json::Error| CommandError(error.to_string());
        let verbs: Verbs = serde_json::from_str(command.get()).map_err(wrong)?;
        let (Some((name, options)), 1) = (verbs.first_key_value(), verbs.len()) else {
            return Err(CommandError(format!("there are {} of them", verbs.len())));
        };
        let mut known = Verb::ALL.into_iter();
        let verb = known.find(|verb| verb.as_str() == name);
        let verb = verb.ok_or_else(|| {
            let name: String = name.chars().take(MAX_QUOTED_CHARS).collect();
            CommandError(format!("there is no {name:?}"))
        })?;
        let options: Options = serde_json::from_str(options.get()).map_err(wrong)?;
        let kind = options.selection.kind.as_deref();
        if let Some(kind) = kind.filter(|kind| Kind::from_type(kind).is_none()) {
            let kind: String = kind.chars().take(MAX_QUOTED_CHARS).collect();
            let known = Kind::ALL.map(Kind::as_str).join(", ");
            return Err(CommandError(format!(
                "kind {kind:?} must be one of {known}"
            )));
        }
        if options.per_second == Some(0) {
            return Err(CommandError("perSecond must be 1 or more".to_owned()));
        }
        Ok(Self { verb, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Command, String> {
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        Command::parse(raw).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_changed_unless_that_is_said() {
        for json in [r#"{"retry":{}}"#, r#"{"drop":{"reason":"x"}}"#] {
            assert!(parse(json).expect("a command").options.dry_run, "{json}");
        }
        let retry = parse(r#"{"retry":{"dryRun":false}}"#).expect("a command");
        assert!(!retry.options.dry_run);
        assert_eq!(retry.verb, Verb::Retry);
    }

    #[test]
    fn a_wrong_command_is_told_what_is_right() {
        for (json, named) in [
            ("{}", "there are 0"),
            (r#"{"list":{},"drop":{}}"#, "there are 2"),
            (r#"{"purge":{}}"#, "there is no \"purge\""),
            (r#"{"list":{"reasons":"x"}}"#, "unknown field `reasons`"),
            (r#"{"list":{"queue":"retry"}}"#, "unknown variant `retry`"),
            (r#"{"list":{"since":"yesterday"}}"#, "invalid"),
            (r#"{"retry":{"perSecond":0}}"#, "perSecond"),
            (
                r#"{"list":{"kind":"identfy"}}"#,
                "kind \"identfy\" must be one of identify, track, page, screen, group, alias, delete",
            ),
            ("3", "invalid type"),
        ] {
            let error = parse(json).expect_err(json);
            assert!(error.contains(named), "{error}");
            assert!(
                error.contains("list, show, retry, drop and export"),
                "{error}"
            );
        }
    }
}
