//! What a transformation does with the events that it holds for.

use std::borrow::Cow;

use super::edit::{any_object, each, remove, retain, set};
use super::filtering::Filtering;
use super::fql::{CannotEvaluate, Expression, Path};
use super::hashing::Hashing;
use crate::mapping::{ByRule, Change};
use crate::segment::{Kind, Object, Value};

/// A transformation. Every part of it sees the event as it was before the others, but with what is
/// hashed already hashed, so that no rename carries the value itself away.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Transformation {
    /// Whether the event isn't sent.
    pub(super) is_drop: bool,
    /// The name of a track.
    pub(super) new_event_name: Option<String>,
    /// Renames the first of each pair to the second.
    pub(super) renames: Vec<(Name, Name)>,
    /// Sets each name to the value.
    pub(super) values: Vec<(Name, Value<'static>)>,
    /// Sets each name to the value of the statement.
    pub(super) statements: Vec<(Name, Expression)>,
    pub(super) hashed: Option<(Vec<Name>, Hashing)>,
    /// Removes these.
    pub(super) drops: Vec<Name>,
    /// If there are any, only these stay.
    pub(super) allowed: Vec<Name>,
}

/// A property's or trait's name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    /// The path in the event of a track, page or screen.
    pub(super) in_properties: Path,
    /// The path in that of an identify or group.
    pub(super) in_traits: Path,
}

/// Objects that a path from the event's top begins with.
const TOPS: [&str; 4] = ["properties", "traits", "context", "integrations"];

impl Name {
    /// A name that is relative to an event's properties or traits, unless it begins with one of the
    /// event's own objects: `context.ip`.
    pub(super) fn parse(text: &str) -> Self {
        let path = Path::parse(text);
        let is_from_top = path.keys().len() > 1 && TOPS.contains(&path.keys()[0].as_str());
        if is_from_top {
            Self {
                in_properties: path.clone(),
                in_traits: path,
            }
        } else {
            Self {
                in_properties: path.below("properties"),
                in_traits: path.below("traits"),
            }
        }
    }

    /// Whether it means the same field in events of every type.
    pub(super) fn is_from_top(&self) -> bool {
        self.in_properties == self.in_traits
    }

    /// The path in an event of this type.
    pub(super) fn of(&self, has_traits: bool) -> &Path {
        if has_traits {
            &self.in_traits
        } else {
            &self.in_properties
        }
    }
}

impl Transformation {
    /// Whether something is renamed to this.
    pub(super) fn is_new_name(&self, name: &Name) -> bool {
        self.renames.iter().any(|(_, new)| new == name)
    }

