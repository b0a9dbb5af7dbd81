//! Lone surrogates in JSON texts.

use std::borrow::Cow;

/// The escape of U+FFFD, the replacement character. As long as the escape that it replaces.
const REPLACEMENT: &[u8; 6] = br"\ufffd";

/// The JSON text with every escaped lone surrogate (`\ud83d` without `\ude00`) replaced by
/// `\ufffd`, as Segment itself does. JavaScript sends them after cutting a text in the middle of an
/// emoji, and no Rust string can hold them.
pub fn replace_lone_surrogates(json: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let halves = halves(&json);
    if halves.is_empty() {
        return json;
    }
    let mut json = json.into_owned();
    for place in halves {
        json[place..place + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
    }
    Cow::Owned(json)
}

/// Where the escapes of lone surrogates begin.
fn halves(json: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut place = 0;
    // JSON has no backslash outside strings.
    while let Some(next) = json[place..].iter().position(|byte| *byte == b'\\') {
        place += next;
        place += match (
            escaped_unit(&json[place..]),
            escaped_unit_after(json, place),
        ) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                found.push(place);
                6
            }
            // Any other escape has at least two bytes.
            _ => 2.min(json.len() - place),
        };
    }
    found
}

fn escaped_unit_after(json: &[u8], place: usize) -> Option<u16> {
    escaped_unit(json.get(place + 6..)?)
}

/// The UTF-16 unit of the `\uXXXX` that a text begins with.
fn escaped_unit(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(br"\u")?.get(..4)?;
    let digits = str::from_utf8(digits).ok()?;
    // from_str_radix also takes a sign.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_are_replaced() {
        for (json, expected) in [
            (r#""a""#, r#""a""#),
            (
                r#""\ud83d\ude00 \u00fc \\ud83d""#,
                r#""\ud83d\ude00 \u00fc \\ud83d""#,
            ),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE00\uD83D""#, r#""\ufffd\ufffd""#),
            (
                r#""\ud83d\ud83d\ude00\ude00""#,
                r#""\ufffd\ud83d\ude00\ufffd""#,
            ),
            (r#""\\\ud83d\n""#, r#""\\\ufffd\n""#),
            (r#""\ud83"#, r#""\ud83"#),
            (r#""\u+d83\"#, r#""\u+d83\"#),
        ] {
            let fixed = replace_lone_surrogates(json.as_bytes().into());
            assert_eq!(str::from_utf8(&fixed), Ok(expected), "{json}");
        }
    }
}
