//! track → `create_event`.

use std::borrow::Cow;

use super::number::{Whole, cents, decimal};
use super::values::{ANOTHER_SPELLING, Rules};
use super::{
    Action, Actions, Attributes, Change, Identity, IntercomEvent, Mapped, Mapper, Place, Settings,
};
use crate::segment::{Fields, Object, Value, are_loosely_equal, is_loosely};

const PROPERTIES: Rules = Rules {
    place: Place::Property,
    is_metadata: true,
};

/// Properties that the price is made of.
static PRICED: [&str; 4] = ["revenue", "total", "currency", "price"];

type Properties<'e> = Fields<'e, { PRICED.len() }>;

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
        let properties = Fields::of(object, &PRICED);
        let has_room = self.settings.metadata_limit > 0;
        let price = price(event_name, &properties).filter(|_| has_room);
        let mut metadata = Attributes::default();
        if let Some(price) = &price {
            metadata.insert("price".into(), price.value(&properties));
        }
        for (key, value) in object.iter() {
            let name = properties.name_of(key).filter(|_| !value.is_null());
            let in_price = price.as_ref().zip(name);
            if in_price.is_some_and(|(price, name)| {
                self.is_in_price(price, &properties, (name, key), value)
            }) {
                continue;
            }
            match self.rich_link(key, value) {
                Some(link) => {
                    self.insert(&mut metadata, PROPERTIES, Cow::Borrowed(key), link, false);
                }
                None => self.add(&mut metadata, PROPERTIES, Cow::Borrowed(key), value),
            }
        }
        metadata
    }

    /// Whether the price speaks for a property. Warns when it doesn't carry it as it is.
    fn is_in_price(
        &mut self,
        price: &Price<'e>,
        properties: &Properties<'e>,
        (name, key): (&str, &'e str),
        value: &'e Value<'e>,
    ) -> bool {
        let is_first = properties.is_first(name, value);
        let another = (!is_first).then_some(Change::LeftOut(ANOTHER_SPELLING));
        let change = match (name, price) {
            ("price", Price::OfSender(_)) if is_first => return true,
            ("total" | "price", _) | (_, Price::OfSender(_)) => {
                // Rounded, where it is the amount; it stays beside the price.
                if let (
                    "total",
                    Price::Made {
                        amount,
                        of: "total",
                    },
                ) = (name, price)
                    && is_first
                    && amount.is_rounded
                {
                    self.warn(Place::Property, key, Change::Rounded(amount.value));
                }
                return false;
            }
            ("currency", _) if !value.is_string() => Some(Change::LeftOut("it is no string")),
            ("currency", _) if currency(value).is_none() => {
                Some(Change::LeftOut("it is empty, so the price is in usd"))
            }
            ("revenue", Price::Made { of: "total", .. }) => {
                another.or(Some(Change::LeftOut("the price is that of total")))
            }
            ("revenue", Price::Made { amount, .. }) if amount.is_rounded => {
                another.or(Some(Change::Rounded(amount.value)))
            }
            _ => another,
        };
        if let Some(change) = change {
            self.warn(Place::Property, key, change);
        }
        true
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
        let is_link = names.any(|name| are_loosely_equal(name, key));
        let link = vec![("url", url.clone()), ("value", Value::Str(text))];
        is_link.then(|| Value::Object(link.into()))
    }
}

/// Intercom's price, and what it comes from.
enum Price<'e> {
    /// Positive hundredths of the property `of`.
    Made { amount: Whole, of: &'static str },
    /// The sender made it.
    OfSender(&'e Value<'e>),
}

impl<'e> Price<'e> {
    /// `{amount, currency}`.
    fn value(&self, properties: &Properties<'e>) -> Value<'e> {
        let amount = match self {
            Self::Made { amount, .. } => amount.value,
            Self::OfSender(price) => return (*price).clone(),
        };
        let currency = properties
            .get("currency")
            .and_then(currency)
            .unwrap_or("usd");
        let price = vec![
            ("amount", Value::Number(amount.into())),
            ("currency", Value::Str(Cow::Borrowed(currency))),
        ];
        Value::Object(price.into())
    }
}

fn price<'e>(event_name: &str, properties: &Properties<'e>) -> Option<Price<'e>> {
    let made = |of| {
        let amount = cents(properties.get(of)?)?;
        Some(Price::Made { amount, of })
    };
    let is_order = || {
        COMPLETED_ORDER
            .iter()
            .any(|name| is_loosely(event_name, name))
    };
    let says_nothing = properties.get("revenue").is_none_or(is_zero_or_empty);
    made("revenue")
        .or_else(|| made("total").filter(|_| says_nothing && is_order()))
        .or_else(|| {
            let price = properties.get("price").filter(|price| is_price(price));
            price.filter(|_| says_nothing).map(Price::OfSender)
        })
}

fn is_zero_or_empty(value: &Value<'_>) -> bool {
    let is_empty = |text: &str| text.trim().is_empty();
    value.as_str().is_some_and(is_empty) || decimal(value).is_some_and(|number| number.is_zero())
}

/// Whether a value is a price as Intercom takes it.
fn is_price(value: &Value<'_>) -> bool {
    value.as_object().is_some_and(|price| {
        let amount = price.get("amount").and_then(Value::as_i64);
        let is_amount = amount.is_some_and(|amount| amount > 0);
        price.len() == 2 && is_amount && price.get("currency").and_then(currency).is_some()
    })
}

fn currency<'e>(value: &'e Value<'_>) -> Option<&'e str> {
    value
        .as_str()
        .filter(|currency| !currency.trim().is_empty())
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
