//! identify → `upsert_contact`, then its companies.

use std::borrow::Cow;

use super::attribute_names::Naming;
use super::company::NamedCompanies;
use super::field_reader::{FieldReader, Fit};
use super::field_values::{ANOTHER_DATE, CREATED, NOT_A_STRING, date, not_blank, text};
use super::values::Rules;
use super::{Action, Actions, Attributes, Change, CollectContext, Contact, Mapper, Place};
use crate::segment::{Event, Object, Value, get_matching, id_text};

const TRAITS: Rules = Rules {
    place: Place::Trait,
    naming: Naming::Attribute,
};

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
                .and_then(|context| get_matching(context, "traits"));
            self.warn_unless_object("context.traits", in_context);
        }
        let mut contact = Contact::of(&identity);
        contact.unsubscribed_from_emails = self.unsubscribed_from_emails();
        contact.last_seen_at = self.last_seen_at();
        let mut companies = NamedCompanies::default();
        if let Some(object) = event.identify_traits() {
            let mut traits = FieldReader::new(object);
            read_fields(event, &mut traits, &mut contact);
            companies = NamedCompanies::read(&mut traits);
            self.add_unread(&mut contact.custom_attributes, TRAITS, traits);
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
            naming: Naming::Attribute,
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
            let holder = get_matching(context, group).and_then(Value::as_object);
            if let Some(value) = holder.and_then(|holder| get_matching(holder, field)) {
                self.add(attributes, CONTEXT, Cow::Borrowed(name), value);
            }
        }
        for (field, name) in COLLECTED_WITH_ALL {
            let value = get_matching(context, field).filter(|_| collect == CollectContext::All);
            if let Some(value) = value {
                self.add(attributes, CONTEXT, Cow::Borrowed(name), value);
            }
        }
    }
}

/// The traits that become fields of the contact, and those that never become custom attributes.
fn read_fields<'e>(event: &'e Event<'e>, traits: &mut FieldReader<'e>, contact: &mut Contact<'e>) {
    contact.email = traits.read("email", |value| match value {
        Value::Str(_) => text(value),
        _ => Fit::LeftOut(NOT_A_STRING),
    });
    contact.name = traits.read("name", text).or_else(|| full_name(traits));
    contact.phone = traits.read("phone", text);
    if contact.phone.is_none() {
        contact.phone = traits.read("phones", first_phone);
    }
    contact.signed_up_at = traits.read_first(&CREATED, ANOTHER_DATE, date);
    let last_request_at = traits.read("lastrequestat", |value| match date(value) {
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
    read_ids(event, traits);
}

/// Ids that repeat the event's own. The classic Android library puts both into the traits.
fn read_ids<'e>(event: &'e Event<'e>, traits: &mut FieldReader<'e>) {
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
        traits.read(name, |value| match problem {
            _ if id.is_some() && id_text(value) == *id => Fit::Whole(()),
            Some(problem) => Fit::LeftOut(problem),
            None => Fit::Attribute(None),
        });
    }
}

/// `firstName lastName` when both exist. Both stay custom attributes.
fn full_name<'e>(traits: &FieldReader<'e>) -> Option<Cow<'e, str>> {
    let part = |name| traits.peek(name)?.as_str().and_then(not_blank);
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
