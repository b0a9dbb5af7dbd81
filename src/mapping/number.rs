//! Money and whole numbers, in decimal arithmetic: 19.99 × 100 is 1999, not 1998.9999999999998.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::segment::Value;

/// A number, or a string that holds one, such as `"1,000.50"` or `"$1,000.50"`.
pub(super) fn decimal(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Number(number) => exact(&number.to_string()),
        Value::Str(text) => amount(text),
        _ => None,
    }
}

/// A whole number, and whether it was rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) value: i64,
    pub(super) is_rounded: bool,
}

/// The nearest whole number, half away from zero. `None` outside Intercom's range.
pub(super) fn integer(value: &Value<'_>) -> Option<Whole> {
    let whole = whole(decimal(value)?)?;
    (-LIMIT < whole.value && whole.value < LIMIT).then_some(whole)
}

/// Intercom stores company numbers below 2^31.
const LIMIT: i64 = 1 << 31;

/// Hundredths of an amount of money, half away from zero. `None` unless positive.
pub(super) fn cents(value: &Value<'_>) -> Option<Whole> {
    let cents = whole(decimal(value)?.checked_mul(Decimal::ONE_HUNDRED)?)?;
    (cents.value > 0).then_some(cents)
}

fn whole(number: Decimal) -> Option<Whole> {
    let whole = number.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    Some(Whole {
        value: whole.to_i64()?,
        is_rounded: whole != number,
    })
}

fn exact(text: &str) -> Option<Decimal> {
    text.parse()
        .or_else(|_| Decimal::from_scientific(text))
        .ok()
}

fn amount(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let digits = unsigned
        .trim_matches(['$', '€', '£', '¥'])
        .trim_matches(' ');
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut groups = whole.split(',');
    let first = groups.next()?;
    // A comma must be a thousands separator, or the number is ambiguous.
    let is_grouped = whole.contains(',');
    if is_grouped && (first.len() > 3 || !groups.all(|group| group.len() == 3)) {
        return None;
    }
    exact(&format!("{sign}{}.{fraction}", whole.replace(',', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value<'_> {
        serde_json::from_str(json).expect("valid JSON")
    }

    #[test]
    fn cents_of_money() {
        let cases = [
            ("19.99", Some(1999)),
            (r#""19.99""#, Some(1999)),
            (r#""$1,000.50""#, Some(100_050)),
            (r#""1,000""#, Some(100_000)),
            (r#""100,000""#, Some(10_000_000)),
            (r#"" €12 ""#, Some(1200)),
            (r#"".5""#, Some(50)),
            ("1.005", Some(101)),
            ("0.125", Some(13)),
            ("0.004", None),
            ("1e3", Some(100_000)),
            ("0", None),
            ("-5", None),
            (r#""-$5""#, None),
            (r#""1.000,50""#, None),
            (r#""1,00""#, None),
            (r#""1,0000""#, None),
            (r#""1000,000""#, None),
            (r#"",500""#, None),
            (r#""free""#, None),
            (r#""""#, None),
            ("true", None),
            ("1e300", None),
        ];
        for (json, expected) in cases {
            let cents = cents(&value(json)).map(|cents| cents.value);
            assert_eq!(cents, expected, "{json}");
        }
    }

    #[test]
    fn whole_numbers() {
        let cases = [
            ("12", Some(12)),
            ("12.5", Some(13)),
            ("-12.5", Some(-13)),
            (r#""1,200""#, Some(1200)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("-2147483647", Some(-2_147_483_647)),
            ("-2147483648", None),
            (r#""10-50""#, None),
            ("[]", None),
        ];
        for (json, expected) in cases {
            let integer = integer(&value(json)).map(|integer| integer.value);
            assert_eq!(integer, expected, "{json}");
        }
    }

    #[test]
    fn what_was_rounded_says_so() {
        let is_rounded = |whole: Option<Whole>| whole.map(|whole| whole.is_rounded);
        assert_eq!(is_rounded(integer(&value("12.0"))), Some(false));
        assert_eq!(is_rounded(integer(&value(r#""12.5""#))), Some(true));
        assert_eq!(is_rounded(cents(&value("19.99"))), Some(false));
        assert_eq!(is_rounded(cents(&value("19.999"))), Some(true));
    }
}
