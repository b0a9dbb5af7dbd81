//! One Segment event, with the common fields of Segment's specification.

use std::fmt;

use super::identity::Nobody;
use super::repeated::with_last_of_equal_keys;
use super::{IgnoredUserIds, Object, Value, get_matching};

/// The kinds of call of Segment's specification, and `delete` of its privacy tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are Segment's own words")]
pub enum Kind {
    Identify,
    Track,
    Page,
    Screen,
    Group,
    Alias,
    Delete,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Identify,
        Self::Track,
        Self::Page,
        Self::Screen,
        Self::Group,
        Self::Alias,
        Self::Delete,
    ];

    /// The kind of an event's `type`, which Segment spells in lower case.
    pub fn from_type(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }

    /// The event's `type` as Segment spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
            Self::Delete => "delete",
        }
    }
}

/// The field in which some SDKs send their key. It is never queued or logged.
pub const WRITE_KEY: &str = "writeKey";

/// An event must be a JSON object; this names what came instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event must be a JSON object, this is {0}")]
pub struct NotAnObject(&'static str);

/// One Segment event. Borrows from the bytes it was parsed from.
#[derive(Clone, PartialEq)]
pub struct Event<'e> {
    fields: Value<'e>,
    /// Which of its ids mean nobody.
    pub(super) nobody: Nobody,
}

impl<'e> Event<'e> {
    /// Takes a parsed JSON value as an event. When a key is repeated, the last one counts. A userId
    /// that is one of `ignored` is nobody's: the event counts as one without, and the field stays.
    ///
    /// # Errors
    /// [`NotAnObject`] for every other JSON type.
    pub fn new(value: Value<'e>, ignored: &IgnoredUserIds) -> Result<Self, NotAnObject> {
        match value {
            Value::Object(_) => {
                let object = with_last_of_equal_keys(value);
                Ok(Self::with_unique_keys(object, ignored))
            }
            Value::Null => Err(NotAnObject("null")),
            Value::Bool(_) => Err(NotAnObject("a boolean")),
            Value::Number(_) => Err(NotAnObject("a number")),
            Value::Str(_) => Err(NotAnObject("a string")),
            Value::Array(_) => Err(NotAnObject("an array")),
        }
    }

    /// Takes an object as an event. No object in it repeats a key.
    pub(crate) fn with_unique_keys(object: Value<'e>, ignored: &IgnoredUserIds) -> Self {
        let mut event = Self {
            fields: object,
            nobody: Nobody::default(),
        };
        event.nobody = event.ids_among(ignored);
        event
    }

    /// An event with nothing but what tells whose it is, which messages, results and log lines need.
    #[must_use]
    pub fn with_ids_alone(self, ignored: &IgnoredUserIds) -> Self {
        const KEPT: [&str; 7] = [
            "type",
            "messageId",
            "userId",
            "anonymousId",
            "groupId",
            "previousId",
            "timestamp",
        ];
        let email = self.email().map(std::borrow::Cow::into_owned);
        let kept = KEPT.into_iter().filter_map(|key| {
            let value = self.fields().get(key)?;
            matches!(value, Value::Str(_) | Value::Number(_)).then(|| (key, value))
        });
        // With the values' own lifetime.
        let mut fields: Vec<(&'e str, Value<'e>)> = Vec::new();
        for (key, value) in kept {
            fields.push((key, owned(value)));
        }
        if let Some(email) = email {
            let traits = vec![("email", Value::Str(email.into()))];
            fields.push(("traits", Value::Object(traits.into())));
        }
        Self::new(Value::Object(fields.into()), ignored).expect("an object's fields make an object")
    }

    /// The event's own fields, in the order sent.
    pub fn fields(&self) -> &Object<'_> {
        self.fields
            .as_object()
            .expect("Event::new takes nothing but objects")
    }

    /// The event's own fields, to change them.
    pub fn into_fields(self) -> Object<'e> {
        match self.fields {
            Value::Object(fields) => fields,
            _ => unreachable!("Event::new takes nothing but objects"),
        }
    }

    /// `writeKey`, when it is a string: some SDKs put it into the event itself.
    pub fn write_key(&self) -> Option<&str> {
        self.fields().get(WRITE_KEY)?.as_str()
    }

    /// The same event as a JSON value.
    pub fn as_value(&self) -> &Value<'e> {
        &self.fields
    }

    /// `type` as sent, when it is a string.
    pub fn type_name(&self) -> Option<&str> {
        self.fields().get("type")?.as_str()
    }

    /// The kind of its type, when it is one of Segment's.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_type(self.type_name()?)
    }

    /// Makes it an event of this kind, which the path of a single call tells.
    pub fn set_type(&mut self, kind: Kind) {
        if let Value::Object(fields) = &mut self.fields {
            fields.insert("type", Value::Str(kind.as_str().into()));
        }
    }

    /// `messageId`, when it is a non-empty string.
    pub fn message_id(&self) -> Option<&str> {
        let id = self.fields().get("messageId")?.as_str()?;
        (!id.is_empty()).then_some(id)
    }

    /// `traits`, when it is an object.
    pub fn traits(&self) -> Option<&Object<'_>> {
        self.object("traits")
    }

    /// `properties`, when it is an object.
    pub fn properties(&self) -> Option<&Object<'_>> {
        self.object("properties")
    }

    /// `context`, when it is an object.
    pub fn context(&self) -> Option<&Object<'_>> {
        self.object("context")
    }

    /// `context.traits`, when it is an object.
    pub fn context_traits(&self) -> Option<&Object<'_>> {
        get_matching(self.context()?, "traits")?.as_object()
    }

    pub(super) fn object(&self, key: &str) -> Option<&Object<'_>> {
        self.fields().get(key)?.as_object()
    }
}

/// Traits can be personal, so only the messageId is shown.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("type", &self.type_name())
            .field("messageId", &self.message_id())
            .finish_non_exhaustive()
    }
}

/// A scalar that borrows nothing.
fn owned<'o>(scalar: &Value<'_>) -> Value<'o> {
    match scalar {
        Value::Str(text) => Value::Str(text.to_string().into()),
        Value::Number(number) => Value::Number(*number),
        _ => Value::Null,
    }
}
