//! Names of custom attributes and metadata, as Intercom takes them.

use std::borrow::Cow;

use super::text::end_of;

/// Longest name of a custom attribute, in characters.
const MAX_KEY_CHARS: usize = 190;

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
    // These endings mark a date: for a workspace's people in attributes, for Intercom in metadata.
    let (suffix, kept) = match naming {
        Naming::Attribute => ("_at", ["_at", "At"].as_slice()),
        Naming::Metadata => ("_date", ["_date"].as_slice()),
    };
    if !is_date || kept.iter().any(|ending| clean.ends_with(ending)) {
        return match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        };
    }
    let stem = AT.iter().find_map(|ending| clean.strip_suffix(ending));
    let stem = stem.unwrap_or(&clean);
    let end = end_of(stem, longest - suffix.len()).unwrap_or(stem.len());
    Some(format!("{}{suffix}", &stem[..end]))
}

/// Endings of a key that say in every language's spelling that something happened at that time.
const AT: [&str; 3] = ["_at", "At", " at"];

/// Whether this key, as sent, says that its value is a date.
pub(super) fn says_date(key: &str, naming: Naming) -> bool {
    let others: &[&str] = match naming {
        // They become `_at`.
        Naming::Attribute => &[".at", "$at"],
        Naming::Metadata => &["_date"],
    };
    AT.iter().chain(others).any(|ending| key.ends_with(ending))
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
            ("ship", true, "ship_date"),
            ("ship_at", true, "ship_date"),
            ("ship_date", true, "ship_date"),
            ("shipDate", true, "shipDate_date"),
            ("shippedAt", true, "shipped_date"),
            ("shipped at", true, "shipped_date"),
        ];
        for (key, is_date, expected) in cases {
            let name = renamed(key, Naming::Metadata, is_date).unwrap_or(key.to_owned());
            assert_eq!(name, expected, "{key}");
        }
    }

    #[test]
    fn keys_that_say_date() {
        for (key, of_attribute, of_metadata) in [
            ("born_at", true, true),
            ("bornAt", true, true),
            ("born at", true, true),
            ("born.at", true, false),
            ("birth_date", false, true),
            ("format", false, false),
            ("birthDate", false, false),
        ] {
            assert_eq!(says_date(key, Naming::Attribute), of_attribute, "{key}");
            assert_eq!(says_date(key, Naming::Metadata), of_metadata, "{key}");
        }
    }
}
