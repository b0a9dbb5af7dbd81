//! What a statement is made of: words, signs, texts and numbers.

use super::{Parsed, Parser, Unparsable};
use crate::filters::fql::path::is_plain;
use crate::segment::Value;

impl<'t> Parser<'t> {
    /// What is left after blanks.
    pub(super) fn rest(&mut self) -> &'t str {
        let rest = &self.text[self.place..];
        let trimmed = rest.trim_start();
        self.place += rest.len() - trimmed.len();
        trimmed
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn take(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.place += token.len();
        }
        is_next
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.word() == word;
        if is_next {
            self.place += word.len();
        }
        is_next
    }

    /// The path or keyword that is next, still with its backslashes; empty if neither is.
    pub(super) fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let mut chars = rest.char_indices();
        while let Some((place, char)) = chars.next() {
            match char {
                '\\' => {
                    chars.next();
                }
                '.' => {}
                char if is_plain(char) => {}
                _ => return &rest[..place],
            }
        }
        rest
    }

    pub(super) fn fail(&self, message: impl Into<String>) -> Unparsable {
        Unparsable {
            place: self.place,
            message: message.into(),
        }
    }

    /// Names what is next, where something else is allowed.
    pub(super) fn unexpected(&mut self, allowed: &str) -> Unparsable {
        let word: String = self.word().chars().take(40).collect();
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some('\'' | '"') => "a text".to_owned(),
            Some(_) if !word.is_empty() => format!("{word:?}"),
            Some(char) => format!("{:?}", char.to_string()),
        };
        let hint = match (word.to_ascii_lowercase().as_str(), found.as_str()) {
            ("and" | "or" | "in", _) if word != word.to_ascii_lowercase() => {
                ": write it in lower case"
            }
            (_, "\"=\"") => ": equality is one =",
            (_, "\"&\"") => ": FQL's \"and\" is written out",
            (_, "\"|\"") => ": FQL's \"or\" is written out",
            ("not", _) => ": FQL's negation is !",
            _ => "",
        };
        self.fail(format!("{allowed} is expected, not {found}{hint}"))
    }

    /// A text in quotes. A backslash goes before a quote or a backslash; before anything else it
    /// stays, for the patterns of `match()`.
    pub(super) fn text(&mut self, quote: char) -> Parsed<Value<'static>> {
        let start = self.place;
        let mut text = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((at, char)) = chars.next() {
            if char == quote {
                self.place = start + 1 + at + 1;
                return Ok(Value::Str(text.into()));
            }
            text.push(match char {
                '\\' => match chars.clone().next() {
                    Some((_, escaped @ ('\'' | '"' | '\\'))) => {
                        chars.next();
                        escaped
                    }
                    _ => '\\',
                },
                char => char,
            });
        }
        Err(self.fail(format!("this text isn't closed: {quote} is missing")))
    }
}

/// A number as JSON writes it.
pub(super) fn number(word: &str) -> Option<Value<'static>> {
    let begins = word.strip_prefix('-').unwrap_or(word);
    if !begins.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let number: serde_json::Number = serde_json::from_str(word).ok()?;
    Some(Value::Number(
        match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(whole), ..) => whole.into(),
            (_, Some(whole), _) => whole.into(),
            (.., float) => float?.into(),
        },
    ))
}
