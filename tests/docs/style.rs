//! The prose of the documentation: sentences that can be read once.

use std::sync::LazyLock;

use regex::Regex;

use super::links::prose_of;
use super::{assert_none, files, shown, text_of};

/// Most words of a sentence on average, over a page.
const MOST_WORDS: usize = 18;

/// What reads as translated, and what to write.
const INSTEAD: [(&str, &str); 6] = [
    ("takes an unfilled", "name the cause: the secret is empty"),
    ("is this one:", "this is not one of …"),
    (" is none of ", "is not one of"),
    ("of one's own", "of your own"),
    ("Who was ", "A person who was …"),
    ("put it right", "fix it"),
];

static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`[^`]*`").expect("a pattern"));
/// Where a sentence, a cell or a point of a list ends.
static END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[.:;!?]\s|\||\n\s*(?:[-*#]|\d+\.)\s|\n\n").expect("a pattern"));

#[test]
fn sentences_are_short_and_in_plain_english() {
    let mut problems = Vec::new();
    for file in files(&["md"]) {
        let prose = prose_of(&text_of(&file));
        let prose = CODE.replace_all(&prose, "x");
        for (phrase, instead) in INSTEAD {
            if prose.contains(phrase) {
                problems.push(format!("{}: {phrase:?}: {instead}", shown(&file)));
            }
        }
        let words = END
            .split(&prose)
            .map(|part| part.split_whitespace().count());
        let sentences: Vec<usize> = words.filter(|words| *words > 3).collect();
        let all: usize = sentences.iter().sum();
        if all > MOST_WORDS * sentences.len() {
            let average = all / sentences.len();
            problems.push(format!("{}: {average} words a sentence", shown(&file)));
        }
    }
    assert_none(&problems);
}
