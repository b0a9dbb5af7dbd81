//! Names of custom attributes and metadata, as Intercom takes them.

use std::borrow::Cow;

use super::text::end_of;

/// Longest name of a custom attribute, in characters.
const MAX_KEY_CHARS: usize = 190;

/// The ending that tells Intercom that a number is a date.
const DATE_SUFFIX: &str = "_at";

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// A custom attribute.
    Attribute,
    /// Event metadata, where any key is taken.
    Metadata,
}

/// The key as Intercom takes it, where that differs from the one sent.
pub(super) fn renamed(key: &str, naming: Naming, is_date: bool) -> Option<String> {
    let is_metadata = naming == Naming::Metadata;
    let longest = if is_metadata {
        usize::MAX
    } else {
        MAX_KEY_CHARS
    };
    let is_clean = is_metadata || !key.contains(['.', '$']);
    let clean = match end_of(key, longest) {
        None if is_clean => Cow::Borrowed(key),
        end => Cow::Owned(key[..end.unwrap_or(key.len())].replace(['.', '$'], "_")),
    };
    if !is_date || says_date(&clean, naming) {
        return match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        };
    }
    let at = clean.strip_suffix("At").filter(|_| is_metadata);
    let stem = at.or_else(|| clean.strip_suffix(" at")).unwrap_or(&clean);
    let end = end_of(stem, longest - DATE_SUFFIX.len()).unwrap_or(stem.len());
    Some(format!("{}{DATE_SUFFIX}", &stem[..end]))
}

/// Whether this key says that its value is a date. In event metadata Intercom recognises only `_at`
/// and `_date`.
fn says_date(key: &str, naming: Naming) -> bool {
    let other = match naming {
        Naming::Attribute => "At",
        Naming::Metadata => "_date",
    };
    key.ends_with(DATE_SUFFIX) || key.ends_with(other)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let name = renamed(key, Naming::Attribute, is_date).unwrap_or(key.to_owned());
            assert_eq!(name, expected, "{key}");
        }
        let long = "é".repeat(200);
        assert_eq!(
            renamed(&long, Naming::Attribute, false),
            Some("é".repeat(190))
        );
        assert_eq!(
            renamed(&long, Naming::Attribute, true),
            Some("é".repeat(187) + "_at")
        );
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
            let name = renamed(key, Naming::Metadata, is_date).unwrap_or(key.to_owned());
            assert_eq!(name, expected, "{key}");
        }
    }
}
