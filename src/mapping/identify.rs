//! identify → `upsert_contact`, then its companies.

use std::borrow::Cow;

use super::attributes::{ANOTHER_SPELLING, Rules, date_problem, field_of, first_of};
use super::{Action, Actions, Attributes, Change, Contact, Identity, Mapper, Place};
use crate::segment::{Object, Value, get_loose, id_text, timestamp};

const TRAITS: Rules = Rules {
    place: Place::Trait,
    is_metadata: false,
};

/// Traits that become `signed_up_at`; the first that is a date wins.
const SIGNED_UP_AT: [&str; 3] = ["created", "createdat", "remotecreatedat"];

/// Traits that are no custom attributes. Intercom derives the picture from the email itself, so
/// Segment's destination never sent it.
const FIELDS: [&str; 14] = [
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
    "company",
    "companies",
];

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

impl<'e> Mapper<'e, '_> {
    pub(super) fn identify(&mut self) -> Actions<'e> {
        let identity = self.identity()?;
        let contact = self.contact(&identity);
        let mut actions = Vec::with_capacity(3);
        actions.push(Action::UpsertContact {
            identity: identity.clone(),
            contact,
        });
        if let Some(traits) = self.event.identify_traits() {
            self.companies_of_contact(traits, &identity, &mut actions);
        }
        Ok(actions)
    }

    fn contact(&mut self, identity: &Identity<'e>) -> Contact<'e> {
        let mut contact = Contact::of(identity);
        contact.unsubscribed_from_emails = self.unsubscribed_from_emails();
        if self.event.option("hidedefaultlauncher").is_some() {
            let reason = "only Intercom's Messenger in the browser knows it";
            self.warn(
                Place::Option,
                "hideDefaultLauncher",
                Change::LeftOut(reason),
            );
        }
        contact.last_seen_at = self.last_seen_at();
        if let Some(traits) = self.event.identify_traits() {
            set_fields(&mut contact, traits);
            let attributes = &mut contact.custom_attributes;
            self.add_others(attributes, TRAITS, traits, |mapper, key, value| {
                mapper.is_taken(traits, key, value)
            });
        }
        // An address-like userId is the email where no trait is.
        contact.email = contact.email.or_else(|| self.event.email());
        if self.settings.collect_context {
            self.collect_context(&mut contact.custom_attributes);
        }
        contact
    }

    /// Whether a trait is spoken for by a field of the contact, so that it is no custom
    /// attribute. Warns when the field doesn't carry it either.
    fn is_taken(&mut self, traits: &'e Object<'e>, key: &'e str, value: &'e Value<'e>) -> bool {
        let Some(field) = field_of(key, &FIELDS).filter(|_| !value.is_null()) else {
            return false;
        };
        let problem = match field {
            "email" => (!value.is_string()).then_some("it is no string"),
            "name" | "phone" => id_or_empty(value).is_none().then_some("it is no string"),
            "phones" if get_loose(traits, "phone").is_some() || first_phone(value).is_none() => {
                return false;
            }
            "phones" if value.as_array().is_some_and(|phones| phones.len() > 1) => {
                Some("only the first one is sent, as the phone")
            }
            "id" if id_text(value).is_none() || id_text(value) != self.event.user_id() => {
                return false;
            }
            "avatar" | "photourl" | "avatarurl" => Some("Intercom derives the picture itself"),
            "lastrequestat" if timestamp(value).is_none() => Some("it is no date"),
            "lastrequestat" if !self.event.is_active() => {
                Some("the event says that the user was not active")
            }
            "companies" if get_loose(traits, "company").is_some() => {
                Some("the trait company is used")
            }
            date if SIGNED_UP_AT.contains(&date) => {
                date_problem(value, date, first_of(traits, &SIGNED_UP_AT, timestamp))
            }
            _ => None,
        };
        let is_first = get_loose(traits, field).is_some_and(|first| std::ptr::eq(first, value));
        if let Some(reason) = problem.or((!is_first).then_some(ANOTHER_SPELLING)) {
            self.warn(Place::Trait, key, Change::LeftOut(reason));
        }
        true
    }

    fn unsubscribed_from_emails(&mut self) -> Option<bool> {
        const OPTION: &str = "unsubscribedFromEmails";
        let option = self.event.option("unsubscribedfromemails")?;
        let reason = match option.as_bool() {
            Some(unsubscribed) if !self.is_from_browser() => return Some(unsubscribed),
            Some(_) => "only calls of a server may set it",
            None => "it is no boolean",
        };
        self.warn(Place::Option, OPTION, Change::LeftOut(reason));
        None
    }

    fn collect_context(&mut self, attributes: &mut Attributes<'e>) {
        const CONTEXT: Rules = Rules {
            place: Place::Context,
            is_metadata: false,
        };
        let Some(context) = self.event.context() else {
            return;
        };
        for (group, field, name) in COLLECTED {
            let holder = get_loose(context, group).and_then(Value::as_object);
            let value = holder.and_then(|holder| get_loose(holder, field));
            if let Some(value) = value {
                self.add(attributes, CONTEXT, Cow::Borrowed(name), value);
            }
        }
    }
}

/// Sets the fields that stand in the traits.
fn set_fields<'e>(contact: &mut Contact<'e>, traits: &'e Object<'e>) {
    if let Some(Value::Str(email)) = get_loose(traits, "email") {
        contact.email = Some(Cow::Borrowed(email.trim()));
    }
    contact.phone = phone(traits);
    contact.name = name(traits);
    contact.signed_up_at = first_of(traits, &SIGNED_UP_AT, timestamp).map(|(_, date)| date);
    if contact.last_seen_at.is_some() {
        let last_request_at = get_loose(traits, "lastrequestat").and_then(timestamp);
        contact.last_seen_at = last_request_at.or(contact.last_seen_at);
    }
}

/// `phone`, else the first of `phones`.
fn phone<'e>(traits: &'e Object<'e>) -> Option<Cow<'e, str>> {
    match get_loose(traits, "phone") {
        Some(phone) => id_or_empty(phone),
        None => first_phone(get_loose(traits, "phones")?),
    }
}

/// `name`, trimmed; else `firstName lastName` when both exist.
fn name<'e>(traits: &'e Object<'e>) -> Option<Cow<'e, str>> {
    let text = |key| Some(get_loose(traits, key)?.as_str()?.trim());
    if let Some(name) = get_loose(traits, "name").and_then(id_or_empty) {
        return Some(name);
    }
    let (first, last) = (text("firstname")?, text("lastname")?);
    (!first.is_empty() && !last.is_empty()).then(|| format!("{first} {last}").into())
}

fn first_phone<'e>(phones: &'e Value<'e>) -> Option<Cow<'e, str>> {
    phones.as_array()?.iter().find_map(id_text)
}

/// A string, trimmed and possibly empty (an empty one is sent), or a number written out.
pub(super) fn id_or_empty<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text.trim())),
        _ => id_text(value),
    }
}
