//! Patterns of `match()`: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, `\x`. Upper and lower case differ, the
//! whole text has to match, and `/` is a character like any other.

/// Whether the whole text matches. A pattern that can't be read matches nothing.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some(tokens) = tokens(pattern) else {
        return false;
    };
    let text: Vec<char> = text.chars().collect();
    let (mut token, mut place) = (0, 0);
    // Where the last star stands, and how far it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                star = Some((token, place));
                token += 1;
            }
            Some(Token::One(class)) if class.has(text[place]) => {
                token += 1;
                place += 1;
            }
            _ => {
                let Some((at, reach)) = star else {
                    return false;
                };
                star = Some((at, reach + 1));
                (token, place) = (at + 1, reach + 1);
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Star)
}

/// Whether a pattern can be read.
pub(super) fn is_pattern(pattern: &str) -> bool {
    tokens(pattern).is_some()
}

/// One part of a pattern.
#[derive(Debug, PartialEq)]
enum Token {
    /// Any text.
    Star,
    /// One character.
    One(Class),
}

/// Some characters.
#[derive(Debug, PartialEq)]
enum Class {
    Any,
    Only(char),
    Ranges {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Class {
    fn has(&self, char: char) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => *only == char,
            Self::Ranges { is_negated, ranges } => {
                let is_in = ranges.iter().any(|(lo, hi)| (*lo..=*hi).contains(&char));
                is_in != *is_negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '*' => Token::Star,
            '?' => Token::One(Class::Any),
            '\\' => Token::One(Class::Only(chars.next()?)),
            '[' => {
                let is_negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
                    let lo = bound(&mut chars)?;
                    let hi = match chars.next_if_eq(&'-') {
                        Some(_) => bound(&mut chars)?,
                        None => lo,
                    };
                    ranges.push((lo, hi));
                }
                Token::One(Class::Ranges { is_negated, ranges })
            }
            char => Token::One(Class::Only(char)),
        });
    }
    Some(tokens)
}

/// One end of a range.
fn bound(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        char => Some(char),
    }
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
