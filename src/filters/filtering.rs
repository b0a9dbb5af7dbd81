//! An event while rules are applied to it.

use std::borrow::Cow;

use super::fql::Path;
use crate::mapping::{Change, Place, Warning};
use crate::segment::{Event, IgnoredUserIds, Object, Value, json_of};

/// What became of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Filtered<'e> {
    /// Nothing changed it.
    #[default]
    AsItCame,
    /// Something did.
    Changed(Box<Changed<'e>>),
    /// It isn't sent, for this reason.
    Dropped(Cow<'static, str>),
}

/// A changed event.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed<'e> {
    /// The event to be mapped.
    pub event: Event<'e>,
    /// What was changed.
    pub warnings: Vec<Warning<'e>>,
}

/// Most warnings of the rules for one event.
const MAX_WARNINGS: usize = 200;

/// An event while rules are applied to it. It is copied only once something changes.
pub(super) struct Filtering<'x, 'f> {
    original: &'x Event<'f>,
    copy: Option<Value<'f>>,
    warnings: Vec<Warning<'f>>,
    unnamed: usize,
}

impl<'x, 'f> Filtering<'x, 'f> {
    pub(super) fn new(original: &'x Event<'f>) -> Self {
        Self {
            original,
            copy: None,
            warnings: Vec::new(),
            unnamed: 0,
        }
    }

    /// The event as it is now.
    pub(super) fn value(&self) -> &Value<'f> {
        self.copy
            .as_ref()
            .unwrap_or_else(|| self.original.as_value())
    }

    /// Its fields as they are now.
    pub(super) fn fields<'v>(&'v self) -> &'v Object<'f> {
        match self.value() {
            Value::Object(fields) => fields,
            _ => unreachable!("an event is an object, and a rule changes what is in it"),
        }
    }

    /// Its `type`.
    pub(super) fn type_name(&self) -> &str {
        self.original.type_name().unwrap_or_default()
    }

    /// What tells it apart from all others: its messageId, else the event itself.
    pub(super) fn id(&self) -> Cow<'_, str> {
        match self.original.message_id() {
            Some(id) => id.into(),
            None => json_of(self.original.as_value()).into(),
        }
    }

    /// The event, to change it.
    pub(super) fn value_mut(&mut self) -> &mut Value<'f> {
        self.copy
            .get_or_insert_with(|| self.original.as_value().clone())
    }

    /// Names a change of what a path, from the event's top, leads to.
    pub(super) fn warn(&mut self, path: &'f Path, change: Change<'f>) {
        if let Some((key, parents)) = path.keys().split_last() {
            self.warn_of_key(parents, key.into(), change);
        }
    }

    /// Names a change of a key of the objects that a path, from the event's top, leads to.
    pub(super) fn warn_of_key(&mut self, path: &[String], key: Cow<'f, str>, change: Change<'f>) {
        if self.warnings.len() == MAX_WARNINGS {
            self.unnamed += 1;
            return;
        }
        let (place, parents) = match path.split_first() {
            Some((top, rest)) => match top.as_str() {
                "traits" => (Place::Trait, rest),
                "properties" => (Place::Property, rest),
                "context" => (Place::Context, rest),
                _ => (Place::Field, path),
            },
            None => (Place::Field, path),
        };
        let key = match parents {
            [] => key,
            parents => format!("{}.{key}", parents.join(".")).into(),
        };
        self.warnings.push(Warning { place, key, change });
    }

    pub(super) fn into_filtered(mut self, ignored: &IgnoredUserIds) -> Filtered<'f> {
        let Some(fields) = self.copy else {
            return Filtered::AsItCame;
        };
        if self.unnamed > 0 {
            self.warnings.push(Warning {
                place: Place::Field,
                key: "".into(),
                change: Change::More(self.unnamed),
            });
        }
        Filtered::Changed(Box::new(Changed {
            event: Event::with_unique_keys(fields, ignored),
            warnings: self.warnings,
        }))
    }
}
