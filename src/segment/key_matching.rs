//! Loose keys: `firstName`, `first_name` and `First Name` are one key.

use super::{Object, Value};

/// Whether `key`, as sent, is loosely `canonical` (lower case, only letters, digits and dots).
///
/// Traits and properties are read ignoring case, spaces and punctuation save the dot, as
/// Segment's own libraries do.
#[inline]
pub fn key_matches(key: &str, canonical: &str) -> bool {
    // Each key is compared with all the names that the mapping knows, and most differ from it in
    // their first letter.
    match (key.as_bytes().first(), canonical.as_bytes().first()) {
        (Some(first), Some(expected)) if is_significant(*first) => {
            first.to_ascii_lowercase() == *expected && whole_key_matches(key, canonical)
        }
        _ => whole_key_matches(key, canonical),
    }
}

fn whole_key_matches(key: &str, canonical: &str) -> bool {
    let mut expected = canonical.bytes();
    for byte in key.bytes() {
        if is_significant(byte) {
            if expected.next() != Some(byte.to_ascii_lowercase()) {
                return false;
            }
        } else if !byte.is_ascii() {
            return significant(key).eq(canonical.chars());
        }
    }
    expected.next().is_none()
}

fn is_significant(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.'
}

/// Whether two keys, as sent or as written in a setting, are the same one.
pub fn are_same_key(one: &str, other: &str) -> bool {
    significant(one).eq(significant(other))
}

fn significant(key: &str) -> impl Iterator<Item = char> {
    key.chars()
        .filter(|c| c.is_alphanumeric() || *c == '.')
        .flat_map(char::to_lowercase)
}

/// The first value in key order whose key is loosely `canonical`. A null counts as absent,
/// because a null never overwrites anything.
pub fn get_matching<'e>(object: &'e Object<'e>, canonical: &str) -> Option<&'e Value<'e>> {
    object
        .iter()
        .find(|(key, value)| !value.is_null() && key_matches(key, canonical))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_in_many_spellings() {
        for key in [
            "firstName",
            "first_name",
            "First Name",
            "FIRSTNAME",
            "first-name",
            "$first name",
        ] {
            assert!(key_matches(key, "firstname"), "{key}");
        }
        for key in ["first.name", "firstNames", "first", ""] {
            assert!(!key_matches(key, "firstname"), "{key}");
        }
        assert!(key_matches("É_tat", "état"));
        assert!(are_same_key("helpArticle", "help_article"));
        assert!(!are_same_key("helpArticle", "help.article"));
    }

    #[test]
    fn the_first_in_key_order_wins_and_null_is_absent() {
        let object: Value =
            serde_json::from_str(r#"{"first_name":null,"First Name":"a","firstName":"b"}"#)
                .expect("valid JSON");
        let object = object.as_object().expect("an object");
        assert_eq!(
            get_matching(object, "firstname"),
            Some(&Value::Str("a".into()))
        );
        assert_eq!(get_matching(object, "lastname"), None);
    }
}
