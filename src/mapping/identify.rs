//! identify → `upsert_contact`, then its companies.

use std::borrow::Cow;

use super::claims::{Claims, Fit};
use super::company::Companies;
use super::values::Rules;
use super::{Action, Actions, Attributes, Change, CollectContext, Contact, Mapper, Place};
use crate::segment::{Event, Object, Value, get_loose, id_text, timestamp};

const TRAITS: Rules = Rules {
    place: Place::Trait,
    is_metadata: false,
};

/// Names of the date of creation, of a contact and of a company; the first that is a date wins.
pub(super) const CREATED: [&str; 3] = ["created", "createdat", "remotecreatedat"];

/// The context's fields about the sender's device, and their custom attributes.
const COLLECTED: [(&str, &str, &str); 7] = [
    ("device", "type", "device_type"),
    ("device", "manufacturer", "device_manufacturer"),
    ("device", "model", "device_model"),
    ("os", "name", "os_name"),
    ("os", "version", "os_version"),
    ("app", "name", "app_name"),
    ("app", "version", "app_version"),
];

/// The context's fields about the connection.
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
        let mut contact = Contact::of(&identity);
        contact.unsubscribed_from_emails = self.unsubscribed_from_emails();
        contact.last_seen_at = self.last_seen_at();
        let mut companies = Companies::default();
        if let Some(object) = event.identify_traits() {
            let mut traits = Claims::new(object);
            claim_fields(event, &mut traits, &mut contact);
            companies = Companies::claim(&mut traits);
            self.add_unclaimed(&mut contact.custom_attributes, TRAITS, traits);
        }
        // Without a trait, a userId that looks like an address is the email.
        contact.email = contact.email.or_else(|| event.email());
        self.collect_context(&mut contact.custom_attributes);
        let mut actions = Vec::with_capacity(3);
        actions.push(Action::UpsertContact {
            identity: identity.clone(),
            contact,
        });
        self.companies_of_contact(&companies, &identity, &mut actions);
        Ok(actions)
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

/// The traits that become fields of the contact, and those that never become custom attributes.
fn claim_fields<'e>(event: &'e Event<'e>, traits: &mut Claims<'e>, contact: &mut Contact<'e>) {
    contact.email = traits.claim("email", |value| match value {
        Value::Str(_) => text(value),
        _ => Fit::LeftOut(NOT_A_STRING),
    });
    contact.name = traits.claim("name", text).or_else(|| full_name(traits));
    contact.phone = traits.claim("phone", text);
    if contact.phone.is_none() {
        contact.phone = traits.claim("phones", first_phone);
    }
    contact.signed_up_at = traits.claim_first(&CREATED, ANOTHER_DATE, date);
    let last_request_at = traits.claim("lastrequestat", |value| match date(value) {
        Fit::Whole(_) if !event.is_active() => {
            Fit::LeftOut("the event says that the user was not active")
        }
        fit => fit,
    });
    contact.last_seen_at = last_request_at.or(contact.last_seen_at);
    traits.ignore(
        &["avatar", "photourl", "avatarurl"],
        "Intercom derives the picture itself",
    );
    claim_ids(event, traits);
}

/// Ids that repeat the event's own. The classic Android library puts both into the traits.
fn claim_ids<'e>(event: &'e Event<'e>, traits: &mut Claims<'e>) {
    let (user_id, anonymous_id) = (event.user_id(), event.anonymous_id());
    for (name, id, problem) in [
        ("id", &user_id, None),
        ("userid", &user_id, Some("the event's own userId counts")),
        (
            "anonymousid",
            &anonymous_id,
            Some("the event's own anonymousId counts"),
        ),
    ] {
        traits.claim(name, |value| match problem {
            _ if id.is_some() && id_text(value) == *id => Fit::Whole(()),
            Some(problem) => Fit::LeftOut(problem),
            None => Fit::Attribute(None),
        });
    }
}

/// Why a value of another type isn't a text.
pub(super) const NOT_A_STRING: &str = "it isn't a string";

/// Why a text that is empty isn't sent.
pub(super) const EMPTY: &str = "it is empty, and would blank what Intercom has";

/// Why a date of creation isn't sent beside another.
pub(super) const ANOTHER_DATE: &str = "another date of creation is used";

/// A string with something in it, or a number written out.
fn text<'e>(value: &'e Value<'e>) -> Fit<'e, Cow<'e, str>> {
    match (text_of(value), value) {
        (Some(text), _) => Fit::Whole(text),
        (None, Value::Str(_)) => Fit::LeftOut(EMPTY),
        (None, _) => Fit::LeftOut(NOT_A_STRING),
    }
}

/// A date, in Unix seconds.
pub(super) fn date<'e>(value: &'e Value<'e>) -> Fit<'e, i64> {
    timestamp(value).map_or(Fit::LeftOut("it isn't a date"), Fit::Whole)
}

/// `firstName lastName` when both exist. Both stay custom attributes.
fn full_name<'e>(traits: &Claims<'e>) -> Option<Cow<'e, str>> {
    let part = |name| traits.get(name)?.as_str().and_then(not_blank);
    Some(format!("{} {}", part("firstname")?, part("lastname")?).into())
}

/// The first of several phones.
fn first_phone<'e>(phones: &'e Value<'e>) -> Fit<'e, Cow<'e, str>> {
    let Some(phones) = phones.as_array() else {
        return Fit::Attribute(None);
    };
    match phones.iter().find_map(id_text) {
        None => Fit::Attribute(None),
        Some(first) if phones.len() == 1 => Fit::Whole(first),
        Some(first) => {
            let reason = "only the first one is sent, as the phone";
            Fit::Changed(first, Change::LeftOut(reason))
        }
    }
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
