//! A person looks at what could not be delivered, and retries or discards it: the direct
//! invocation `{"deadLetters": {"list"|"show"|"retry"|"drop"|"export": {…}}}`, which IAM guards.
//!
//! One invocation gets as far through the queue as its time and the size of its answer allow. An
//! answer with `more` is continued by the same command with that answer's `pass`.

mod command;
mod letter;
mod pass;
mod selection;
mod summary;

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

pub use command::{Command, CommandError, Options, Verb};

use crate::http_api::{MAX_ANSWER_BYTES, replace_lone_surrogates};
use crate::invocation::{Invocation, millis};
use crate::log::COUNTED;
use crate::mapping;
use crate::queue::{QueueError, Queues, Stored};
use crate::secret::{SecretError, Secrets};
use letter::Letter;
use pass::{Decision, Pass};
use summary::Summary;

/// Time kept back to put away what was received, and to answer.
const MARGIN: Duration = Duration::from_secs(5);

/// How many letters `show` shows, unless asked for more or fewer.
const SHOWN: usize = 10;

/// How many letters `retry` sends a second, unless asked for more or fewer: any beyond Intercom's
/// rate limit would only wait in the retry queue, ahead of fresh events.
const RETRIED_PER_SECOND: u32 = 100;

/// Room in an answer for everything but its letters.
const SUMMARY_BYTES: usize = 200_000;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// The payload isn't a command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// SQS refused.
    #[error("the queue can't be read or written: {0}")]
    Queue(#[from] QueueError),
    /// There is no `api_secret` to check user hashes with.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// What the commands work on.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetters<'f> {
    /// The queues.
    pub queues: &'f Queues,
    /// The mapping's settings, to see what would become of an event now.
    pub mapping: &'f mapping::Settings,
    /// With `api_secret`, to check user hashes again.
    pub secrets: &'f Secrets,
}

impl DeadLetters<'_> {
    /// Executes the command. Returns its answer.
    ///
    /// # Errors
    /// [`DeadLettersError`]. What was done before it stays done; the command can be given again.
    pub async fn answer(
        self,
        command: &RawValue,
        invocation: Invocation<'_>,
    ) -> Result<Value, DeadLettersError> {
        let Command { verb, options } = Command::parse(command)?;
        let secret = match verb {
            Verb::Show | Verb::Retry => Some(self.secrets.get(invocation.deadline).await?),
            Verb::List | Verb::Drop | Verb::Export => None,
        };
        let until = invocation.ends.checked_sub(MARGIN);
        let pass = Pass {
            began: options.pass.unwrap_or(invocation.now),
            is_continued: options.pass.is_some(),
            until: until.unwrap_or(invocation.started),
            per_second: options.per_second.unwrap_or(RETRIED_PER_SECOND),
        };
        let mut summary = Summary::default();
        let mut letters = Letters::new(verb, &options);
        let decide = |stored: &Stored| {
            let body = replace_lone_surrogates(stored.body().as_bytes().into());
            let ignored = &self.mapping.ignored_user_ids;
            let letter = Letter::read(stored, &body, options.queue, ignored);
            if !options.selection.takes(&letter) {
                summary.looked_at += 1;
                return Decision::Keep;
            }
            let now = || letter.now(self.mapping, secret.as_deref());
            let decision = match verb {
                Verb::Show if !letters.push(&letter, Some(now().previews())) => {
                    return Decision::Stop;
                }
                Verb::Export if !letters.push(&letter, None) => return Decision::Stop,
                Verb::List | Verb::Show | Verb::Export => Decision::Keep,
                Verb::Drop => Decision::Delete,
                Verb::Retry => match now().messages() {
                    Ok(messages) => Decision::Retry(messages),
                    Err(reason) => {
                        summary.looked_at += 1;
                        summary.stays(&letter, reason);
                        return Decision::Keep;
                    }
                },
            };
            summary.looked_at += 1;
            summary.matches(&letter);
            match decision {
                Decision::Retry(_) | Decision::Delete if options.dry_run => Decision::Keep,
                decision => decision,
            }
        };
        let has_more = pass.run(self.queues, options.queue, decide).await?;
        let has_more = has_more && !letters.are_enough();
        tracing::info!(
            target: COUNTED,
            verb = verb.as_str(),
            dry_run = verb.changes().then_some(options.dry_run),
            looked_at = summary.looked_at,
            matching = summary.matching,
            has_more,
            duration_ms = millis(invocation.started.elapsed()),
            "dead letters"
        );
        let mut answer = summary.into_answer(verb, options.dry_run);
        if let Some(letters) = letters.shown {
            answer["letters"] = letters.into();
        }
        if has_more {
            answer["more"] = true.into();
        }
        answer["pass"] = json!(pass.began);
        Ok(answer)
    }
}

/// The letters of an answer.
struct Letters {
    /// None when the command doesn't show letters.
    shown: Option<Vec<Value>>,
    most: usize,
    bytes: usize,
}

impl Letters {
    fn new(verb: Verb, options: &Options) -> Self {
        let most = match verb {
            Verb::Show => options.limit.unwrap_or(SHOWN),
            Verb::Export => options.limit.unwrap_or(usize::MAX),
            Verb::List | Verb::Retry | Verb::Drop => 0,
        };
        let shows = matches!(verb, Verb::Show | Verb::Export);
        Self {
            shown: shows.then(Vec::new),
            most,
            bytes: SUMMARY_BYTES,
        }
    }

    /// Adds one. False when there is no room.
    fn push(&mut self, letter: &Letter<'_>, previews: Option<Vec<Value>>) -> bool {
        let Some(shown) = &mut self.shown else {
            return false;
        };
        if shown.len() >= self.most {
            return false;
        }
        let value = letter.to_json(previews);
        let bytes = value.to_string().len();
        // One that is larger than an answer must not block the others.
        let fits = self.bytes + bytes <= MAX_ANSWER_BYTES;
        if !fits && !shown.is_empty() {
            return false;
        }
        self.bytes += bytes;
        shown.push(if fits { value } else { letter.head() });
        true
    }

    fn are_enough(&self) -> bool {
        self.most > 0
            && self
                .shown
                .as_ref()
                .is_some_and(|shown| shown.len() >= self.most)
    }
}
