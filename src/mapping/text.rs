//! How long a text may be.

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
