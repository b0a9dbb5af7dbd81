//! Fields outside traits and properties: a warning names those that can't be used.

use super::{Anonymous, Change, Mapper, NotSent, Place, named_user};
use crate::segment::{INEXACT, IdField, Kind, Object, Value, email_address, get_matching, read_id};

/// Why an id isn't used.
const NOBODY: &str = "it stands for nobody (see the setting IGNORED_USER_IDS)";

/// Why an address isn't used.
pub(super) const NO_ADDRESS: &str = "it isn't an email address";

impl Mapper<'_, '_> {
    /// Rejects an event whose subject is an id that JSON may have changed on the way.
    pub(super) fn reject_inexact_ids(&self, kind: Kind) -> Result<(), NotSent> {
        let is_lead =
            || self.settings.anonymous == Anonymous::Lead && named_user(self.event).is_none();
        for (field, is_used) in [
            (IdField::UserId, true),
            (IdField::GroupId, kind == Kind::Group),
            (IdField::PreviousId, kind == Kind::Alias),
            (IdField::AnonymousId, is_lead()),
        ] {
            if is_used && self.problem_of(field) == Some(INEXACT) {
                return Err(NotSent::Reject(
                    format!(".{} can't be used: {INEXACT}", field.as_str()).into(),
                ));
            }
        }
        Ok(())
    }

    /// Why the value of this field can't be an id.
    pub(super) fn problem_of(&self, field: IdField) -> Option<&'static str> {
        read_id(self.event.fields().get(field.as_str())?).err()
    }

    /// Warns about the event's own fields that can't be used.
    pub(super) fn warn_of_fields(&mut self, kind: Kind) {
        for (field, is_used) in [
            (IdField::UserId, true),
            (IdField::AnonymousId, true),
            (IdField::GroupId, kind == Kind::Group),
            (IdField::PreviousId, kind == Kind::Alias),
        ] {
            let nobody = self.event.is_nobody(field).then_some(NOBODY);
            if let Some(reason) = nobody
                .or_else(|| self.problem_of(field))
                .filter(|_| is_used)
            {
                self.warn(Place::Field, field.as_str(), Change::LeftOut(reason));
            }
        }
        for field in self.event.unreadable_times() {
            self.warn(Place::Field, field, Change::LeftOut("it isn't a date"));
        }
        if self.event_time().is_after_receipt {
            self.warn(Place::Field, "timestamp", Change::AfterReceipt);
        }
        self.warn_unless_object("context", self.event.fields().get("context"));
        self.warn_unless_object("integrations", self.event.fields().get("integrations"));
        let message_id = self.event.fields().get("messageId");
        if message_id.is_some_and(|id| !id.is_null() && self.event.message_id().is_none()) {
            let reason = "it isn't a text, so a repeat of the event can't be recognised";
            self.warn(Place::Field, "messageId", Change::LeftOut(reason));
        }
        self.warn_of_emails(kind);
        self.warn_of_other_holder(kind);
    }

    /// Warns about emails that don't say who the user is where there is nothing stronger. Those of
    /// an identify are fields of the contact, which warns itself.
    fn warn_of_emails(&mut self, kind: Kind) {
        if self.event.user_id().is_some() || !matches!(kind, Kind::Track | Kind::Group) {
            return;
        }
        let event = self.event;
        for (holder, email) in event.sent_emails() {
            let address = email.as_str().and_then(email_address);
            if address.is_some() {
                return;
            }
            let key = format!("{holder}.email");
            self.warn(Place::Field, key, Change::NoIdentity(NO_ADDRESS));
        }
    }

    /// Warns about properties where traits are read, and the other way round.
    fn warn_of_other_holder(&mut self, kind: Kind) {
        let (holder, reason) = match kind {
            Kind::Identify | Kind::Group => ("properties", "only a track's properties are sent"),
            Kind::Track => ("traits", "a track's data is in its properties"),
            _ => return,
        };
        let says_more = |object: &Object<'_>| {
            let email = get_matching(object, "email").filter(|_| kind == Kind::Track);
            object.len() > usize::from(email.is_some())
        };
        let sent = self.event.fields().get(holder).and_then(Value::as_object);
        if sent.is_some_and(says_more) {
            self.warn(Place::Field, holder, Change::LeftOut(reason));
        }
    }

    /// Warns about a field that should be an object but isn't. An empty list is how PHP writes an
    /// empty object.
    pub(super) fn warn_unless_object(&mut self, field: &'static str, value: Option<&Value<'_>>) {
        let is_fine = match value {
            None | Some(Value::Null | Value::Object(_)) => true,
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        };
        if !is_fine {
            self.warn(Place::Field, field, Change::LeftOut("it isn't an object"));
        }
    }

    /// What becomes of an event that names nobody whom Intercom could know.
    pub(super) fn no_identity(&self) -> NotSent {
        let required = super::NO_IDENTITY;
        let is_lead = self.settings.anonymous == Anonymous::Lead;
        let reason = if let Some(id) = self.event.ignored_user_id() {
            let id = super::truncated(&id);
            format!("{required}, and {id:?} is nobody (see the setting IGNORED_USER_IDS)")
        } else if let Some(problem) = self.problem_of(IdField::UserId) {
            format!("{required}, and the userId can't be used: {problem}")
        } else if self.event.sent_emails().next().is_some() {
            format!("{required}, and the email can't be used: {NO_ADDRESS}")
        } else if is_lead && self.event.is_nobody(IdField::AnonymousId) {
            format!("{required}, and the anonymousId is nobody (see the setting IGNORED_USER_IDS)")
        } else {
            required.to_owned()
        };
        NotSent::Skip(reason.into())
    }
}
