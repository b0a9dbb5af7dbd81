"""What replaying has to know of an event: whose it is, and when it happened."""

from datetime import datetime, timezone

KINDS = ("identify", "track", "page", "screen", "group", "alias", "delete")
# Segment's own time of receipt, which the archive is in the order of, else the sender's.
TIMES = ("receivedAt", "timestamp", "originalTimestamp", "sentAt")


def user_of(event):
    """The key of the person whom an event is about: userId, else email, else anonymousId; None for nobody."""
    user_id = event.get("userId")
    if isinstance(user_id, int | float | str) and not isinstance(user_id, bool) and str(user_id).strip():
        return f"u:{str(user_id).strip()}"
    for place in places_of_email(event):
        email = place.get("email") if isinstance(place, dict) else None
        if isinstance(email, str) and "@" in email:
            return f"e:{email.strip().lower()}"
    return visitor(event.get("anonymousId"))


def visitor(anonymous_id):
    """The key of an anonymous person."""
    return f"a:{anonymous_id}" if isinstance(anonymous_id, str) and anonymous_id.strip() else None


def places_of_email(event):
    context = event.get("context")
    return event.get("traits"), event.get("properties"), context.get("traits") if isinstance(context, dict) else None


def time_of(event):
    """When an event was received, in Unix seconds; None where it doesn't say."""
    return next((time for time in (seconds(event.get(name)) for name in TIMES) if time is not None), None)


def seconds(value):
    """A time as archives write it, in Unix seconds; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000 if value > 31_557_600_000 else float(value)
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(whole_fraction(value.strip()))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()


def whole_fraction(text):
    """A time as Python 3.10 reads it: `Z` as an offset, and six digits of a fraction."""
    text = f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}.{rest[:digits][:6]:0<6}{rest[digits:]}" if dot else text
