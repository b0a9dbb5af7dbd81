//! Money and whole numbers, in decimal arithmetic: 19.99 × 100 is 1999, not 1998.9999999999998.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::segment::Value;

/// A number as it was sent: as a number, or as a text such as `"1,000.50"` or `"$1,000.50"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Amount {
    pub(super) number: Decimal,
    /// The currency's symbol, one of [`SYMBOLS`].
    pub(super) symbol: Option<char>,
    /// What three digits follow in a text without another separator: whether `"12.500"` is twelve
    /// and a half or twelve thousand and five hundred, nobody knows.
    pub(super) doubt: Option<char>,
}

/// Symbols of currencies.
const SYMBOLS: [char; 4] = ['$', '€', '£', '¥'];

impl Amount {
    /// Reads a number or a text that holds one.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self {
                number: exact(&number.to_string())?,
                symbol: None,
                doubt: None,
            }),
            Value::Str(text) => Self::written(text.trim()),
            _ => None,
        }
    }

    fn written(text: &str) -> Option<Self> {
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", text),
        };
        let digits = unsigned.trim_matches(SYMBOLS).trim_matches(' ');
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
        let mut separators = digits.chars().filter(|c| matches!(c, '.' | ','));
        let single = separators.next().filter(|_| separators.next().is_none());
        let is_in_doubt =
            |separator: &char| digits.rsplit(*separator).next().map(str::len) == Some(3);
        Some(Self {
            number: exact(&format!("{sign}{}.{fraction}", whole.replace(',', "")))?,
            symbol: unsigned.chars().find(|c| SYMBOLS.contains(c)),
            doubt: single.filter(is_in_doubt),
        })
    }

    /// Hundredths of an amount of money, half away from zero. `None` unless positive.
    pub(super) fn cents(self) -> Option<Whole> {
        let cents = whole(self.number.checked_mul(Decimal::ONE_HUNDRED)?)?;
        (cents.value > 0).then_some(cents)
    }
}

/// A whole number, and whether it was rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) value: i64,
    pub(super) is_rounded: bool,
}

/// The nearest whole number, half away from zero. `None` outside Intercom's range, and for `"1.200"`,
/// which can be 1200.
pub(super) fn integer(value: &Value<'_>) -> Option<Whole> {
    let amount = Amount::read(value).filter(|amount| amount.doubt != Some('.'))?;
    let whole = whole(amount.number)?;
    (-LIMIT < whole.value && whole.value < LIMIT).then_some(whole)
}

/// Intercom stores company numbers below 2^31.
const LIMIT: i64 = 1 << 31;

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
            let cents = Amount::read(&value(json)).and_then(Amount::cents);
            assert_eq!(cents.map(|cents| cents.value), expected, "{json}");
        }
    }

    #[test]
    fn whole_numbers() {
        let cases = [
            ("12", Some(12)),
            ("12.5", Some(13)),
            ("-12.5", Some(-13)),
            (r#""1,200""#, Some(1200)),
            (r#""1.200""#, None),
            (r#""1.20""#, Some(1)),
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
        let cents = |json| Amount::read(&value(json)).and_then(Amount::cents);
        assert_eq!(is_rounded(cents("19.99")), Some(false));
        assert_eq!(is_rounded(cents("19.999")), Some(true));
    }

    #[test]
    fn symbols_and_doubts() {
        for (json, symbol, doubt) in [
            ("12.5", None, None),
            ("0.125", None, None),
            (r#""12.50""#, None, None),
            (r#""12.500""#, None, Some('.')),
            (r#""12,500""#, None, Some(',')),
            (r#""0.125""#, None, Some('.')),
            (r#""12,500.00""#, None, None),
            (r#""1,200,500""#, None, None),
            (r#""£12.50""#, Some('£'), None),
            (r#""12 €""#, Some('€'), None),
            (r#""-$5""#, Some('$'), None),
            (r#""¥1.000""#, Some('¥'), Some('.')),
        ] {
            let amount = Amount::read(&value(json)).expect(json);
            assert_eq!((amount.symbol, amount.doubt), (symbol, doubt), "{json}");
        }
    }
}
