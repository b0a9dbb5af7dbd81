//! What holds for every event, however strange. The property tests and the fuzz targets
//! (`fuzz/src/lib.rs`) check the same.

use std::borrow::Cow;
use std::collections::HashSet;

use segment_intercom::mapping::{
    Action, Arrival, Budget, ContactFields, Mapped, NotSent, Place, Settings, Warning,
};
use segment_intercom::segment::{
    Event, IdField, Kind, Object, Value, email_address, key_matches, read_id, timestamp,
};

/// Maps an event that comes alone.
fn map<'e>(
    event: &'e Event<'e>,
    arrival: Arrival,
    settings: &Settings,
) -> Result<Mapped<'e>, NotSent> {
    segment_intercom::mapping::map(event, arrival, settings, &mut Budget::default())
}

/// The same event gives the same actions.
pub(crate) fn same_again(event: &Event<'_>, arrival: Arrival, settings: &Settings) {
    let copy = event.clone();
    assert_eq!(
        map(event, arrival, settings),
        map(&copy, arrival, settings),
        "the same event"
    );
}

/// Actions hold nothing that Intercom refuses; what isn't sent has a reason.
pub(crate) fn what_intercom_takes(event: &Event<'_>, arrival: Arrival, settings: &Settings) {
    match map(event, arrival, settings) {
        Ok(Mapped { actions, warnings }) => {
            assert!(!actions.is_empty());
            let sent = serde_json::to_string(&actions).expect("JSON");
            check_value("", &serde_json::from_str(&sent).expect("JSON"), settings);
            let mut lines = warnings.iter().map(ToString::to_string);
            assert!(lines.all(|line| !line.is_empty()));
        }
        Err(NotSent::Skip(reason) | NotSent::Reject(reason) | NotSent::Forbid(reason)) => {
            assert!(!reason.is_empty());
        }
    }
}

/// Every trait of an identify is in its actions or in a warning.
pub(crate) fn every_trait_is_sent_or_named(
    event: &Event<'_>,
    arrival: Arrival,
    settings: &Settings,
) {
    let Ok(Mapped { actions, warnings }) = map(event, arrival, settings) else {
        return;
    };
    if event.type_name() != Some("identify") {
        return;
    }
    for (key, value) in event.identify_traits().into_iter().flat_map(Object::iter) {
        assert!(
            is_named(key, &warnings) || is_sent(key, &actions) || repeats_an_id(key, value, event),
            "{key:?}: {value} is neither in {actions:?} nor in {warnings:?}"
        );
    }
}

/// Every property of a track is in its event or in a warning.
pub(crate) fn every_property_is_sent_or_named(
    event: &Event<'_>,
    arrival: Arrival,
    settings: &Settings,
) {
    let Ok(Mapped { actions, warnings }) = map(event, arrival, settings) else {
        return;
    };
    if event.type_name() != Some("track") {
        return;
    }
    let [Action::CreateEvent { event: sent, .. }] = actions.as_slice() else {
        panic!("a track is one event, not {actions:?}");
    };
    let metadata: Vec<&str> = sent.metadata.iter().map(|(key, _)| key).collect();
    let has_price = sent.metadata.get("price").is_some_and(Value::is_object);
    for (key, value) in event.properties().into_iter().flat_map(Object::iter) {
        let is_price = has_price && (key_matches(key, "revenue") || key_matches(key, "currency"));
        assert!(
            is_price
                || warnings.iter().any(|warning| is_about(key, &warning.key))
                || metadata.iter().any(|name| is_about(key, name)),
            "{key:?}: {value} is neither in {metadata:?} nor in {warnings:?}"
        );
    }
}

/// What stands outside of traits and properties is used or in a warning: ids, times, options.
pub(crate) fn every_field_is_used_or_named(
    event: &Event<'_>,
    arrival: Arrival,
    settings: &Settings,
) {
    let Ok(Mapped { actions, warnings }) = map(event, arrival, settings) else {
        return;
    };
    let sent = serde_json::to_string(&actions).expect("JSON");
    let is_named = |place: Place, key: &str| {
        let mut warnings = warnings.iter();
        warnings.any(|warning| warning.place == place && warning.key == key)
    };
    let fields = event.fields();
    let value_of = |key: &str| fields.get(key).filter(|value| !value.is_null());
    for field in ["timestamp", "originalTimestamp", "sentAt", "receivedAt"] {
        let is_read = value_of(field).is_none_or(|value| timestamp(value).is_some());
        assert!(
            is_read || is_named(Place::Field, field),
            "{field} in {event:?}"
        );
    }
    let kind = event.kind().expect("it has actions");
    for (field, is_of_kind, is_sent) in [
        (IdField::UserId, true, true),
        (IdField::AnonymousId, true, false),
        (IdField::GroupId, kind == Kind::Group, true),
        (IdField::PreviousId, kind == Kind::Alias, true),
    ] {
        let Some(value) = value_of(field.as_str()).filter(|_| is_of_kind) else {
            continue;
        };
        let is_used = match event.id(field) {
            Some(id) => {
                let id = serde_json::to_string(&id).expect("JSON");
                !is_sent || sent.contains(&id) || actions.len() == 1
            }
            // Blank: nothing was sent.
            None => read_id(value) == Ok(None),
        };
        let name = field.as_str();
        assert!(
            is_used || is_named(Place::Field, name),
            "{name} {value} in {sent}"
        );
    }
    for options in event.options() {
        for (key, value) in options.iter() {
            let is_used = value.is_null()
                || key_matches(key, "userhash")
                || value.is_bool()
                    && (key_matches(key, "active") || key_matches(key, "unsubscribedfromemails"));
            assert!(is_used || is_named(Place::Option, key), "{key}: {value}");
        }
    }
    for field in ["context", "integrations"] {
        let is_empty = |value: &Value<'_>| value.as_array().is_some_and(<[_]>::is_empty);
        let is_read = value_of(field).is_none_or(|value| value.is_object() || is_empty(value));
        assert!(is_read || is_named(Place::Field, field), "{field}");
    }
}

