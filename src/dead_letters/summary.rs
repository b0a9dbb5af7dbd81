//! Counts of the letters that a command found.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::Verb;
use super::letter::Letter;

/// Most groups in an answer: a reason may quote an id, so that each letter forms its own group.
const MAX_GROUPS: usize = 200;

/// What a command found.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Letters that were looked at.
    pub(super) looked_at: usize,
    /// Letters that match, and with which the command can be carried out.
    pub(super) matching: usize,
    groups: Groups,
    /// Letters that match but would be rejected again.
    staying: usize,
    why_they_stay: Groups,
}

type Groups = BTreeMap<(String, Option<String>, Option<String>), Group>;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    letters: usize,
    /// When the first and the last of them were received.
    first_received_at: DateTime<Utc>,
    last_received_at: DateTime<Utc>,
}

impl Summary {
    pub(super) fn matches(&mut self, letter: &Letter<'_>) {
        self.matching += 1;
        add(&mut self.groups, letter, letter.reason().to_owned());
    }

    pub(super) fn stays(&mut self, letter: &Letter<'_>, reason: String) {
        self.staying += 1;
        add(&mut self.why_they_stay, letter, reason);
    }

    pub(super) fn into_answer(self, verb: Verb, dry_run: bool) -> Value {
        let mut answer = json!({
            "lookedAt": self.looked_at,
            "matching": self.matching,
            "byReason": by_count(self.groups),
        });
        if verb.changes() {
            answer["dryRun"] = dry_run.into();
        }
        if verb == Verb::Retry {
            answer["staying"] = self.staying.into();
            answer["whyTheyStay"] = by_count(self.why_they_stay).into();
        }
        answer
    }
}

fn add(groups: &mut Groups, letter: &Letter<'_>, reason: String) {
    let received_at = letter.received_at();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let key = (reason, owned(letter.status()), owned(letter.kind()));
    let group = groups.entry(key).or_insert(Group {
        letters: 0,
        first_received_at: received_at,
        last_received_at: received_at,
    });
    group.letters += 1;
    group.first_received_at = group.first_received_at.min(received_at);
    group.last_received_at = group.last_received_at.max(received_at);
}

/// The largest first; what is beyond the limit as one group.
fn by_count(groups: Groups) -> Vec<Value> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.letters));
    let rest: usize = groups.iter().skip(MAX_GROUPS).map(|(_, g)| g.letters).sum();
    groups.truncate(MAX_GROUPS);
    let mut values: Vec<Value> = groups
        .into_iter()
        .map(|((reason, status, kind), group)| {
            let mut value = json!(group);
            value["reason"] = reason.into();
            value["status"] = status.into();
            value["kind"] = kind.into();
            value
        })
        .collect();
    if rest > 0 {
        values.push(json!({"letters": rest, "reason": "other reasons"}));
    }
    values
}
