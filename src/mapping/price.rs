//! The price of an event, from its revenue.

use std::borrow::Cow;

use super::Change;
use super::number::{cents, decimal};
use super::values::ANOTHER_SPELLING;
use crate::segment::{Fields, Object, Value, is_loosely};

/// Properties that a price is made of.
static PRICED: [&str; 4] = ["revenue", "total", "currency", "price"];

/// Segment's names of a completed order, whose `total` stands for a missing `revenue`.
const COMPLETED_ORDER: [&str; 2] = ["ordercompleted", "completedorder"];

/// Intercom's `{amount, currency}`: positive hundredths.
pub(super) struct Price<'e> {
    value: Value<'e>,
    /// The property that gave the amount.
    from: &'static str,
    /// The amount, where it was rounded.
    rounded: Option<i64>,
    properties: Fields<'e, { PRICED.len() }>,
}

impl<'e> Price<'e> {
    /// `revenue`, else `total` of a completed order, times 100; else a `price` that is one
    /// already.
    pub(super) fn of(event_name: &str, properties: &'e Object<'e>) -> Option<Self> {
        let properties = Fields::of(properties, &PRICED);
        let cents_of = |name| Some((name, cents(properties.get(name)?)?));
        let is_order = || {
            let mut names = COMPLETED_ORDER.iter();
            names.any(|name| is_loosely(event_name, name))
        };
        let has_revenue = properties.get("revenue").is_some_and(says_something);
        let amount = cents_of("revenue")
            .or_else(|| cents_of("total").filter(|_| !has_revenue && is_order()));
        let Some((from, amount)) = amount else {
            let price = properties.get("price").filter(|price| is_price(price));
            return price.filter(|_| !has_revenue).map(|price| Self {
                value: price.clone(),
                from: "price",
                rounded: None,
                properties,
            });
        };
        let currency = properties.get("currency").and_then(currency);
        let value = vec![
            ("amount", Value::Number(amount.value.into())),
            (
                "currency",
                Value::Str(Cow::Borrowed(currency.unwrap_or("usd"))),
            ),
        ];
        Some(Self {
            value: Value::Object(value.into()),
            from,
            rounded: amount.is_rounded.then_some(amount.value),
            properties,
        })
    }

    pub(super) fn value(&self) -> Value<'e> {
        self.value.clone()
    }

    /// Whether the price stands for a property, which isn't repeated then, and what it changed
    /// of it or left out.
    pub(super) fn speaks_for(&self, key: &str, value: &Value<'_>) -> (bool, Option<Change<'e>>) {
        let name = self.properties.name_of(key).filter(|_| !value.is_null());
        let is_first = name.is_some_and(|name| self.properties.is_first(name, value));
        let rounded = || {
            let rounded = self.rounded.filter(|_| is_first && name == Some(self.from));
            rounded.map(Change::Rounded)
        };
        let left_out = |reason| (true, Some(Change::LeftOut(reason)));
        match name {
            Some("price") => (is_first && self.from == "price", None),
            Some("total") => (false, rounded()),
            Some("revenue" | "currency") if self.from != "price" => match name {
                _ if !is_first => left_out(ANOTHER_SPELLING),
                Some("currency") if !value.is_string() => left_out("it is no string"),
                Some("currency") if currency(value).is_none() => {
                    left_out("it is empty, so the price is in usd")
                }
                Some("revenue") if self.from == "total" => left_out("the price is that of total"),
                _ => (true, rounded()),
            },
            _ => (false, None),
        }
    }
}

/// Whether a revenue is neither empty nor 0.
fn says_something(revenue: &Value<'_>) -> bool {
    let is_empty = revenue.as_str().is_some_and(|text| text.trim().is_empty());
    !is_empty && decimal(revenue).is_none_or(|number| !number.is_zero())
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
    let is_empty = |currency: &&str| currency.trim().is_empty();
    value.as_str().filter(|currency| !is_empty(currency))
}
