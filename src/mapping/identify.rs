//! identify → `upsert_contact`, then its companies.

use std::borrow::Cow;

use super::values::{ANOTHER_SPELLING, Rules};
use super::{Action, Actions, Attributes, Change, CollectContext, Contact, Mapper, Place};
use crate::segment::{Fields, Object, Value, get_loose, id_text, timestamp};

const TRAITS: Rules = Rules {
    place: Place::Trait,
    is_metadata: false,
};

/// Traits that become `signed_up_at`; the first that is a date wins.
const SIGNED_UP_AT: [&str; 3] = ["created", "createdat", "remotecreatedat"];

/// Traits that the mapping reads. Intercom derives the picture from the email itself, so
/// Segment's destination never sent it. The classic Android library repeats both ids here.
static FIELDS: [&str; 20] = [
    "email",
    "name",
    "phone",
    "phones",
    "created",
    "createdat",
    "remotecreatedat",
    "lastrequestat",
    "avatar",
    "photourl",
    "avatarurl",
    "id",
    "userid",
    "anonymousid",
    "company",
    "companies",
    "firstname",
    "lastname",
    "plan",
    "monthlyspend",
];

/// The traits of a contact.
pub(super) type Traits<'e> = Fields<'e, { FIELDS.len() }>;

/// What the context says of the sender's device, and the custom attribute for it.
const COLLECTED: [(&str, &str, &str); 7] = [
    ("device", "type", "device_type"),
    ("device", "manufacturer", "device_manufacturer"),
    ("device", "model", "device_model"),
    ("os", "name", "os_name"),
    ("os", "version", "os_version"),
    ("app", "name", "app_name"),
    ("app", "version", "app_version"),
];

/// What it says of the connection.
const COLLECTED_WITH_ALL: [(&str, &str); 2] = [("ip", "ip"), ("useragent", "user_agent")];

impl<'e> Mapper<'e, '_> {
    pub(super) fn identify(&mut self) -> Actions<'e> {
        let identity = self.identity()?;
        let event = self.event;
        self.warn_unless_object("traits", event.fields().get("traits"));
        if event.traits().is_none_or(Object::is_empty) {
            let in_context = event
                .context()
                .and_then(|context| get_loose(context, "traits"));
            self.warn_unless_object("context.traits", in_context);
        }
        let object = event.identify_traits();
        let traits = object.map(|object| Fields::of(object, &FIELDS));
        let mut contact = Contact::of(&identity);
        contact.unsubscribed_from_emails = self.unsubscribed_from_emails();
        contact.last_seen_at = self.last_seen_at();
        if let (Some(object), Some(traits)) = (object, &traits) {
            let signed_up_at = traits.first_of(&SIGNED_UP_AT, timestamp);
            contact.email = traits
                .get("email")
                .and_then(Value::as_str)
                .and_then(not_blank);
            contact.phone = phone(traits);
            contact.name = name(traits);
            contact.signed_up_at = signed_up_at.map(|(_, date)| date);
            let last_request_at = traits.get("lastrequestat").and_then(timestamp);
            contact.last_seen_at = contact
                .last_seen_at
                .map(|time| last_request_at.unwrap_or(time));
            let used = Used {
                traits,
                date_of_creation: signed_up_at.map(|(name, _)| name),
                user_id: event.user_id(),
                anonymous_id: event.anonymous_id(),
                is_active: event.is_active(),
                has_phone: traits.get("phone").and_then(text_of).is_some(),
            };
            let attributes = &mut contact.custom_attributes;
            self.add_others(attributes, TRAITS, object, |mapper, key, value| {
                mapper.is_taken(&used, key, value)
            });
        }
        // An address-like userId is the email where no trait is.
        contact.email = contact.email.or_else(|| event.email());
        self.collect_context(&mut contact.custom_attributes);
        let mut actions = Vec::with_capacity(3);
        actions.push(Action::UpsertContact {
            identity: identity.clone(),
            contact,
        });
        if let Some(traits) = &traits {
            self.companies_of_contact(traits, &identity, &mut actions);
        }
        Ok(actions)
    }

    /// Whether a trait is spoken for by a field of the contact, so that it is no custom
    /// attribute. Warns when the field doesn't carry it either.
    fn is_taken(&mut self, used: &Used<'e, '_>, key: &'e str, value: &'e Value<'e>) -> bool {
        let name = used.traits.name_of(key).filter(|_| !value.is_null());
        let is_id = |id: &Option<Cow<'_, str>>| id.is_some() && id_text(value) == *id;
        let problem = match name {
            None | Some("firstname" | "lastname" | "plan" | "monthlyspend") => return false,
            Some("email") if !value.is_string() => Some("it is no string"),
            Some("name" | "phone") if !matches!(value, Value::Str(_) | Value::Number(_)) => {
                Some("it is no string")
            }
            Some("email" | "name" | "phone") => text_of(value).is_none().then_some(EMPTY),
            Some("phones") if used.has_phone || first_phone(value).is_none() => return false,
            Some("phones") if value.as_array().is_some_and(|phones| phones.len() > 1) => {
                Some("only the first one is sent, as the phone")
            }
            Some("id") if !is_id(&used.user_id) => return false,
            Some("userid") if !is_id(&used.user_id) => Some("the event's own userId counts"),
            Some("anonymousid") if !is_id(&used.anonymous_id) => {
                Some("the event's own anonymousId counts")
            }
            Some("avatar" | "photourl" | "avatarurl") => {
                Some("Intercom derives the picture itself")
            }
            Some("lastrequestat") if timestamp(value).is_none() => Some(NO_DATE),
            Some("lastrequestat") if !used.is_active => {
                Some("the event says that the user was not active")
            }
            Some(date) if SIGNED_UP_AT.contains(&date) => {
                date_problem(value, date, used.date_of_creation)
            }
            // Companies are named one by one.
            Some(_) => None,
        };
        let is_first = name.is_some_and(|name| used.traits.is_first(name, value));
        if let Some(reason) = problem.or((!is_first).then_some(ANOTHER_SPELLING)) {
            self.warn(Place::Trait, key, Change::LeftOut(reason));
        }
        true
    }

    fn collect_context(&mut self, attributes: &mut Attributes<'e>) {
        const CONTEXT: Rules = Rules {
            place: Place::Context,
            is_metadata: false,
        };
        let collect = self.settings.collect_context;
        let event = self.event;
        let Some(context) = event
            .context()
            .filter(|_| collect != CollectContext::Nothing)
        else {
            return;
        };
        for (group, field, name) in COLLECTED {
            let holder = get_loose(context, group).and_then(Value::as_object);
            if let Some(value) = holder.and_then(|holder| get_loose(holder, field)) {
                self.add(attributes, CONTEXT, Cow::Borrowed(name), value);
            }
        }
        for (field, name) in COLLECTED_WITH_ALL {
            let value = get_loose(context, field).filter(|_| collect == CollectContext::All);
            if let Some(value) = value {
                self.add(attributes, CONTEXT, Cow::Borrowed(name), value);
            }
        }
    }
}

