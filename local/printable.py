"""Text of senders for a terminal or a log: what would move the cursor or turn the direction is written as an escape."""

import unicodedata

# Cc: control characters; Cf: invisible ones, which hide text or turn its direction; Cs: halves of characters, which
# no terminal takes; Zl, Zp: line and paragraph separators.
ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text, most=None):
    """The text on one line, as JSON would escape it; cut to `most` characters."""
    if most is not None and len(text) > most:
        text = text[:most] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(escaped, text))


def escaped(character):
    if unicodedata.category(character) not in ESCAPED:
        return character
    code = ord(character)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
