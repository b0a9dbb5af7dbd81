//! What counts as an email address.

use std::borrow::Cow;

/// What a link to an address starts with.
const MAILTO: &str = "mailto:";

/// The address in a text, without blanks at both ends and without `mailto:`. `None` for what
/// Intercom would refuse, with everything sent beside it: an address has exactly one `@`, something
/// before it and a domain with a dot after it. It has no blank, comma, semicolon, quotation mark,
/// angle bracket or control character.
///
/// Segment's libraries also take a userId or groupId of this shape as the email.
pub fn email_address(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let text = match text.get(..MAILTO.len()) {
        Some(start) if start.eq_ignore_ascii_case(MAILTO) => text[MAILTO.len()..].trim_start(),
        _ => text,
    };
    let (local, domain) = text.split_once('@')?;
    let (host, top_level) = domain.rsplit_once('.')?;
    let never =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '"' | '<' | '>');
    // An apostrophe can be part of a name, but not in these places.
    let is_quoted = text.starts_with('\'') || text.ends_with('\'');
    let is_address = !local.is_empty()
        && !host.is_empty()
        && !host.starts_with('.')
        && !top_level.is_empty()
        && !domain.contains('@')
        && !is_quoted
        && !text.contains(never);
    is_address.then_some(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::email_address;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("a@b.co", "a@b.co"),
            (" a@b.co\n", "a@b.co"),
            ("mailto:a@b.co", "a@b.co"),
            ("MAILTO: a@b.co", "a@b.co"),
            (
                "first.last+tag@sub.example.com",
                "first.last+tag@sub.example.com",
            ),
            ("o'brien@example.com", "o'brien@example.com"),
            ("ü@exämple.de", "ü@exämple.de"),
        ] {
            assert_eq!(email_address(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "none",
            "a@b",
            "@b.co",
            "a@.co",
            "a@b.",
            "a b@c.de",
            "a@b@c.de",
            "a@b.co,c@d.co",
            "a@b.co;",
            "\"a\"@b.co",
            "'a@b.co'",
            "<a@b.co>",
            "A <a@b.co>",
            "a\u{0}@b.co",
            "a\u{7f}@b.co",
            "a@b.co\u{a0}x",
            "mailto:",
            "a@..co",
        ] {
            assert_eq!(email_address(text), None, "{text}");
        }
    }
}
