//! The way to a field: `context.library.name`.

use std::fmt;

use crate::segment::{Object, Value};

/// The keys on the way to a field, from the event's top. Empty for the event itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::filters) struct Path(Vec<String>);

impl Path {
    /// Takes a path apart at its dots. A backslash makes the next character an ordinary one.
    pub(in crate::filters) fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let mut keys = vec![String::new()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let literal = match char {
                '.' => {
                    keys.push(String::new());
                    continue;
                }
                '\\' => chars.next().unwrap_or('\\'),
                char => char,
            };
            keys.last_mut().expect("it begins with one").push(literal);
        }
        Self(keys)
    }

    /// The path of `self` below another.
    pub(in crate::filters) fn below(&self, parent: &str) -> Self {
        let keys = std::iter::once(parent.to_owned()).chain(self.0.iter().cloned());
        Self(keys.collect())
    }

    pub(in crate::filters) fn keys(&self) -> &[String] {
        &self.0
    }

    /// The field's value. A number names an item of a list.
    pub(in crate::filters) fn get<'v, 'e>(&self, event: &'v Object<'e>) -> Option<&'v Value<'e>> {
        let (first, rest) = self.0.split_first()?;
        rest.iter()
            .try_fold(event.get(first)?, |value, key| match value {
                Value::Object(fields) => fields.get(key),
                Value::Array(items) => items.get(key.parse::<usize>().ok()?),
                _ => None,
            })
    }
}

/// As it is written.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, key) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            for char in key.chars() {
                if !is_plain(char) {
                    f.write_str("\\")?;
                }
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character stands in a path without a backslash.
pub(super) fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-')
}
