//! Paths as a proxy before a server reads them.

use std::borrow::Cow;

/// The path without its dot segments (RFC 3986, 5.2.4). An encoded dot is one: `.` is an
/// unreserved character, so that a proxy may decode it before.
pub(crate) fn normalized(path: &str) -> Cow<'_, str> {
    let dots = |segment: &str| match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
        "." => Some(1),
        ".." => Some(2),
        _ => None,
    };
    if !path.split('/').any(|segment| dots(segment).is_some()) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        match dots(segment) {
            None => kept.push(segment),
            Some(1) => {}
            Some(_) => drop(kept.pop()),
        }
    }
    Cow::Owned(format!("/{}", kept.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_go_and_take_the_one_before_with_them() {
        for (path, expected) in [
            (
                "/contacts/find_by_external_id/a.b",
                "/contacts/find_by_external_id/a.b",
            ),
            (
                "/contacts/find_by_external_id/...",
                "/contacts/find_by_external_id/...",
            ),
            (
                "/contacts/find_by_external_id/.",
                "/contacts/find_by_external_id",
            ),
            ("/contacts/find_by_external_id/..", "/contacts"),
            ("/contacts/find_by_external_id/%2E.", "/contacts"),
            ("/contacts/%2e%2e/me", "/me"),
            ("/../..", "/"),
        ] {
            assert_eq!(normalized(path), expected, "{path}");
        }
    }
}
