//! identify → `upsert_contact`, then its companies.

use std::borrow::Cow;

use super::attribute_names::Naming;
use super::event_fields::NO_ADDRESS;
use super::field_reader::{FieldReader, Fit};
use super::field_values::{
    ANOTHER_DATE, CREATED, EMPTY, NOT_A_STRING, cut_to_fit, date, not_blank, text,
};
use super::memberships::NamedCompanies;
use super::options::{ONLY_SERVERS, UNSUBSCRIBED};
use super::text::{MAX_VALUE_CHARS, cut};
use super::values::Rules;
use super::{
    Action, Actions, Attributes, Change, Channel, CollectContext, ContactFields, Mapper, Place,
};
use crate::segment::{Event, Object, Value, email_address, get_matching, id_text};

const TRAITS: Rules = Rules {
    place: Place::Trait,
    naming: Naming::Attribute,
};

/// Names of the date when the user signed up; the first that is a date wins.
const SIGNED_UP: [&str; 4] = [CREATED[0], CREATED[1], CREATED[2], "signedupat"];

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
        let mut contact = ContactFields::of(&identity);
        contact.unsubscribed_from_emails = self.unsubscribed_from_emails();
        contact.last_seen_at = self.last_seen_at();
        let mut companies = NamedCompanies::default();
        if let Some(object) = event.identify_traits() {
            let mut traits = FieldReader::new(object);
            self.read_fields(&mut traits, &mut contact);
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

    /// The traits that become fields of the contact, and those that never become custom attributes.
    fn read_fields(&mut self, traits: &mut FieldReader<'e>, contact: &mut ContactFields<'e>) {
        let event = self.event;
        contact.email = traits.read("email", |value| match value {
            Value::Str(sent) if sent.trim().is_empty() => Fit::LeftOut(EMPTY),
            Value::Str(sent) => email_address(sent).map_or(Fit::LeftOut(NO_ADDRESS), Fit::Whole),
            _ => Fit::LeftOut(NOT_A_STRING),
        });
        let name = traits.read("name", |value| match text(value) {
            Fit::Whole(name) => cut_to_fit(name),
            fit => fit,
        });
        contact.name = name.or_else(|| {
            let (name, is_cut) = cut(full_name(traits)?);
            if is_cut {
                self.warn(Place::Trait, "name", Change::Cut(MAX_VALUE_CHARS));
            }
            Some(name)
        });
        contact.phone = traits.read("phone", text);
        if contact.phone.is_none() {
            contact.phone = traits.read("phones", first_phone);
        }
        contact.signed_up_at = traits.read_first(&SIGNED_UP, ANOTHER_DATE, date);
        let received_at = self.arrival.received_at_millis.div_euclid(1000);
        let last_request_at = traits.read("lastrequestat", |value| match date(value) {
            Fit::Whole(_) if !event.is_active() => {
                Fit::LeftOut("the event says that the user was not active")
            }
            Fit::Whole(date) if date > received_at => {
                Fit::Changed(received_at, Change::AfterReceipt)
            }
            fit => fit,
        });
        contact.last_seen_at = last_request_at.or(contact.last_seen_at);
        contact.language_override = traits.read("languageoverride", text);
        self.read_unsubscribed(traits, contact);
        let is_public = self.arrival.sender.channel == Channel::Public;
        contact.owner_id = traits.read("owner_id", |value| match value.as_i64() {
            _ if is_public => Fit::LeftOut("a public write key can't set the owner"),
            Some(id) if id > 0 => Fit::Whole(id),
            _ => Fit::LeftOut("it isn't the number of a teammate"),
        });
        traits.ignore(
            &["avatar", "photourl", "avatarurl"],
            "Intercom derives the picture itself",
        );
        read_ids(event, traits);
    }

    /// The trait of Intercom's own name; the option of the same meaning goes first.
    fn read_unsubscribed(&self, traits: &mut FieldReader<'e>, contact: &mut ContactFields<'e>) {
        let option = contact.unsubscribed_from_emails;
        let is_from_browser = self.is_from_browser();
        let in_traits = traits.read(UNSUBSCRIBED, |value| match value {
            Value::Bool(_) if is_from_browser => Fit::LeftOut(ONLY_SERVERS),
            Value::Bool(_) if option.is_some() => Fit::LeftOut("the option of this name counts"),
            Value::Bool(unsubscribed) => Fit::Whole(*unsubscribed),
            _ => Fit::LeftOut("it isn't a boolean"),
        });
        contact.unsubscribed_from_emails = option.or(in_traits);
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
        (
            "external_id",
            &user_id,
            Some("the event's own userId counts"),
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
