//! The version is in `Cargo.toml`. Everything else that states it has to follow: `/health` and the
//! log do by themselves.

use std::sync::LazyLock;

use regex::Regex;

use super::{root, text_of};

const VERSION: &str = env!("CARGO_PKG_VERSION");
static DESCRIPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^Description: segment-intercom (\S+) - ").expect("a pattern")
});
static SEMANTIC_VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^    SemanticVersion: (\S+)$").expect("a pattern"));
/// The heading of a version, with its date once it is released.
static ENTRY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^## (\S+)(?: - (unreleased|\d{4}-\d{2}-\d{2}))?$").expect("a pattern")
});

fn stated<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    let found = pattern.captures(text)?;
    Some(found.get(1)?.as_str())
}

#[test]
fn the_template_states_the_version() {
    let template = text_of(&root().join("template.yaml"));
    assert_eq!(
        stated(&DESCRIPTION, &template),
        Some(VERSION),
        "Description"
    );
    assert_eq!(
        stated(&SEMANTIC_VERSION, &template),
        Some(VERSION),
        "SemanticVersion, for the Serverless Application Repository"
    );
}

#[test]
fn the_newest_changes_are_those_of_the_version() {
    let changes = text_of(&root().join("CHANGELOG.md"));
    let newest = ENTRY.captures(&changes).expect("a version");
    assert_eq!(&newest[1], VERSION);
    assert!(newest.get(2).is_some(), "a date, or unreleased, is missing");
}
