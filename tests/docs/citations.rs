//! What documentation and code cite: pages, files, tests.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::links::leads_somewhere;
use super::{assert_none, files, root, shown, text_of};

/// A page with its folder and anchor, wherever it stands in a text.
static PAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\w[\w./-]*\.md(#[\w-]+)?").expect("a pattern"));
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`([^`\n]+)`").expect("a pattern"));
/// A file or folder of the repository, seen from its root.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    let folders = "benches|browser|crates|docs|events|examples|fuzz|local|src|tests";
    Regex::new(&format!(r"^(?:{folders})/[\w./-]*$")).expect("a pattern")
});
/// `file::test`.
static TEST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^([\w./-]+)::([a-z]\w+)$").expect("a pattern"));

/// Code and comments cite pages by their path from the root or from the folder they are in, or
/// name one of `docs/`.
#[test]
fn every_page_that_code_cites_is_there() {
    let mut problems = Vec::new();
    let mut count = 0;
    let mut sources = files(&["rs", "py", "yaml", "yml", "toml", "ts", "mjs", "cjs"]);
    // It is about pages that aren't there.
    sources.retain(|file| !file.starts_with(root().join("tests/docs")));
    sources.push(root().join("Makefile"));
    for file in sources {
        let text = text_of(&file);
        let urls_aside = text.split_whitespace().filter(|word| !word.contains("://"));
        for page in urls_aside.flat_map(|word| PAGE.find_iter(word)) {
            count += 1;
            let (top, docs) = (root().join("README.md"), root().join("docs/api.md"));
            let mut places = [&top, &docs, &file].into_iter();
            if !places.any(|from| leads_somewhere(from, page.as_str())) {
                problems.push(format!("{}: there is no {}", shown(&file), page.as_str()));
            }
        }
    }
    assert!(count > 10, "only {count} citations were found");
    assert_none(&problems);
}

#[test]
fn every_path_in_the_documentation_is_there() {
    let mut problems = Vec::new();
    let mut count = 0;
    for file in files(&["md"]) {
        for code in codes_of(&file) {
            let path = code.split("::").next().unwrap_or_default();
            // What npm installs isn't there in a fresh clone.
            if !PATH.is_match(path) || path.contains("…") || path.contains("node_modules") {
                continue;
            }
            count += 1;
            let beside = file.parent().expect("a folder").join(path);
            if !root().join(path).exists() && !beside.exists() {
                problems.push(format!("{}: there is no {path}", shown(&file)));
            }
        }
    }
    assert!(count > 50, "only {count} paths were found");
    assert_none(&problems);
}

/// A test is cited as `file::test`: a file of `tests/it`, one of `tests/e2e` if it ends in `.py`,
/// or with its path.
#[test]
fn every_test_in_the_documentation_is_there() {
    let mut problems = Vec::new();
    let mut count = 0;
    for file in files(&["md"]) {
        for code in codes_of(&file) {
            let Some(test) = TEST.captures(&code) else {
                continue;
            };
            count += 1;
            if !has_test(&test[1], &test[2]) {
                problems.push(format!("{}: there is no {code}", shown(&file)));
            }
        }
    }
    assert!(count > 50, "only {count} tests were found");
    assert_none(&problems);
}

/// `docs/invariants.md`: what a table says always holds is held by a test, or by a tool that is named.
#[test]
fn every_invariant_names_what_holds_it() {
    let text = text_of(&root().join("docs/invariants.md"));
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("held by"));
    let mut problems = Vec::new();
    let mut count = 0;
    for row in rows {
        count += 1;
        let held_by = row
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap_or_default();
        if !CODE.is_match(held_by) {
            problems.push(format!("nothing holds: {row}"));
        }
    }
    assert!(count > 20, "only {count} invariants were found");
    assert_none(&problems);
}

fn has_test(file: &str, test: &str) -> bool {
    let is_python = Path::new(file).extension().is_some_and(|end| end == "py");
    let path = match (file.contains('/'), is_python) {
        (true, _) => file.to_owned(),
        (false, true) => format!("tests/e2e/{file}"),
        (false, false) => format!("tests/it/{file}.rs"),
    };
    let path = root().join(path);
    let definition = if is_python { "def" } else { "fn" };
    path.is_file() && text_of(&path).contains(&format!("{definition} {test}("))
}

fn codes_of(file: &Path) -> Vec<String> {
    let text = text_of(file);
    let codes = CODE.captures_iter(&text);
    codes.map(|code| code[1].to_owned()).collect()
}
