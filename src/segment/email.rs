//! What counts as an e-mail address where Segment lets an id be one.

/// Whether an id looks like an e-mail address: one `@` with something before it and a dotted
/// domain after it, no white space.
///
/// Segment's libraries take a userId or groupId of this shape as the email when no trait says
/// otherwise.
pub fn looks_like_email(id: &str) -> bool {
    let Some((local, domain)) = id.split_once('@') else {
        return false;
    };
    let Some((host, top_level)) = domain.rsplit_once('.') else {
        return false;
    };
    !local.is_empty()
        && !host.is_empty()
        && !top_level.is_empty()
        && !domain.contains('@')
        && !id.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::looks_like_email;

    #[test]
    fn ids_that_are_addresses() {
        for id in ["a@b.co", "first.last+tag@sub.example.com"] {
            assert!(looks_like_email(id), "{id}");
        }
        for id in [
            "", "a", "a@b", "@b.co", "a@.co", "a@b.", "a b@c.de", "a@b@c.de",
        ] {
            assert!(!looks_like_email(id), "{id}");
        }
    }
}
