//! Names of custom attributes and metadata, as Intercom takes them.

use std::borrow::Cow;

use super::values::Rules;

/// Longest name of a custom attribute, in characters.
const MAX_KEY_CHARS: usize = 190;

/// The ending that tells Intercom that a number is a date.
const DATE_SUFFIX: &str = "_at";

/// The key as Intercom takes it, where that differs from the one sent.
pub(super) fn renamed(key: &str, rules: Rules, is_date: bool) -> Option<String> {
    let longest = if rules.is_metadata {
        usize::MAX
    } else {
        MAX_KEY_CHARS
    };
    let is_clean = rules.is_metadata || !key.contains(['.', '$']);
    let clean = match end_of(key, longest) {
        None if is_clean => Cow::Borrowed(key),
        end => Cow::Owned(key[..end.unwrap_or(key.len())].replace(['.', '$'], "_")),
    };
    if !is_date || says_date(&clean, rules) {
        return match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        };
    }
    let at = clean.strip_suffix("At").filter(|_| rules.is_metadata);
    let stem = at.or_else(|| clean.strip_suffix(" at")).unwrap_or(&clean);
    let end = end_of(stem, longest - DATE_SUFFIX.len()).unwrap_or(stem.len());
    Some(format!("{}{DATE_SUFFIX}", &stem[..end]))
}

/// Whether this key says that its value is a date. In event metadata Intercom recognises only `_at`
/// and `_date`.
fn says_date(key: &str, rules: Rules) -> bool {
    let other = if rules.is_metadata { "_date" } else { "At" };
    key.ends_with(DATE_SUFFIX) || key.ends_with(other)
}

/// Where a text longer than `longest` characters is to be cut, in bytes.
pub(super) fn end_of(text: &str, longest: usize) -> Option<usize> {
    if text.len() <= longest {
        return None;
    }
    text.char_indices().nth(longest).map(|(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    const TRAIT: Rules = Rules {
        place: Place::Trait,
        is_metadata: false,
    };

    const PROPERTY: Rules = Rules {
        place: Place::Property,
        is_metadata: true,
    };

    #[test]
    fn names_of_custom_attributes() {
        let cases = [
            ("plan", false, "plan"),
            ("a.b$c", false, "a_b_c"),
            ("born", true, "born_at"),
            ("born_at", true, "born_at"),
            ("bornAt", true, "bornAt"),
            ("born at", true, "born_at"),
            ("bornat", true, "bornat_at"),
            ("born.at", true, "born_at"),
            ("born_date", true, "born_date_at"),
        ];
        for (key, is_date, expected) in cases {
            let name = renamed(key, TRAIT, is_date).unwrap_or(key.to_owned());
            assert_eq!(name, expected, "{key}");
        }
        let long = "é".repeat(200);
        assert_eq!(renamed(&long, TRAIT, false), Some("é".repeat(190)));
        assert_eq!(renamed(&long, TRAIT, true), Some("é".repeat(187) + "_at"));
    }

    #[test]
    fn names_in_metadata() {
        let cases = [
            ("a.b", false, "a.b"),
            ("shippedAt", false, "shippedAt"),
            ("ship", true, "ship_at"),
            ("ship_at", true, "ship_at"),
            ("ship_date", true, "ship_date"),
            ("shipDate", true, "shipDate_at"),
            ("shippedAt", true, "shipped_at"),
            ("shipped at", true, "shipped_at"),
        ];
        for (key, is_date, expected) in cases {
            let name = renamed(key, PROPERTY, is_date).unwrap_or(key.to_owned());
            assert_eq!(name, expected, "{key}");
        }
    }
}
