//! One Segment event, with the common fields of Segment's specification.

use std::borrow::Cow;
use std::fmt;

use super::repeated::with_last_of_equal_keys;
use super::{IgnoredUserIds, Object, Value, get_matching, looks_like_email};

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
    /// Whether its userId means nobody.
    has_ignored_user_id: bool,
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
                let mut event = Self {
                    fields: with_last_of_equal_keys(value),
                    has_ignored_user_id: false,
                };
                event.has_ignored_user_id =
                    event.id("userId").is_some_and(|id| ignored.contains(&id));
                Ok(event)
            }
            Value::Null => Err(NotAnObject("null")),
            Value::Bool(_) => Err(NotAnObject("a boolean")),
            Value::Number(_) => Err(NotAnObject("a number")),
            Value::Str(_) => Err(NotAnObject("a string")),
            Value::Array(_) => Err(NotAnObject("an array")),
        }
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

    /// `userId`, numbers as strings. `None` when it is empty or [means
    /// nobody](Self::new).
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.id("userId").filter(|_| !self.has_ignored_user_id)
    }

    /// The userId, when it [means nobody](Self::new).
    pub fn ignored_user_id(&self) -> Option<Cow<'_, str>> {
        self.id("userId").filter(|_| self.has_ignored_user_id)
    }

    /// `anonymousId`, read like [`Self::user_id`].
    pub fn anonymous_id(&self) -> Option<Cow<'_, str>> {
        self.id("anonymousId")
    }

    /// `groupId`, read like [`Self::user_id`].
    pub fn group_id(&self) -> Option<Cow<'_, str>> {
        self.id("groupId")
    }

    /// `previousId` of an alias, read like [`Self::user_id`].
    pub fn previous_id(&self) -> Option<Cow<'_, str>> {
        self.id("previousId")
    }

    fn id(&self, key: &str) -> Option<Cow<'_, str>> {
        id_text(self.fields().get(key)?)
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

    /// The email that identifies the event's user, by the rule of its kind: traits for an
    /// identify; traits, properties, then `context.traits` for a track; traits or an
    /// address-like groupId for a group; else an address-like userId.
    pub fn email(&self) -> Option<Cow<'_, str>> {
        let of_kind = match self.type_name().and_then(Kind::from_type) {
            Some(Kind::Track) => email_in(self.traits())
                .or_else(|| email_in(self.properties()))
                .or_else(|| email_in(self.context_traits())),
            Some(Kind::Group) => email_in(self.traits())
                .or_else(|| self.group_id().filter(|id| looks_like_email(id))),
            _ => email_in(self.identify_traits()),
        };
        of_kind.or_else(|| self.user_id().filter(|id| looks_like_email(id)))
    }

    /// The traits of an identify: `traits`; when missing or empty, `context.traits`.
    pub fn identify_traits(&self) -> Option<&Object<'_>> {
        self.traits()
            .filter(|traits| !traits.is_empty())
            .or_else(|| self.context_traits())
    }

    /// The user that the event is about, as one string: userId, else email, else anonymousId.
    /// Events of one user are applied in order.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.user_id()
            .or_else(|| self.email())
            .or_else(|| self.anonymous_id())
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

/// An id as a string: numbers are written out, an empty string is no id.
pub(crate) fn id_text<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    match value {
        Value::Str(text) if !text.trim().is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

fn email_in<'e>(traits: Option<&'e Object<'e>>) -> Option<Cow<'e, str>> {
    let email = get_matching(traits?, "email")?.as_str()?.trim();
    (!email.is_empty()).then_some(Cow::Borrowed(email))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event<'_> {
        Event::new(
            serde_json::from_str(json).expect("valid JSON"),
            &IgnoredUserIds::default(),
        )
        .expect("an object")
    }

    #[test]
    fn a_user_id_that_is_nobody() {
        let ignored = IgnoredUserIds::new(["0"]);
        let event = |json: &'static str| {
            let value = serde_json::from_str(json).expect("valid JSON");
            Event::new(value, &ignored).expect("an object")
        };
        let nobody = event(r#"{"type":"track","userId":0,"anonymousId":"a"}"#);
        assert_eq!(nobody.user_id(), None);
        assert_eq!(nobody.user().as_deref(), Some("a"));
        assert_eq!(nobody.ignored_user_id().as_deref(), Some("0"));
        let user = event(r#"{"type":"track","userId":"10"}"#);
        assert_eq!(user.user_id().as_deref(), Some("10"));
        assert_eq!(user.ignored_user_id(), None);
    }

    #[test]
    fn the_email_by_kind() {
        let cases = [
            (
                r#"{"type":"identify","traits":{"Email":" a@b.co "}}"#,
                Some("a@b.co"),
            ),
            (
                r#"{"type":"identify","traits":{},"context":{"traits":{"email":"a@b.co"}}}"#,
                Some("a@b.co"),
            ),
            (r#"{"type":"identify","userId":"a@b.co"}"#, Some("a@b.co")),
            (
                r#"{"type":"track","properties":{"email":"p@b.co"},"context":{"traits":{"email":"c@b.co"}}}"#,
                Some("p@b.co"),
            ),
            (
                r#"{"type":"track","context":{"traits":{"email":"c@b.co"}}}"#,
                Some("c@b.co"),
            ),
            (r#"{"type":"group","groupId":"g@b.co"}"#, Some("g@b.co")),
            (
                r#"{"type":"group","groupId":"g","traits":{"email":"t@b.co"}}"#,
                Some("t@b.co"),
            ),
            (r#"{"type":"track","userId":"u","properties":{}}"#, None),
        ];
        for (json, expected) in cases {
            assert_eq!(event(json).email().as_deref(), expected, "{json}");
        }
    }
}
