//! One Segment event, with the common fields of Segment's specification.

use std::borrow::Cow;
use std::fmt;

use super::{Object, Value, get_loose, looks_like_email, timestamp_millis};

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
    const ALL: [Self; 7] = [
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

/// The field in which some SDKs send their key. It goes into no queue and no log.
pub const WRITE_KEY: &str = "writeKey";

/// An event must be a JSON object; this names what came instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event must be a JSON object, this is {0}")]
pub struct NotAnObject(&'static str);

/// One Segment event. Borrows from the bytes it was parsed from.
#[derive(Clone, PartialEq)]
pub struct Event<'e> {
    fields: Value<'e>,
}

impl<'e> Event<'e> {
    /// Takes a parsed JSON value as an event.
    ///
    /// # Errors
    /// [`NotAnObject`] for every other JSON type.
    pub fn new(value: Value<'e>) -> Result<Self, NotAnObject> {
        match value {
            Value::Object(_) => Ok(Self { fields: value }),
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

    /// Makes it an event of this kind: the path of a single call says it.
    pub fn set_type(&mut self, kind: Kind) {
        if let Value::Object(fields) = &mut self.fields {
            fields.insert("type", Value::Str(kind.as_str().into()));
        }
    }

    /// `messageId`, when it is a string with something in it.
    pub fn message_id(&self) -> Option<&str> {
        let id = self.fields().get("messageId")?.as_str()?;
        (!id.is_empty()).then_some(id)
    }

    /// `userId`; numbers become strings, an empty one is none.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.id("userId")
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
        get_loose(self.context()?, "traits")?.as_object()
    }

    fn object(&self, key: &str) -> Option<&Object<'_>> {
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

    /// An option of the sender for Intercom: `integrations.Intercom.x`, else
    /// `context.Intercom.x`. `canonical` as in [`get_loose`].
    pub fn option(&self, canonical: &str) -> Option<&Value<'_>> {
        let integrations = self.object("integrations");
        let in_integrations = integrations
            .and_then(|integrations| integrations.get("Intercom")?.as_object())
            .and_then(|options| get_loose(options, canonical));
        in_integrations.or_else(|| {
            let options = get_loose(self.context()?, "intercom")?.as_object()?;
            get_loose(options, canonical)
        })
    }

    /// Whether the user was active: false only when the `active` option, or `context.active`,
    /// says so. An inactive user's "Last Seen" isn't touched.
    pub fn is_active(&self) -> bool {
        let in_context = || get_loose(self.context()?, "active");
        self.option("active").or_else(in_context) != Some(&Value::Bool(false))
    }

    /// Whether the call says of itself that it came from a browser: its `channel` is `client` or
    /// `browser`, or its library is analytics.js.
    pub fn is_from_browser(&self) -> bool {
        let channel = self.fields().get("channel").and_then(Value::as_str);
        let library = || {
            let library = get_loose(self.context()?, "library")?.as_object()?;
            get_loose(library, "name")?.as_str()
        };
        matches!(channel, Some("client" | "browser")) || library() == Some("analytics.js")
    }

    /// When it happened, in Unix seconds: `timestamp`; else corrected for the sender's clock,
    /// `receivedAt − (sentAt − originalTimestamp)`; else `originalTimestamp`; else
    /// `received_at`, the time when this project first saw it (so a retry keeps it).
    pub fn time(&self, received_at: i64) -> i64 {
        let date = |key| timestamp_millis(self.fields().get(key)?);
        let corrected = || {
            let drift = date("sentAt")?.checked_sub(date("originalTimestamp")?)?;
            let received_at = date("receivedAt").unwrap_or(received_at.saturating_mul(1000));
            received_at.checked_sub(drift)
        };
        date("timestamp")
            .or_else(corrected)
            .or_else(|| date("originalTimestamp"))
            .map_or(received_at, |millis| millis.div_euclid(1000))
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
    let email = get_loose(traits?, "email")?.as_str()?.trim();
    (!email.is_empty()).then_some(Cow::Borrowed(email))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event<'_> {
        Event::new(serde_json::from_str(json).expect("valid JSON")).expect("an object")
    }

    #[test]
    fn the_time_of_an_event() {
        let cases = [
            (
                r#"{"timestamp":"2014-03-11","originalTimestamp":"2015-01-01"}"#,
                1_394_496_000,
            ),
            (
                r#"{"originalTimestamp":"2014-03-11T00:00:00Z","sentAt":"2014-03-11T00:01:00Z",
                    "receivedAt":"2014-03-11T02:01:00Z"}"#,
                1_394_503_200,
            ),
            (
                r#"{"originalTimestamp":1000,"sentAt":1060}"#,
                1_700_000_000 - 60,
            ),
            (r#"{"originalTimestamp":"2014-03-11"}"#, 1_394_496_000),
            (r#"{"timestamp":"soon"}"#, 1_700_000_000),
            ("{}", 1_700_000_000),
        ];
        for (json, expected) in cases {
            assert_eq!(event(json).time(1_700_000_000), expected, "{json}");
        }
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

    #[test]
    fn options_and_origin() {
        assert!(event("{}").is_active());
        assert!(!event(r#"{"integrations":{"Intercom":{"active":false}}}"#).is_active());
        assert!(!event(r#"{"context":{"Intercom":{"active":false}}}"#).is_active());
        assert!(!event(r#"{"context":{"active":false}}"#).is_active());
        assert!(
            event(r#"{"integrations":{"Intercom":{"active":true}},"context":{"active":false}}"#)
                .is_active()
        );
        assert!(event(r#"{"channel":"client"}"#).is_from_browser());
        assert!(event(r#"{"context":{"library":{"name":"analytics.js"}}}"#).is_from_browser());
        assert!(!event(r#"{"channel":"server","context":null}"#).is_from_browser());
    }
}
