//! How long a text may be.

use std::borrow::Cow;

/// Longest string that Intercom stores, in characters.
pub(super) const MAX_VALUE_CHARS: usize = 255;

/// Where a text longer than `longest` characters is to be cut, in bytes.
pub(super) fn end_of(text: &str, longest: usize) -> Option<usize> {
    if text.len() <= longest {
        return None;
    }
    text.char_indices().nth(longest).map(|(end, _)| end)
}

/// Whether a text is longer than Intercom stores, for values that must not be cut.
pub(super) fn is_too_long(text: &str) -> bool {
    end_of(text, MAX_VALUE_CHARS).is_some()
}

/// A text as long as Intercom stores it, and whether it was cut.
pub(super) fn cut(text: Cow<'_, str>) -> (Cow<'_, str>, bool) {
    let Some(end) = end_of(&text, MAX_VALUE_CHARS) else {
        return (text, false);
    };
    let beginning = match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
    };
    (beginning, true)
}
