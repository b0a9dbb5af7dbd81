//! Ids as text: userId, anonymousId, groupId, previousId, and a company's id.

use std::borrow::Cow;

use super::Value;

/// From here on a JSON number with a fraction or an exponent stands for several numbers.
const FIRST_INEXACT: f64 = 9_007_199_254_740_992.0;

/// Why a number can't be an id: different ids would be one.
pub const INEXACT: &str = "it is a number that JSON doesn't hold exactly: send it as text";

/// Why another value can't be an id.
pub const NO_ID: &str = "it is neither a text nor a number";

/// An id as text, without blanks at both ends and without control characters. A number is written
/// out. `None` where there is nothing.
///
/// # Errors
/// [`INEXACT`] or [`NO_ID`], for a value that can't be an id.
pub fn read_id<'e>(value: &'e Value<'e>) -> Result<Option<Cow<'e, str>>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Str(text) => Ok(Some(clean(text)).filter(|id| !id.is_empty())),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            None => Ok(Some(Cow::Owned(number.to_string()))),
            // As JavaScript and Segment write 12.0.
            Some(float) if float.abs() < FIRST_INEXACT => Ok(Some(Cow::Owned(float.to_string()))),
            Some(_) => Err(INEXACT),
        },
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(NO_ID),
    }
}

/// [`read_id`], where it doesn't matter why there is none.
pub(crate) fn id_text<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    read_id(value).ok().flatten()
}

/// A text without blanks at both ends and without control characters: two people's ids that look
/// the same would be two contacts.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text.trim());
    }
    let printable: String = text.chars().filter(|c| !c.is_control()).collect();
    Cow::Owned(printable.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_json_type() {
        for (json, expected) in [
            (r#""u1""#, Ok(Some("u1"))),
            (r#"" u1\t\n""#, Ok(Some("u1"))),
            (r#""\u0000u\u00001\u0085 ""#, Ok(Some("u1"))),
            (r#""a b""#, Ok(Some("a b"))),
            (r#""""#, Ok(None)),
            (r#"" \u0000 ""#, Ok(None)),
            ("null", Ok(None)),
            ("7", Ok(Some("7"))),
            ("-7", Ok(Some("-7"))),
            ("7.0", Ok(Some("7"))),
            ("1e3", Ok(Some("1000"))),
            ("1.5", Ok(Some("1.5"))),
            ("18446744073709551615", Ok(Some("18446744073709551615"))),
            ("18446744073709551616", Err(INEXACT)),
            ("18446744073709551617", Err(INEXACT)),
            ("-9223372036854775809", Err(INEXACT)),
            ("1e21", Err(INEXACT)),
            ("9007199254740993.0", Err(INEXACT)),
            ("true", Err(NO_ID)),
            ("{}", Err(NO_ID)),
            ("[1]", Err(NO_ID)),
        ] {
            let value = serde_json::from_str(json).expect("valid JSON");
            assert_eq!(
                read_id(&value),
                expected.map(|id| id.map(Cow::Borrowed)),
                "{json}"
            );
        }
    }
}
