//! track → `create_event`.

use std::borrow::Cow;

use super::attribute_names::Naming;
use super::field_reader::FieldReader;
use super::price::read_price;
use super::text::{MAX_VALUE_CHARS, cut, is_too_long};
use super::values::Rules;
use super::{
    Action, Actions, Attributes, Change, Identity, IntercomEvent, Mapper, NotSent, Place, Settings,
};
use crate::segment::{Object, Value, are_same_key, clean};

const PROPERTIES: Rules = Rules {
    place: Place::Property,
    naming: Naming::Metadata,
};

impl<'e> Mapper<'e, '_> {
    pub(super) fn track(&mut self) -> Actions<'e> {
        let name = self.event.fields().get("event").and_then(Value::as_str);
        let Some(name) = name.map(clean).filter(|name| !name.is_empty()) else {
            return Err(NotSent::Reject("event name is required".into()));
        };
        if !passes_filter(&name, self.settings) {
            return Err(NotSent::Skip(
                "the event's name is not in the setting EVENT_FILTER".into(),
            ));
        }
        let identity = self.identity()?;
        self.warn_unless_object("properties", self.event.fields().get("properties"));
        let metadata = match self.event.properties() {
            Some(properties) => self.metadata(&name, properties),
            None => Attributes::default(),
        };
        let (event_name, is_cut) = cut(name);
        if is_cut {
            self.warn(Place::Field, "event", Change::Cut(MAX_VALUE_CHARS));
        }
        let mut event = IntercomEvent {
            event_name,
            created_at: self.time(),
            user_id: None,
            email: None,
            id: None,
            metadata,
        };
        let mut lead = None;
        match identity {
            Identity::ExternalId(id) => event.user_id = Some(id),
            Identity::Email(email) => event.email = Some(email),
            Identity::AnonymousId(_) => lead = Some(identity),
        }
        Ok(vec![Action::CreateEvent {
            event,
            identity: lead,
        }])
    }

    fn metadata(&mut self, event_name: &str, object: &'e Object<'e>) -> Attributes<'e> {
        let mut properties = FieldReader::new(object);
        let mut metadata = Attributes::default();
        if self.settings.metadata_limit > 0
            && let Some(price) = read_price(event_name, &mut properties)
        {
            metadata.insert("price".into(), price);
        }
        self.each_unread(properties, Place::Property, |mapper, key, value| {
            let key = Cow::Borrowed(key);
            match mapper.rich_link(&key, value) {
                Ok(link) => mapper.insert(&mut metadata, PROPERTIES, key, link, false),
                Err(NoLink::Bad(reason)) => {
                    mapper.warn(Place::Property, key, Change::LeftOut(reason));
                }
                Err(NoLink::Other) => mapper.add(&mut metadata, PROPERTIES, key, value),
            }
        });
        metadata
    }

    /// `{url, value}` under a key of RICH_LINK_PROPERTIES, with nothing else in it.
    fn rich_link(&mut self, key: &str, value: &'e Value<'e>) -> Result<Value<'e>, NoLink> {
        let mut names = self.settings.rich_link_properties.iter();
        if !names.any(|name| are_same_key(name, key)) {
            return Err(NoLink::Other);
        }
        let link = value.as_object().filter(|link| link.len() == 2);
        let link = link.ok_or(NoLink::Other)?;
        let (Some(Value::Str(url)), Some(text)) = (link.get("url"), link.get("value")) else {
            return Err(NoLink::Other);
        };
        let text = match text {
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Str(text) => Cow::Borrowed(&**text),
            _ => return Err(NoLink::Other),
        };
        if is_too_long(url) {
            return Err(NoLink::Bad("its url is longer than 255 characters"));
        }
        if !is_absolute(url) {
            return Err(NoLink::Bad("its url isn't absolute"));
        }
        let (text, is_cut) = cut(text);
        if is_cut {
            self.warn(
                Place::Property,
                format!("{key}.value"),
                Change::Cut(MAX_VALUE_CHARS),
            );
        }
        let link = vec![
            ("url", Value::Str(Cow::Borrowed(url))),
            ("value", Value::Str(text)),
        ];
        Ok(Value::Object(link.into()))
    }
}

/// Why a property isn't a rich link.
enum NoLink {
    /// It has another shape, or isn't in RICH_LINK_PROPERTIES.
    Other,
    /// Intercom would refuse it, and the whole event with it.
    Bad(&'static str),
}

/// Whether a url has a scheme and a host.
fn is_absolute(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_scheme)
        && !rest.is_empty()
        && !rest.starts_with('/')
        && !url.contains(char::is_whitespace)
}

fn passes_filter(name: &str, settings: &Settings) -> bool {
    let filter = &settings.event_filter;
    filter.is_empty() || filter.iter().any(|pattern| matches(pattern, name))
}

/// Whether `name` matches `pattern`, where `*` matches any characters or none.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards() {
        for (pattern, name, expected) in [
            ("Order Completed", "Order Completed", true),
            ("Order Completed", "order completed", false),
            ("*", "", true),
            ("Order*", "Order Completed", true),
            ("*Completed", "Order Completed", true),
            ("O*r*C*d", "Order Completed", true),
            ("Order*", "An Order", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
