//! Placeholder userIds, sent where there is no user.
//!
//! Which and why: `docs/mapping.md#nobody`.

/// `IGNORED_USER_IDS`: userIds that mean nobody, compared as a whole, ignoring case.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IgnoredUserIds(Vec<String>);

/// What languages and libraries write for "no value" and "not signed in". Each would otherwise
/// become one contact that many visitors share and whose events hold each other up. `0` is
/// WordPress's visitor, and no database counts from it. Ids that a person may have chosen (`admin`,
/// `test`, `1`) are not included.
const DEFAULT: [&str; 17] = [
    "null",
    "undefined",
    "nil",
    "none",
    "nan",
    "n/a",
    "true",
    "false",
    "[object object]",
    "anonymous",
    "guest",
    "unknown",
    "not_authenticated",
    "unauthenticated",
    "0",
    "-1",
    "00000000-0000-0000-0000-000000000000",
];

impl Default for IgnoredUserIds {
    fn default() -> Self {
        Self::new(DEFAULT)
    }
}

impl IgnoredUserIds {
    /// These ids.
    pub fn new(ids: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(
            ids.into_iter()
                .map(|id| id.as_ref().to_lowercase())
                .collect(),
        )
    }

    /// Whether an id is one of them.
    pub fn contains(&self, id: &str) -> bool {
        let id = id.trim();
        if id.is_ascii() {
            return self.0.iter().any(|own| own.eq_ignore_ascii_case(id));
        }
        // Lowercasing can change a text's length, but never by this much.
        let longest = self.0.iter().map(String::len).max().unwrap_or_default();
        id.len() <= 3 * longest && self.0.contains(&id.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::IgnoredUserIds;

    #[test]
    fn whole_ids_in_any_case() {
        let ids = IgnoredUserIds::default();
        for id in ["undefined", "Null", " GUEST ", "[object Object]", "0"] {
            assert!(ids.contains(id), "{id}");
        }
        for id in ["", "nullable", "10", "guest-7", "admin", "1"] {
            assert!(!ids.contains(id), "{id}");
        }
        assert!(!IgnoredUserIds::new([""; 0]).contains("undefined"));
        assert!(IgnoredUserIds::new(["Besucher"]).contains("BESUCHER"));
    }
}
