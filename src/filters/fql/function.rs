//! The functions of FQL.

use std::borrow::Cow;

use super::glob;
use crate::segment::{Value, json_of};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    Match,
    Length,
    Lowercase,
    Uppercase,
    Snakecase,
    Kebabcase,
    Titlecase,
    Typeof,
    Bool,
    String,
    Number,
    Semver,
}

/// Why a statement has no value for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::filters) struct CannotEvaluate(pub(super) &'static str);

/// What a function is called with. Those that it doesn't take are null.
pub(super) type Arguments<'v, 'e> = [Cow<'v, Value<'e>>; 3];

impl Function {
    pub(super) const ALL: [Self; 13] = [
        Self::Contains,
        Self::Match,
        Self::Length,
        Self::Lowercase,
        Self::Uppercase,
        Self::Snakecase,
        Self::Kebabcase,
        Self::Titlecase,
        Self::Typeof,
        Self::Bool,
        Self::String,
        Self::Number,
        Self::Semver,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::Match => "match",
            Self::Length => "length",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
            Self::Snakecase => "snakecase",
            Self::Kebabcase => "kebabcase",
            Self::Titlecase => "titlecase",
            Self::Typeof => "typeof",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Number => "number",
            Self::Semver => "semver",
        }
    }

    /// How many values it takes.
    pub(super) fn arity(self) -> usize {
        match self {
            Self::Contains | Self::Match => 2,
            Self::Semver => 3,
            _ => 1,
        }
    }

    /// Its value. Null and values of another type than it takes have a sensible one, as Segment
    /// defines it.
    pub(super) fn call<'e>(
        self,
        arguments: &Arguments<'_, 'e>,
    ) -> Result<Value<'e>, CannotEvaluate> {
        let text = |place: usize| arguments[place].as_str();
        let value = &*arguments[0];
        Ok(match self {
            Self::Contains => match (text(0), text(1)) {
                (Some(text), Some(part)) => Value::Bool(text.contains(part)),
                _ => Value::Bool(false),
            },
            Self::Match => match (text(0), text(1)) {
                (Some(text), Some(pattern)) => Value::Bool(glob::matches(pattern, text)),
                _ => Value::Bool(false),
            },
            Self::Semver => match (text(0), text(1), text(2)) {
                (Some(left), Some(operator), Some(right)) => {
                    Value::Bool(compares(left, operator, right))
                }
                _ => Value::Bool(false),
            },
            Self::Length => match value {
                Value::Null => Value::Number(0_u64.into()),
                Value::Str(text) => Value::Number((text.len() as u64).into()),
                Value::Array(items) => Value::Number((items.len() as u64).into()),
                _ => Value::Null,
            },
            Self::Lowercase => changed(value, str::to_lowercase),
            Self::Uppercase => changed(value, str::to_uppercase),
            Self::Snakecase => changed(value, |text| text.replace(' ', "_")),
            Self::Kebabcase => changed(value, |text| text.replace(' ', "-")),
            Self::Titlecase => changed(value, title),
            Self::Typeof => Value::Str(type_of(value).into()),
            Self::Bool => Value::Bool(is_truthy(value)),
            Self::String => match value {
                Value::Null => Value::Null,
                Value::Str(text) => Value::Str(text.clone().into_owned().into()),
                other => Value::Str(json_of(other).into()),
            },
            Self::Number => number(value)?,
        })
    }
}

/// What a text becomes; anything but a text becomes null.
fn changed<'v>(value: &Value<'_>, change: impl FnOnce(&str) -> String) -> Value<'v> {
    value
        .as_str()
        .map_or(Value::Null, |text| Value::Str(change(text).into()))
}

/// Each word with a capital.
fn title(text: &str) -> String {
    let mut begins = true;
    text.chars()
        .flat_map(|char| {
            let upper = begins.then(|| char.to_uppercase());
            let same = (!begins).then_some(char);
            begins = char.is_whitespace();
            upper.into_iter().flatten().chain(same)
        })
        .collect()
}

fn type_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::Str(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// A text counts by what it says, anything else by whether there is something.
fn is_truthy(value: &Value<'_>) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Str(text) => !matches!(
            text.trim().to_ascii_lowercase().as_str(),
            "" | "false" | "0"
        ),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn number<'v>(value: &Value<'_>) -> Result<Value<'v>, CannotEvaluate> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        Value::Number(number) => return Ok(Value::Number(*number)),
        Value::Str(text) => text.trim(),
        _ => {
            return Err(CannotEvaluate(
                "number() of what is neither number nor text",
            ));
        }
    };
    // As JSON writes numbers, so that nothing is infinite.
    serde_json::from_str::<serde_json::Number>(text)
        .ok()
        .and_then(|_| serde_json::from_str::<Value<'_>>(text).ok())
        .and_then(|value| match value {
            Value::Number(number) => Some(Value::Number(number)),
            _ => None,
        })
        .ok_or(CannotEvaluate("number() of a text that isn't a number"))
}

/// Whether the comparison holds for two versions such as `1.2`. It never does for a text that isn't
/// a version.
fn compares(left: &str, operator: &str, right: &str) -> bool {
    let (Some(left), Some(right)) = (version(left), version(right)) else {
        return false;
    };
    match operator {
        "=" => left == right,
        "!=" => left != right,
        ">" => left > right,
        ">=" => left >= right,
        "<" => left < right,
        "<=" => left <= right,
        _ => false,
    }
}

/// Major, minor and patch. Missing parts are zero, and what follows a part's digits is ignored.
fn version(text: &str) -> Option<[u64; 3]> {
    let mut version = [0; 3];
    for (place, part) in text.split('.').enumerate() {
        let part = part.trim();
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        *version.get_mut(place)? = part[..digits].parse().ok()?;
    }
    Some(version)
}
