//! One environment variable: looked up, read, or refused with what is allowed.

use std::fmt::Display;
use std::str::FromStr;

/// A variable that can't be used. One line: its name, its value and what is allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A required variable isn't there.
    #[error("{0} is not set: set it to {1}")]
    Missing(&'static str, &'static str),
    /// A variable has a value that isn't allowed.
    #[error("{name}={value:?} is not allowed: use {allowed}")]
    NotAllowed {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

/// Looks a variable up; an empty value counts as not set.
pub(super) type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

pub(super) fn required(
    lookup: Lookup<'_>,
    name: &'static str,
    meaning: &'static str,
) -> Result<String, ConfigError> {
    lookup(name).ok_or(ConfigError::Missing(name, meaning))
}

/// The value for the variable's text; the first one is the default.
pub(super) fn one_of<T: Copy>(
    lookup: Lookup<'_>,
    name: &'static str,
    values: &[(&str, T)],
) -> Result<T, ConfigError> {
    let Some(text) = lookup(name) else {
        return Ok(values[0].1);
    };
    let mut known = values.iter();
    let Some((_, value)) = known.find(|(known, _)| *known == text) else {
        let allowed: Vec<&str> = values.iter().map(|(known, _)| *known).collect();
        return Err(not_allowed(name, text, allowed.join(" or ")));
    };
    Ok(*value)
}

pub(super) fn flag(lookup: Lookup<'_>, name: &'static str) -> Result<bool, ConfigError> {
    one_of(lookup, name, &[("false", false), ("true", true)])
}

pub(super) fn number<T: FromStr + PartialOrd + Display>(
    lookup: Lookup<'_>,
    name: &'static str,
    default: T,
    allowed: std::ops::RangeInclusive<T>,
) -> Result<T, ConfigError> {
    let Some(text) = lookup(name) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(number) if allowed.contains(&number) => Ok(number),
        _ => {
            let allowed = format!(
                "a whole number from {} to {}",
                allowed.start(),
                allowed.end()
            );
            Err(not_allowed(name, text, allowed))
        }
    }
}

pub(super) fn comma_list(lookup: Lookup<'_>, name: &str) -> Vec<String> {
    let text = lookup(name).unwrap_or_default();
    let items = text.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(super) fn not_allowed(
    name: &'static str,
    value: String,
    allowed: impl Into<String>,
) -> ConfigError {
    ConfigError::NotAllowed {
        name,
        value,
        allowed: allowed.into(),
    }
}
