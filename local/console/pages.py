"""How the console shows what others wrote: as text, whatever it is."""

import json
import unicodedata
from datetime import datetime, timezone
from pathlib import Path

import jinja2

TABS = (("overview", "Overview"), ("test", "Test"), ("events", "Events"), ("dead-letters", "Dead letters"),
        ("connection", "Connection"), ("messenger", "Messenger"))
# Overrides of the text's direction would reorder the text around them.
TURNING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(value):
    """A sender's text with what can't be seen, or would turn its direction, made visible."""
    return "".join(map(visible, "" if value is None else str(value)))


def visible(character):
    code = ord(character)
    if character in "\n\t":
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    if character in TURNING or unicodedata.category(character) in ("Cc", "Cs"):
        return f"⟨U+{code:04X}⟩"
    return character


def pretty(value):
    return shown(json.dumps(value, indent=2, ensure_ascii=False))


def without_action(action):
    return {name: value for name, value in action.items() if name != "action"}


def moment(millis):
    return datetime.fromtimestamp(millis / 1000, timezone.utc).isoformat(timespec="milliseconds")


def clock(millis):
    """The time of day, and the day where it isn't today, in UTC."""
    when = datetime.fromtimestamp(millis / 1000, timezone.utc)
    is_today = when.date() == datetime.now(timezone.utc).date()
    return when.strftime("%H:%M:%S" if is_today else "%b %d, %H:%M:%S")


def duration(millis):
    """A length of time that a person reads at a glance."""
    if millis is None:
        return "\N{EN DASH}"
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if millis >= 2 * length:
            return f"{millis / length:.0f} {unit}"
    return f"{millis / 1000:.1f} s" if millis >= 1000 else f"{millis:.0f} ms"


def count(number):
    return f"{number:,}".replace(",", "\u202f")


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True,
    lstrip_blocks=True)
ENVIRONMENT.filters.update({
    each.__name__: each for each in (shown, pretty, without_action, moment, clock, duration, count)})
ENVIRONMENT.globals.update(tabs=TABS)


def render(template, **values):
    return ENVIRONMENT.get_template(template).render(**values)
