//! An event while rules are applied to it.

use std::borrow::Cow;

use crate::mapping::{Change, Place, Warning};
use crate::segment::{Event, IgnoredUserIds, Object, Value};

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
            None => self.original.as_value().to_string().into(),
        }
    }

    /// The event, to change it.
    pub(super) fn value_mut(&mut self) -> &mut Value<'f> {
        self.copy
            .get_or_insert_with(|| self.original.as_value().clone())
    }

    /// Names a change. `path` is from the event's top.
    pub(super) fn warn<'k>(&mut self, mut path: impl Iterator<Item = &'k str>, change: Change<'f>) {
        if self.warnings.len() == MAX_WARNINGS {
            self.unnamed += 1;
            return;
        }
        let first = path.next().unwrap_or_default();
        let place = match first {
            "traits" => Place::Trait,
            "properties" => Place::Property,
            "context" => Place::Context,
            _ => Place::Field,
        };
        let rest: Vec<&str> = path.collect();
        let (place, key) = match (place, &*rest) {
            (_, []) => (Place::Field, first.to_owned()),
            (Place::Field, rest) => (Place::Field, format!("{first}.{}", rest.join("."))),
            (place, rest) => (place, rest.join(".")),
        };
        self.warnings.push(Warning {
            place,
            key: key.into(),
            change,
        });
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
        let event = Event::new(fields, ignored);
        Filtered::Changed(Box::new(Changed {
            event: event.expect("an event is an object, and a rule changes what is in it"),
            warnings: self.warnings,
        }))
    }
}
