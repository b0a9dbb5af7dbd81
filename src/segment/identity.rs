//! Whom an event is about: its ids and its email.
//!
//! The rules and their reasons: `docs/mapping.md#who`.

use std::borrow::Cow;

use super::id::id_text;
use super::{Event, IgnoredUserIds, Kind, Object, Value, email_address, get_matching};

/// The fields of an event that hold an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are Segment's own words")]
pub enum IdField {
    UserId,
    AnonymousId,
    GroupId,
    PreviousId,
}

impl IdField {
    const ALL: [Self; 4] = [
        Self::UserId,
        Self::AnonymousId,
        Self::GroupId,
        Self::PreviousId,
    ];

    /// The field's name, as Segment spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserId => "userId",
            Self::AnonymousId => "anonymousId",
            Self::GroupId => "groupId",
            Self::PreviousId => "previousId",
        }
    }
}

/// Which of an event's ids mean nobody, in the order of [`IdField`].
pub(super) type Nobody = [bool; IdField::ALL.len()];

impl Event<'_> {
    /// Which of its ids are among `ignored`.
    pub(super) fn ids_among(&self, ignored: &IgnoredUserIds) -> Nobody {
        IdField::ALL.map(|field| {
            let id = self.sent_id(field);
            id.is_some_and(|id| ignored.contains(&id))
        })
    }

    /// The id in a field, as [`read_id`](super::read_id) reads it. `None` also when it [means
    /// nobody](Self::new).
    pub fn id(&self, field: IdField) -> Option<Cow<'_, str>> {
        self.sent_id(field).filter(|_| !self.is_nobody(field))
    }

    /// Whether the id in a field [means nobody](Self::new).
    pub fn is_nobody(&self, field: IdField) -> bool {
        self.nobody[field as usize]
    }

    fn sent_id(&self, field: IdField) -> Option<Cow<'_, str>> {
        id_text(self.fields().get(field.as_str())?)
    }

    /// The id in `userId`.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        self.id(IdField::UserId)
    }

    /// The userId, when it [means nobody](Self::new).
    pub fn ignored_user_id(&self) -> Option<Cow<'_, str>> {
        let sent = self.sent_id(IdField::UserId);
        sent.filter(|_| self.is_nobody(IdField::UserId))
    }

    /// The id in `anonymousId`.
    pub fn anonymous_id(&self) -> Option<Cow<'_, str>> {
        self.id(IdField::AnonymousId)
    }

    /// The id in `groupId`.
    pub fn group_id(&self) -> Option<Cow<'_, str>> {
        self.id(IdField::GroupId)
    }

    /// The id in `previousId` of an alias.
    pub fn previous_id(&self) -> Option<Cow<'_, str>> {
        self.id(IdField::PreviousId)
    }

    /// The email that identifies the event's user, by the rule of its kind: traits for an
    /// identify; traits, properties, then `context.traits` for a track; traits or an
    /// address-like groupId for a group; else an address-like userId. Only an
    /// [address](email_address) counts.
    pub fn email(&self) -> Option<Cow<'_, str>> {
        let sent = self.sent_emails();
        let sent = sent.filter_map(|(_, email)| email_address(email.as_str()?));
        let is_group = self.kind() == Some(Kind::Group);
        let of_group = || self.group_id().filter(|_| is_group).and_then(address);
        let of_user = || self.user_id().and_then(address);
        sent.into_iter().next().or_else(of_group).or_else(of_user)
    }

    /// What stands as an email where [`Self::email`] looks for one, with the field in which it
    /// stands. Not all of it needs to be an address.
    pub fn sent_emails(&self) -> impl Iterator<Item = (&'static str, &Value<'_>)> {
        let holders = match self.kind() {
            Some(Kind::Track) => [
                ("traits", self.traits()),
                ("properties", self.properties()),
                ("context.traits", self.context_traits()),
            ],
            Some(Kind::Group) => [("traits", self.traits()), ("", None), ("", None)],
            _ => [("traits", self.identify_traits()), ("", None), ("", None)],
        };
        let email = |holder: Option<_>| get_matching(holder?, "email");
        let emails = holders.into_iter();
        emails.filter_map(move |(field, holder)| Some((field, email(holder)?)))
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

/// The address that an id is.
fn address(id: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match id {
        Cow::Borrowed(id) => email_address(id),
        Cow::Owned(id) => email_address(&id).map(|address| Cow::Owned(address.into_owned())),
    }
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
    fn ids_that_are_nobody() {
        let ignored = IgnoredUserIds::new(["0"]);
        let event = |json: &'static str| {
            let value = serde_json::from_str(json).expect("valid JSON");
            Event::new(value, &ignored).expect("an object")
        };
        let nobody = event(r#"{"type":"track","userId":0,"anonymousId":"a"}"#);
        assert_eq!(nobody.user_id(), None);
        assert_eq!(nobody.user().as_deref(), Some("a"));
        assert_eq!(nobody.ignored_user_id().as_deref(), Some("0"));
        let others = event(r#"{"type":"alias","anonymousId":0,"previousId":"0","groupId":" 0 "}"#);
        assert_eq!(others.user(), None);
        assert_eq!(others.previous_id(), None);
        assert_eq!(others.group_id(), None);
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
            (
                r#"{"type":"track","properties":{"email":"none"},"context":{"traits":{"email":"c@b.co"}}}"#,
                Some("c@b.co"),
            ),
            (
                r#"{"type":"identify","userId":"a@b.co","traits":{"email":"a@b"}}"#,
                Some("a@b.co"),
            ),
            (
                r#"{"type":"identify","traits":{"email":"mailto:a@b.co"}}"#,
                Some("a@b.co"),
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(event(json).email().as_deref(), expected, "{json}");
        }
    }
}
