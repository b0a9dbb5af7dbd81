//! The table of cases: `cases/*.json`, one file per area of the mapping. In each case `expect`
//! is written by hand from the rules; `actions` and `warnings` that are absent are empty.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use segment_intercom::mapping::{Arrival, Channel, Sender};
use segment_intercom::source::Source;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use similar::TextDiff;

use crate::{ARRIVAL, preview_of, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Environment variables.
    #[serde(default)]
    settings: BTreeMap<String, String>,
    /// Whether the request came with an `Origin` header.
    #[serde(default)]
    origin: bool,
    /// How the event came in.
    #[serde(default = "webhook")]
    source: Source,
    event: Box<RawValue>,
    expect: Map<String, Value>,
}

fn webhook() -> Source {
    Source::Webhook
}

impl Case {
    fn channel(&self) -> Channel {
        match self.source {
            _ if self.origin => Channel::Browser,
            Source::Api => Channel::Server,
            _ => Channel::Segment,
        }
    }

    /// None when the preview is as expected, else how it differs.
    fn failure(&self) -> Option<String> {
        let settings = settings(|name| self.settings.get(name).cloned());
        let arrival = Arrival {
            source: self.source,
            sender: Sender::by(self.channel()),
            ..ARRIVAL
        };
        let mut actual = preview_of(&self.event, arrival, &settings);
        if let Some(result) = actual.as_object_mut() {
            result.remove("messageId");
            result.remove("type");
            result.remove("timeRules");
        }
        let mut expected = json!({"actions": [], "warnings": []});
        for (key, value) in &self.expect {
            expected[key] = value.clone();
        }
        let (expected, actual) = (text(expected), text(actual));
        (expected != actual).then(|| {
            let diff = TextDiff::from_lines(&expected, &actual);
            let diff = diff.unified_diff().header("expected", "actual").to_string();
            format!("{}\n{diff}", self.name)
        })
    }
}

#[test]
fn every_case_previews_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mapping/cases");
    let mut names = HashSet::new();
    let mut failures = String::new();
    for file in fs::read_dir(folder).expect("the folder of cases") {
        let path = file.expect("a file of cases").path();
        let file = path.display();
        let cases = fs::read_to_string(&path).expect("a readable file");
        let cases: Vec<Case> =
            serde_json::from_str(&cases).unwrap_or_else(|error| panic!("{file}: {error}"));
        for case in cases {
            if let Some(failure) = case.failure() {
                writeln!(failures, "{file}: {failure}").expect("memory");
            }
            assert!(names.insert(case.name.clone()), "twice: {}", case.name);
        }
    }
    assert!(names.len() >= 100, "only {} cases were found", names.len());
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn an_event_names_a_thousand_changes_and_counts_the_rest() {
    for (changes, lines, last) in [
        (1_000, 1_000, "trait \"t999\" left out"),
        (1_002, 1_001, "and 2 more of this event"),
    ] {
        let traits = (0..changes).map(|n| (format!("t{n}"), Value::Null));
        let traits: Value = traits.collect::<Map<_, _>>().into();
        let event = json!({"type": "identify", "userId": "u", "traits": traits});
        let event = serde_json::value::to_raw_value(&event).expect("JSON");
        let result = preview_of(&event, ARRIVAL, &settings(|_| None));
        let warnings = result["warnings"].as_array().expect("warnings");
        assert_eq!(warnings.len(), lines);
        let said = warnings[lines - 1].as_str().expect("a line");
        assert!(said.contains(last), "{said}");
    }
}

/// Pretty JSON with keys in alphabetical order, save in `metadata`: Intercom keeps the first
/// keys of it.
fn text(value: Value) -> String {
    fn sorted(value: Value, keeps_order: bool) -> Value {
        match value {
            Value::Object(object) => {
                let mut entries: Vec<(String, Value)> = object.into_iter().collect();
                if !keeps_order {
                    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                let entries = entries.into_iter().map(|(key, value)| {
                    let value = sorted(value, key == "metadata");
                    (key, value)
                });
                Value::Object(entries.collect())
            }
            Value::Array(items) => {
                let items = items.into_iter().map(|item| sorted(item, false));
                Value::Array(items.collect())
            }
            scalar => scalar,
        }
    }
    serde_json::to_string_pretty(&sorted(value, false)).expect("JSON")
}