    /// False when the event isn't sent. `title` is the transformation's.
    pub(super) fn apply<'f>(
        &'f self,
        title: &'f str,
        filtering: &mut Filtering<'_, 'f>,
    ) -> Result<bool, CannotEvaluate> {
        if self.is_drop {
            return Ok(false);
        }
        let kind = Kind::from_type(filtering.type_name());
        let has_traits = matches!(kind, Some(Kind::Identify | Kind::Group));
        let change = |by_rule| Change::ByRule(by_rule, "transformation", title.into());
        self.hash(has_traits, filtering, &change);
        // All are read before one is written.
        let renamed: Vec<_> = self
            .renames
            .iter()
            .filter_map(|(old, new)| {
                let (old, new) = (old.of(has_traits), new.of(has_traits));
                Some((old, new, old.get(filtering.fields())?.clone()))
            })
            .collect();
        let mut values = Vec::new();
        for (name, statement) in &self.statements {
            let value = statement.value(filtering.fields())?.into_owned();
            values.push((name.of(has_traits), value));
        }
        if let Some(name) = &self.new_event_name
            && kind == Some(Kind::Track)
        {
            let renamed = change(ByRule::Renamed(name.into()));
            filtering.warn_of_key(&[], "event".into(), renamed);
            set_key(filtering, "event", Value::Str(name.as_str().into()));
        }
        for (old, ..) in &renamed {
            remove(filtering.value_mut(), old.keys());
        }
        for (old, new, value) in renamed {
            let is_set = set(filtering.value_mut(), new.keys(), value);
            let by_rule = if is_set {
                ByRule::Renamed(new.to_string().into())
            } else {
                ByRule::LeftOut
            };
            filtering.warn(old, change(by_rule));
        }
        let constant = self.values.iter();
        let constant = constant.map(|(name, value)| (name.of(has_traits), value.clone()));
        for (path, value) in constant.chain(values) {
            if set(filtering.value_mut(), path.keys(), value) {
                filtering.warn(path, change(ByRule::Set));
            }
        }
        for name in &self.drops {
            let path = name.of(has_traits);
            let Some((last, parents)) = path.keys().split_last() else {
                continue;
            };
            let has_it = |object: &Object<'_>| object.contains_key(last);
            if any_object(filtering.value(), parents, &has_it) {
                remove(filtering.value_mut(), path.keys());
                filtering.warn(path, change(ByRule::LeftOut));
            }
        }
        self.allow(has_traits, filtering, &change);
        Ok(true)
    }

    fn hash<'f>(
        &'f self,
        has_traits: bool,
        filtering: &mut Filtering<'_, 'f>,
        change: &impl Fn(ByRule<'f>) -> Change<'f>,
    ) {
        let Some((names, hashing)) = &self.hashed else {
            return;
        };
        for name in names {
            let path = name.of(has_traits);
            let mut is_hashed = false;
            each(filtering.value_mut(), path.keys(), false, &mut |value| {
                if *value != Value::Null {
                    *value = Value::Str(hashing.hash(value).into());
                    is_hashed = true;
                }
            });
            if is_hashed {
                filtering.warn(path, change(ByRule::Hashed));
            }
        }
    }

    fn allow<'f>(
        &self,
        has_traits: bool,
        filtering: &mut Filtering<'_, 'f>,
        change: &impl Fn(ByRule<'f>) -> Change<'f>,
    ) {
        let allowed: Vec<&[String]> = self
            .allowed
            .iter()
            .map(|name| name.of(has_traits).keys())
            .collect();
        let mut tops: Vec<&String> = allowed.iter().map(|path| &path[0]).collect();
        tops.sort();
        tops.dedup();
        for top in tops {
            let mut left_out = Vec::new();
            let below: Vec<&[String]> = allowed
                .iter()
                .filter(|path| path[0] == *top)
                .map(|path| &path[1..])
                .collect();
            let Some(value) = filtering.fields().get(top) else {
                continue;
            };
            let mut value = value.clone();
            allow_below(&mut value, &below, &mut vec![top.clone()], &mut left_out);
            if left_out.is_empty() {
                continue;
            }
            if let Value::Object(fields) = filtering.value_mut()
                && let Some(place) = fields.get_mut(top)
            {
                *place = value;
            }
            for (path, key) in left_out {
                filtering.warn_of_key(&path, key, change(ByRule::LeftOut));
            }
        }
    }
}

/// Leaves what the paths lead to, and notes the path and key of what is left out.
fn allow_below<'e>(
    value: &mut Value<'e>,
    allowed: &[&[String]],
    at: &mut Vec<String>,
    left_out: &mut Vec<(Vec<String>, Cow<'e, str>)>,
) {
    if allowed.iter().any(|path| path.is_empty()) {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                allow_below(item, allowed, at, left_out);
            }
        }
        Value::Object(_) => {
            let is_allowed = |key: &str| allowed.iter().any(|path| path[0] == key);
            retain(value, is_allowed, |key| {
                let is_named = |(path, named): &(Vec<String>, _)| path == at && *named == key;
                if left_out.len() < 1_000 && !left_out.iter().any(is_named) {
                    left_out.push((at.clone(), key));
                }
            });
            let Value::Object(fields) = value else {
                return;
            };
            let mut keys: Vec<&String> = allowed.iter().map(|path| &path[0]).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let below: Vec<&[String]> = allowed
                    .iter()
                    .filter(|path| path[0] == *key)
                    .map(|path| &path[1..])
                    .collect();
                if let Some(value) = fields.get_mut(key) {
                    at.push(key.clone());
                    allow_below(value, &below, at, left_out);
                    at.pop();
                }
            }
        }
        _ => {}
    }
}

/// Sets a field of the event itself.
fn set_key<'f>(filtering: &mut Filtering<'_, 'f>, key: &'static str, value: Value<'f>) {
    if let Value::Object(fields) = filtering.value_mut() {
        fields.insert(key, value);
    }
}
