//! The price of an event, from its revenue.
//!
//! The rules and their reasons: `docs/mapping.md#track`.

use std::borrow::Cow;

use super::Change;
use super::field_reader::{FieldReader, Fit};
use super::number::{Amount, Whole};
use crate::segment::{Value, key_matches};

/// Segment's names of a completed order, whose `total` stands for a missing `revenue`.
const COMPLETED_ORDER: [&str; 2] = ["ordercompleted", "completedorder"];

/// Intercom's price, `{amount, currency}` in positive hundredths: `revenue`, else `total` of a
/// completed order, times 100; else a `price` that is one already. The properties it is made of
/// aren't repeated. One that looks like money but makes no price stays, with a warning.
pub(super) fn read_price<'e>(
    event_name: &str,
    properties: &mut FieldReader<'e>,
) -> Option<Value<'e>> {
    let revenue = money("revenue", properties);
    if let Ok(Some(money)) = revenue {
        properties.read("revenue", |_| match rounded(money.amount) {
            Some(change) => Fit::Changed((), change),
            None => Fit::Whole(()),
        });
        return Some(money.price(properties));
    }
    let is_order = || {
        let mut names = COMPLETED_ORDER.iter();
        names.any(|name| key_matches(event_name, name))
    };
    let total = if is_order() {
        money("total", properties)
    } else {
        Ok(None)
    };
    if let Ok(Some(money)) = total {
        if properties.peek("revenue").is_some_and(is_nothing) {
            properties.ignore(&["revenue"], "the price is that of total");
        } else {
            warn_of(&revenue, properties);
        }
        properties.decide("total", false, rounded(money.amount));
        return Some(money.price(properties));
    }
    // Both can blame the currency.
    warn_of(&revenue.and(total), properties);
    let price = properties.peek("price").filter(|price| is_price(price))?;
    properties.decide("price", true, None);
    Some(price.clone())
}

/// An amount of money with its currency.
struct Money<'e> {
    amount: Whole,
    currency: Cow<'e, str>,
}

/// Which property prevents a price, and why.
type Problem = (&'static str, &'static str);

const DOUBTFUL: &str =
    "three digits after a single separator can be thousands or a fraction: send it as a number";
const NO_CODE: &str = "a currency is a code of three letters, such as usd";
const CONTRADICTION: &str = "its symbol is not that of the currency";
const NO_YEN_OR_YUAN: &str = "¥ stands for yen and for yuan: send the currency";

/// The money in a property; `None` where there is none, or not a positive amount.
fn money<'e>(
    name: &'static str,
    properties: &FieldReader<'e>,
) -> Result<Option<Money<'e>>, Problem> {
    let Some(amount) = properties.peek(name).and_then(Amount::read) else {
        return Ok(None);
    };
    let Some(cents) = amount.cents() else {
        return Ok(None);
    };
    if amount.doubt.is_some() {
        return Err((name, DOUBTFUL));
    }
    let sent = match properties.peek("currency") {
        None => None,
        Some(currency) if is_blank(currency) => None,
        Some(currency) => Some(code(currency).ok_or(("currency", NO_CODE))?),
    };
    let currency = match (amount.symbol, sent) {
        (Some('€'), None) => "eur",
        (Some('£'), None) => "gbp",
        (Some('¥'), None) => return Err((name, NO_YEN_OR_YUAN)),
        (_, None) => "usd",
        (symbol, Some(code)) if is_of(symbol, code) => code,
        (_, Some(_)) => return Err((name, CONTRADICTION)),
    };
    Ok(Some(Money {
        amount: cents,
        currency: currency.into(),
    }))
}

impl<'e> Money<'e> {
    fn price(self, properties: &mut FieldReader<'e>) -> Value<'e> {
        let of_empty = if self.currency == "usd" {
            "it is empty, so the price is in usd"
        } else {
            "it is empty, so the price is in the currency of its symbol"
        };
        properties.read("currency", |value| match code(value) {
            Some(_) => Fit::Whole(()),
            None => Fit::LeftOut(of_empty),
        });
        let price = vec![
            ("amount", Value::Number(self.amount.value.into())),
            ("currency", Value::Str(self.currency)),
        ];
        Value::Object(price.into())
    }
}

fn warn_of<T>(money: &Result<T, Problem>, properties: &mut FieldReader<'_>) {
    if let Err((name, reason)) = *money {
        properties.decide(name, false, Some(Change::NoPrice(reason)));
    }
}

/// Whether this symbol can stand for this currency.
fn is_of(symbol: Option<char>, code: &str) -> bool {
    let codes: &[&str] = match symbol {
        Some('€') => &["eur"],
        Some('£') => &["gbp"],
        Some('¥') => &["jpy", "cny"],
        // Many countries' dollars.
        _ => return true,
    };
    codes.iter().any(|known| known.eq_ignore_ascii_case(code))
}

/// The warning for an amount that was rounded to hundredths.
fn rounded(amount: Whole) -> Option<Change<'static>> {
    amount.is_rounded.then_some(Change::Rounded(amount.value))
}

/// Whether a revenue is empty or 0.
fn is_nothing(revenue: &Value<'_>) -> bool {
    is_blank(revenue) || Amount::read(revenue).is_some_and(|amount| amount.number.is_zero())
}

fn is_blank(value: &Value<'_>) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Whether a value is a price as Intercom takes it.
fn is_price(value: &Value<'_>) -> bool {
    value.as_object().is_some_and(|price| {
        let amount = price.get("amount").and_then(Value::as_i64);
        let is_amount = amount.is_some_and(|amount| amount > 0);
        let currency = price.get("currency").and_then(Value::as_str);
        price.len() == 2 && is_amount && currency.is_some_and(is_code)
    })
}

/// A currency's code, without blanks around it. Intercom refuses the whole event for another.
fn code<'e>(currency: &'e Value<'_>) -> Option<&'e str> {
    let code = currency.as_str()?.trim();
    is_code(code).then_some(code)
}

fn is_code(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}
