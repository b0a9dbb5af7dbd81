//! track → `create_event`.

use std::borrow::Cow;

use super::attribute_names::Naming;
use super::field_reader::FieldReader;
use super::price::read_price;
use super::values::Rules;
use super::{
    Action, Actions, Attributes, Identity, IntercomEvent, Mapper, NotSent, Place, Settings,
};
use crate::segment::{Object, Value, are_same_key};

const PROPERTIES: Rules = Rules {
    place: Place::Property,
    naming: Naming::Metadata,
};

impl<'e> Mapper<'e, '_> {
    pub(super) fn track(&mut self) -> Actions<'e> {
        let name = self.event.fields().get("event").and_then(Value::as_str);
        let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
            return Err(NotSent::Reject("event name is required".into()));
        };
        if !passes_filter(name, self.settings) {
            return Err(NotSent::Skip(
                "the event's name is not in the setting EVENT_FILTER".into(),
            ));
        }
        let identity = self.identity()?;
        self.warn_unless_object("properties", self.event.fields().get("properties"));
        let mut event = IntercomEvent {
            event_name: name,
            created_at: self.time(),
            user_id: None,
            email: None,
            id: None,
            metadata: match self.event.properties() {
                Some(properties) => self.metadata(name, properties),
                None => Attributes::default(),
            },
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
                Some(link) => mapper.insert(&mut metadata, PROPERTIES, key, link, false),
                None => mapper.add(&mut metadata, PROPERTIES, key, value),
            }
        });
        metadata
    }

    /// `{url, value}` under a key of RICH_LINK_PROPERTIES, with nothing else in it.
    fn rich_link(&self, key: &str, value: &'e Value<'e>) -> Option<Value<'e>> {
        let link = value.as_object().filter(|link| link.len() == 2)?;
        let url = link.get("url").filter(|url| url.is_string())?;
        let text = match link.get("value")? {
            Value::Number(number) => Cow::Owned(number.to_string()),
            text => Cow::Borrowed(text.as_str()?),
        };
        let mut names = self.settings.rich_link_properties.iter();
        let is_link = names.any(|name| are_same_key(name, key));
        let link = vec![("url", url.clone()), ("value", Value::Str(text))];
        is_link.then(|| Value::Object(link.into()))
    }
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
