//! Relative links lead to a file, and to a heading or an anchor in it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::{assert_none, files, shown, text_of};

static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern"));
static NAMED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"<a name="([^"]+)">"#).expect("a pattern"));
static LINK_TEXT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[([^\]]*)\]\([^)]*\)").expect("a pattern"));

#[test]
fn every_relative_link_leads_somewhere() {
    let mut problems = Vec::new();
    let mut count = 0;
    for file in files(&["md"]) {
        let text = prose_of(&text_of(&file));
        for link in LINK.captures_iter(&text) {
            let target = &link[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            if !leads_somewhere(&file, target) {
                problems.push(format!("{}: {target} leads nowhere", shown(&file)));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert_none(&problems);
}

/// Whether `target`, seen from `file`, is a file and, after a `#`, an anchor in it.
pub(super) fn leads_somewhere(file: &Path, target: &str) -> bool {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let path = match path {
        "" => file.to_owned(),
        path => file.parent().expect("a folder").join(path),
    };
    match anchor {
        None => path.exists(),
        Some(anchor) => path.is_file() && anchors_of(&text_of(&path)).contains(anchor),
    }
}

/// The anchors of a page, as a forge makes them from its headings, and those that it names.
fn anchors_of(text: &str) -> HashSet<String> {
    let text = prose_of(text);
    let mut count_of: HashMap<String, usize> = HashMap::new();
    let mut anchors: HashSet<String> = HashSet::new();
    for line in text.lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim();
        let heading = LINK_TEXT.replace_all(heading, "$1");
        let heading = NAMED.replace_all(&heading, "").replace("</a>", "");
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = count_of.entry(slug.clone()).or_default();
        anchors.insert(match *count {
            0 => slug,
            count => format!("{slug}-{count}"),
        });
        *count += 1;
    }
    let named = NAMED.captures_iter(&text);
    anchors.extend(named.map(|name| name[1].to_owned()));
    anchors
}

/// A page without its blocks of code.
pub(super) fn prose_of(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

#[test]
fn anchors_are_those_of_a_forge() {
    let page = "# When an event *fails*\n## Why didn't it?\n## <a name=\"x\"></a>A & B\n\
                ```\n# no heading\n```\n## A & B\n";
    let anchors = anchors_of(page);
    for anchor in ["when-an-event-fails", "why-didnt-it", "x", "a--b", "a--b-1"] {
        assert!(anchors.contains(anchor), "{anchor} of {anchors:?}");
    }
    assert!(!anchors.contains("no-heading"));
}
