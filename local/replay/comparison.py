"""--compare: whether Intercom holds what replaying would leave. Nothing is sent."""

import json

import latest
from events import user_of
from forecast import preview
from ledger import Item

# What Intercom, or a later event, sets by itself.
NOT_COMPARED = {"role", "last_seen_at", "custom_attributes"}


def compare(ledger, connection, intercom, count, advance):
    """Compares some users; yields (user, field, in the archive, in Intercom) for each difference.

    Yields (user, None, None, None) for a user whom Intercom doesn't know. `advance(users)` is told how many are done.
    """
    for user in ledger.sample(count, seed=1):
        expected = expected_contacts(ledger, connection, user)
        for external_id, contact in expected.items():
            found = intercom.contact(external_id)
            if found is None:
                yield external_id, None, None, None
                continue
            for field, value in fields(contact).items():
                actual = fields(found).get(field)
                if not same(value, actual):
                    yield external_id, field, value, actual
        advance(1)


def expected_contacts(ledger, connection, user):
    """The contacts that a user's identifies leave, as bodies of Intercom by their external_id."""
    items = ledger.of_user_ever(user, "identify")
    by_person = {}
    for item in items:
        by_person.setdefault(user_of(item.event()), []).append(item.event())
    merged = [Item(0, 0.0, user, "identify", json.dumps(latest.last_word(events)), None)
              for events in by_person.values()]
    contacts = {}
    for result in preview(merged, connection) if merged else []:
        for action in result["actions"]:
            if action["action"] == "upsert_contact" and "external_id" in action["identity"]:
                contacts[action["identity"]["external_id"]] = action["contact"]
    return contacts


def fields(contact):
    """What is compared of a contact, flat."""
    flat = {name: value for name, value in contact.items() if name not in NOT_COMPARED}
    for name, value in (contact.get("custom_attributes") or {}).items():
        flat[f"custom_attributes.{name}"] = value
    return flat


def same(expected, actual):
    """Intercom compares emails without case, and gives numbers as it keeps them."""
    if isinstance(expected, str) and isinstance(actual, str):
        return expected.lower() == actual.lower() if "@" in expected else expected == actual
    return expected == actual
