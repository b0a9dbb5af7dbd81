//! The price of an event, from its revenue.

use std::borrow::Cow;

use super::Change;
use super::field_reader::{FieldReader, Fit};
use super::field_values::NOT_A_STRING;
use super::number::{Whole, cents, decimal};
use crate::segment::{Value, key_matches};

/// Segment's names of a completed order, whose `total` stands for a missing `revenue`.
const COMPLETED_ORDER: [&str; 2] = ["ordercompleted", "completedorder"];

/// Intercom's price, `{amount, currency}` in positive hundredths: `revenue`, else `total` of a
/// completed order, times 100; else a `price` that is one already. The properties it is made of
/// aren't repeated.
pub(super) fn read_price<'e>(
    event_name: &str,
    properties: &mut FieldReader<'e>,
) -> Option<Value<'e>> {
    let revenue = properties.peek("revenue");
    if let Some(amount) = revenue.and_then(cents) {
        properties.read("revenue", |_| match rounded(amount) {
            Some(change) => Fit::Changed((), change),
            None => Fit::Whole(()),
        });
        return Some(price(amount, properties));
    }
    if revenue.is_some_and(says_something) {
        return None;
    }
    let is_order = || {
        let mut names = COMPLETED_ORDER.iter();
        names.any(|name| key_matches(event_name, name))
    };
    let total = properties.peek("total").and_then(cents);
    if let Some(amount) = total.filter(|_| is_order()) {
        properties.ignore(&["revenue"], "the price is that of total");
        properties.decide("total", false, rounded(amount));
        return Some(price(amount, properties));
    }
    let price = properties.peek("price").filter(|price| is_price(price))?;
    properties.decide("price", true, None);
    Some(price.clone())
}

/// The warning for an amount that was rounded to hundredths.
fn rounded(amount: Whole) -> Option<Change<'static>> {
    amount.is_rounded.then_some(Change::Rounded(amount.value))
}

/// The price of this amount, in the currency of the properties.
fn price<'e>(amount: Whole, properties: &mut FieldReader<'e>) -> Value<'e> {
    let currency = properties.read("currency", |value| match (value, currency(value)) {
        (_, Some(currency)) => Fit::Whole(currency),
        (Value::Str(_), None) => Fit::LeftOut("it is empty, so the price is in usd"),
        _ => Fit::LeftOut(NOT_A_STRING),
    });
    let currency = Cow::Borrowed(currency.unwrap_or("usd"));
    let price = vec![
        ("amount", Value::Number(amount.value.into())),
        ("currency", Value::Str(currency)),
    ];
    Value::Object(price.into())
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
