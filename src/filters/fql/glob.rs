//! Patterns of `match()`: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, `\x`. Upper and lower case differ, the
//! whole text has to match, and `/` is a character like any other.
//!
//! A pattern is read as it is matched: it may be a value of the event.

use std::str::Chars;

/// Whether the whole text matches. A pattern that can't be read matches nothing.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if !is_pattern(pattern) {
        return false;
    }
    let (mut pattern, mut text) = (pattern, text);
    // What follows the last star, and the text from where that is tried.
    let mut star: Option<(&str, &str)> = None;
    loop {
        match (first_token(pattern), first_char(text)) {
            (Some((Token::Star, rest)), _) => {
                star = Some((rest, text));
                pattern = rest;
            }
            (None, None) => return true,
            (Some(_), None) => return false,
            (Some((Token::One(class), rest)), Some((char, left))) if class.has(char) => {
                (pattern, text) = (rest, left);
            }
            _ => {
                let tried = star.and_then(|(rest, tried)| Some((rest, first_char(tried)?.1)));
                let Some((rest, left)) = tried else {
                    return false;
                };
                star = tried;
                (pattern, text) = (rest, left);
            }
        }
    }
}

/// Whether a pattern can be read.
pub(super) fn is_pattern(mut pattern: &str) -> bool {
    while let Some((_, rest)) = first_token(pattern) {
        pattern = rest;
    }
    pattern.is_empty()
}

/// One part of a pattern.
enum Token<'p> {
    /// Any text.
    Star,
    /// One character.
    One(Class<'p>),
}

/// Some characters.
enum Class<'p> {
    Any,
    Only(char),
    /// What stands in brackets.
    Ranges {
        is_negated: bool,
        ranges: &'p str,
    },
}

impl Class<'_> {
    fn has(&self, char: char) -> bool {
        match *self {
            Self::Any => true,
            Self::Only(only) => only == char,
            Self::Ranges { is_negated, ranges } => {
                let mut chars = ranges.chars();
                let mut ranges = std::iter::from_fn(|| range(&mut chars));
                ranges.any(|(lo, hi)| (lo..=hi).contains(&char)) != is_negated
            }
        }
    }
}

/// The first part of a pattern, and what follows it.
fn first_token(pattern: &str) -> Option<(Token<'_>, &str)> {
    let mut chars = pattern.chars();
    let token = match chars.next()? {
        '*' => Token::Star,
        '?' => Token::One(Class::Any),
        '\\' => Token::One(Class::Only(chars.next()?)),
        '[' => {
            let is_negated = take(&mut chars, '^');
            let inside = chars.as_str();
            range(&mut chars)?;
            while !chars.as_str().starts_with(']') {
                range(&mut chars)?;
            }
            let ranges = &inside[..inside.len() - chars.as_str().len()];
            chars.next();
            Token::One(Class::Ranges { is_negated, ranges })
        }
        char => Token::One(Class::Only(char)),
    };
    Some((token, chars.as_str()))
}

fn first_char(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    Some((chars.next()?, chars.as_str()))
}

/// One character in brackets, or two with a dash between them.
fn range(chars: &mut Chars<'_>) -> Option<(char, char)> {
    let lo = bound(chars)?;
    let hi = if take(chars, '-') { bound(chars)? } else { lo };
    Some((lo, hi))
}

/// One end of a range.
fn bound(chars: &mut Chars<'_>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        char => Some(char),
    }
}

fn take(chars: &mut Chars<'_>, char: char) -> bool {
    let is_next = chars.as_str().starts_with(char);
    if is_next {
        chars.next();
    }
    is_next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of Segment's documentation, and of its engine for pages.
    #[test]
    fn patterns_of_segment() {
        for (pattern, text, expected) in [
            ("a*d", "abcd", true),
            ("*", "", true),
            ("ab", "abc", false),
            ("a??d", "abcd", true),
            ("*d", "abcd", true),
            (r"ab\*d", "ab*d", true),
            ("ab[cC]d", "abCd", true),
            ("ab[a-z]d", "abcd", true),
            ("ab[A-Z]d", "abcd", false),
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("*b", "abc", false),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ab/c", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("*a*b*c*", "abcabcabc", true),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            (r"a\*b", "a*b", true),
            (r"a\ b", "a b", true),
            (r"a\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("a[^a][^a][^a]b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", true),
            ("a*b", "a/b", true),
            (r"[\]a]", "]", true),
            (r"[\-]", "-", true),
            (r"[x\-]", "x", true),
            (r"[x\-]", "-", true),
            (r"[x\-]", "z", false),
            (r"[\-x]", "x", true),
            (r"[\-x]", "-", true),
            (r"[\-x]", "a", false),
            ("*x", "xxx", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert!(is_pattern(pattern), "{pattern}");
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_matches_nothing() {
        for pattern in [
            "[]a]", "[-]", "[x-]", "[-x]", r"\", "[a-b-c]", "[", "[^", "[^bc", "a[",
        ] {
            assert!(!is_pattern(pattern), "{pattern}");
            for text in ["]", "-", "x", "a", "ab", "", pattern] {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
    }

    /// A text and a pattern of the sizes that an event may have.
    #[test]
    fn no_pattern_takes_exponential_time() {
        let text = "a".repeat(20_000);
        assert!(!matches(&format!("{}b", "a*".repeat(50)), &text));
    }
}
