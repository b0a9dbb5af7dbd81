//! track → `create_event`.

use std::borrow::Cow;

use super::attributes::{ANOTHER_SPELLING, NAME_TAKEN, Rules, field_of};
use super::number::cents;
use super::{
    Action, Actions, Attributes, Change, Identity, IntercomEvent, Mapped, Mapper, Place, Settings,
};
use crate::segment::{Object, Value, are_loosely_equal, get_loose, is_loosely};

const PROPERTIES: Rules = Rules {
    place: Place::Property,
    is_metadata: true,
};

/// Segment's names of a completed order, whose `total` stands for a missing `revenue`.
const COMPLETED_ORDER: [&str; 2] = ["ordercompleted", "completedorder"];

impl<'e> Mapper<'e, '_> {
    pub(super) fn track(&mut self) -> Actions<'e> {
        let name = self.event.fields().get("event").and_then(Value::as_str);
        let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
            return Err(Mapped::Reject("event name is required".into()));
        };
        if !passes_filter(name, self.settings) {
            return Err(Mapped::Skip(
                "the event's name is not in the setting EVENT_FILTER".into(),
            ));
        }
        let identity = self.identity()?;
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

    fn metadata(&mut self, event_name: &str, properties: &'e Object<'e>) -> Attributes<'e> {
        let mut metadata = Attributes::default();
        let limit = self.settings.metadata_limit;
        let has_price = match price(event_name, properties) {
            Some(price) if limit > 0 => metadata.insert("price".into(), price),
            _ => false,
        };
        for (key, value) in properties.iter() {
            if has_price && self.is_in_price(properties, key, value) {
                continue;
            }
            match self.rich_link(key, value) {
                Some(link) => {
                    if !metadata.insert(Cow::Borrowed(key), link) {
                        self.warn(Place::Property, key, Change::LeftOut(NAME_TAKEN));
                    }
                }
                None => self.add(&mut metadata, PROPERTIES, Cow::Borrowed(key), value),
            }
        }
        for key in metadata.truncate(limit) {
            self.warn(Place::Property, key, Change::OverLimit(limit));
        }
        metadata
    }

    /// Whether the price speaks for a property. Warns when it doesn't carry it.
    fn is_in_price(
        &mut self,
        properties: &'e Object<'e>,
        key: &'e str,
        value: &'e Value<'e>,
    ) -> bool {
        let fields = ["revenue", "currency"];
        let Some(field) = field_of(key, &fields).filter(|_| !value.is_null()) else {
            return false;
        };
        let problem = (field == "currency" && !value.is_string()).then_some("it is no string");
        let is_first = get_loose(properties, field).is_some_and(|first| std::ptr::eq(first, value));
        if let Some(reason) = problem.or((!is_first).then_some(ANOTHER_SPELLING)) {
            self.warn(Place::Property, key, Change::LeftOut(reason));
        }
        true
    }

    /// `{url, value}` under a key of RICH_LINK_PROPERTIES, with nothing else in it.
    fn rich_link(&self, key: &str, value: &'e Value<'e>) -> Option<Value<'e>> {
        let link = value.as_object()?;
        let is_link = link.len() == 2
            && ["url", "value"]
                .iter()
                .all(|part| link.get(part).is_some_and(Value::is_string));
        let mut names = self.settings.rich_link_properties.iter();
        (is_link && names.any(|name| are_loosely_equal(name, key))).then(|| value.clone())
    }
}

/// Intercom's price object: positive hundredths and a currency.
fn price<'e>(event_name: &str, properties: &'e Object<'e>) -> Option<Value<'e>> {
    let amount = get_loose(properties, "revenue").or_else(|| {
        let is_order = COMPLETED_ORDER
            .iter()
            .any(|name| is_loosely(event_name, name));
        is_order.then(|| get_loose(properties, "total")).flatten()
    });
    let amount = cents(amount?)?;
    let currency = get_loose(properties, "currency")
        .and_then(Value::as_str)
        .filter(|currency| !currency.trim().is_empty());
    let price = vec![
        ("amount", Value::Number(amount.into())),
        (
            "currency",
            Value::Str(Cow::Borrowed(currency.unwrap_or("usd"))),
        ),
    ];
    Some(Value::Object(price.into()))
}

fn passes_filter(name: &str, settings: &Settings) -> bool {
    let filter = &settings.event_filter;
    filter.is_empty() || filter.iter().any(|pattern| matches(pattern, name))
}

/// Whether `name` fits `pattern`, in which `*` stands for any characters or none.
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