/// What of an identify has become fields of the contact.
struct Used<'e, 't> {
    traits: &'t Traits<'e>,
    /// Which of [`SIGNED_UP_AT`].
    date_of_creation: Option<&'static str>,
    user_id: Option<Cow<'e, str>>,
    anonymous_id: Option<Cow<'e, str>>,
    is_active: bool,
    has_phone: bool,
}

/// Why an empty text isn't sent.
pub(super) const EMPTY: &str = "it is empty, and would blank what Intercom has";

const NO_DATE: &str = "it is no date";

/// Why a date isn't the one that was used, if it isn't.
pub(super) fn date_problem(
    value: &Value<'_>,
    name: &str,
    used: Option<&str>,
) -> Option<&'static str> {
    if timestamp(value).is_none() {
        Some(NO_DATE)
    } else {
        (used != Some(name)).then_some("another date of creation is used")
    }
}

/// `phone`, else the first of `phones`.
fn phone<'e>(traits: &Traits<'e>) -> Option<Cow<'e, str>> {
    let phone = traits.get("phone").and_then(text_of);
    phone.or_else(|| first_phone(traits.get("phones")?))
}

/// `name`, trimmed; else `firstName lastName` when both exist.
fn name<'e>(traits: &Traits<'e>) -> Option<Cow<'e, str>> {
    let part = |name| traits.get(name)?.as_str().and_then(not_blank);
    let full = || Some(format!("{} {}", part("firstname")?, part("lastname")?).into());
    traits.get("name").and_then(text_of).or_else(full)
}

fn first_phone<'e>(phones: &'e Value<'e>) -> Option<Cow<'e, str>> {
    phones.as_array()?.iter().find_map(id_text)
}

/// A string, trimmed, with something in it, or a number written out.
pub(super) fn text_of<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    match value {
        Value::Str(text) => not_blank(text),
        _ => id_text(value),
    }
}

fn not_blank(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}