/// Checks one value of an action, and all in it, against what Intercom takes.
fn check_value(place: &str, value: &Value<'_>, settings: &Settings) {
    assert!(!value.is_null(), "{place} is null");
    for item in value.as_array().into_iter().flatten() {
        check_value(place, item, settings);
    }
    let Some(object) = value.as_object() else {
        return;
    };
    let mut keys = HashSet::new();
    for (key, value) in object.iter() {
        assert!(keys.insert(key), "{key} twice in {place}");
        match (place, key) {
            ("custom_attributes", _) => check_custom_attribute(key, value),
            ("metadata", _) => check_metadata(key, value),
            (_, "signed_up_at" | "last_seen_at" | "remote_created_at" | "created_at") => {
                assert!(value.as_i64().is_some(), "{key}: {value}");
            }
            (_, "email") => {
                let email = value.as_str().expect("a text");
                assert_eq!(email_address(email).as_deref(), Some(email));
            }
            ("contact" | "company", "name" | "industry") | ("event", "event_name") => {
                assert!(is_short_scalar(value), "{key}: {value}");
            }
            (_, "external_id" | "anonymous_id" | "company_id" | "user_id") => {
                let id = value.as_str().expect("a text");
                assert!(!id.is_empty() && id.trim() == id && !id.contains(char::is_control));
                assert!(!settings.ignored_user_ids.contains(id), "{key}: {id}");
            }
            (_, "monthly_spend" | "size") => {
                let is_stored = value.as_i64().is_some_and(|n| n.abs() < 1 << 31);
                assert!(is_stored, "{key}: {value}");
            }
            _ => check_value(key, value, settings),
        }
    }
    if place == "metadata" {
        assert!(keys.len() <= settings.metadata_limit);
    }
}

fn check_custom_attribute(key: &str, value: &Value<'_>) {
    let is_key = !key.is_empty() && !key.contains(['.', '$']) && key.chars().count() <= 190;
    assert!(is_key, "{key:?}");
    assert!(is_short_scalar(value) || value.is_bool(), "{key}: {value}");
}

fn check_metadata(key: &str, value: &Value<'_>) {
    assert!(!key.is_empty());
    let Some(object) = value.as_object() else {
        assert!(is_short_scalar(value), "{key}: {value}");
        return;
    };
    let is_text = |key| object.get(key).is_some_and(Value::is_string);
    let is_price = key == "price"
        && object
            .get("amount")
            .and_then(Value::as_i64)
            .is_some_and(|amount| amount > 0)
        && object
            .get("currency")
            .and_then(Value::as_str)
            .is_some_and(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()));
    let is_short_text = |key| is_text(key) && object.get(key).is_some_and(is_short_scalar);
    let is_link = is_short_text("url") && is_short_text("value");
    assert!(object.len() == 2 && (is_price || is_link), "{key}: {value}");
}

fn is_short_scalar(value: &Value<'_>) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Str(text) => text.chars().count() <= 255,
        _ => false,
    }
}

/// Whether `name` is the key, or a flattened one of what is under the key.
fn is_about(key: &str, name: &str) -> bool {
    name.strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn is_named(key: &str, warnings: &[Warning<'_>]) -> bool {
    let mut warnings = warnings
        .iter()
        .filter(|warning| warning.place == Place::Trait);
    // A company is named by the trait's name, however it was spelt.
    warnings.any(|warning| is_about(key, &warning.key) || key_matches(key, &warning.key))
}

fn is_sent(key: &str, actions: &[Action<'_>]) -> bool {
    let [Action::UpsertContact { contact, .. }, companies @ ..] = actions else {
        panic!("an identify starts with its contact, not {actions:?}");
    };
    let is = |field: &str| key_matches(key, field);
    contact
        .custom_attributes
        .iter()
        .any(|(name, _)| is_about(key, name))
        || (is("company") || is("companies")) && !companies.is_empty()
        || is_field(key, contact)
}

fn is_field(key: &str, contact: &ContactFields<'_>) -> bool {
    let is = |field: &str| key_matches(key, field);
    is("email") && contact.email.is_some()
        || is("name") && contact.name.is_some()
        || (is("phone") || is("phones")) && contact.phone.is_some()
        || is("lastrequestat") && contact.last_seen_at.is_some()
        || is("unsubscribedfromemails") && contact.unsubscribed_from_emails.is_some()
        || is("ownerid") && contact.owner_id.is_some()
        || is("languageoverride") && contact.language_override.is_some()
        || contact.signed_up_at.is_some()
            && ["created", "createdat", "remotecreatedat", "signedupat"]
                .into_iter()
                .any(is)
}

/// Whether a trait says nothing but who the user is, as the event itself does.
fn repeats_an_id(key: &str, value: &Value<'_>, event: &Event<'_>) -> bool {
    let is = |field: &str| key_matches(key, field);
    let repeats = |id: Option<Cow<'_, str>>| id.is_some() && read_id(value) == Ok(id);
    (is("id") || is("userid") || key.eq_ignore_ascii_case("external_id"))
        && repeats(event.user_id())
        || is("anonymousid") && repeats(event.anonymous_id())
}
