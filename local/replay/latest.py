"""--latest: what all identifies and groups of a user leave, in one identify, and one group for each company.

Later traits win, as in delivery: null overwrites nothing, a trait is the same in any spelling, and of companies all
count, each with the last word on it.
"""

import hashlib
import json

from events import user_of

# The order of --latest: users first, then companies, aliases, and everything else.
IDENTIFY, GROUP, ALIAS, REST = range(4)
COMPANY_KEYS = ("id", "company_id", "companyid", "name")


def merge(ledger):
    """Replaces identifies and groups in the ledger by what they leave. Events keep their place in the order."""
    for user in list(ledger.users_to_merge()):
        of_user = ledger.of_user(user, ("identify", "group"))
        merged = [*identifies(user, of_user), *groups(user, of_user)]
        ledger.merge([item.id for item in of_user], merged)
    ledger.set_phase("alias", ALIAS)
    for kind in ("track", "page", "screen", "delete"):
        ledger.set_phase(kind, REST)


def identifies(user, items):
    """One identify per person: an alias can have joined several into `user`, whose order is kept together."""
    by_person = {}
    for item in items:
        if item.kind == "identify":
            by_person.setdefault(user_of(item.event()), []).append(item)
    for each in by_person.values():
        yield row(IDENTIFY, user, each)


def groups(user, items):
    """One group per person and company."""
    by_company = {}
    for item in items:
        if item.kind == "group":
            event = item.event()
            by_company.setdefault((user_of(event), str(event.get("groupId")).strip()), []).append(item)
    for each in by_company.values():
        yield row(GROUP, user, each)


def row(phase, user, items):
    """A row of the ledger for what these items say together."""
    event = last_word([item.event() for item in items])
    return phase, items[-1].at, user, items[-1].kind, json.dumps(event, ensure_ascii=False)


def last_word(events):
    """The last of these events, with the traits of all."""
    with_companies = events[0]["type"] == "identify"
    traits, companies = {}, {}
    for event in events:
        for key, value in traits_of(event).items():
            if value is None:
                continue
            if with_companies and plain(key) in ("company", "companies"):
                for company in value if isinstance(value, list) else [value]:
                    join_company(companies, company)
                continue
            for same in [known for known in traits if plain(known) == plain(key)]:
                del traits[same]
            traits[key] = value
    if companies:
        traits["companies"] = list(companies.values())
    last = {**events[-1], "traits": traits}
    if len(events) > 1:
        # Its own, always the same: a second run is the same event.
        ids = "\n".join(str(event.get("messageId")) for event in events)
        last["messageId"] = f"replay-{hashlib.sha256(ids.encode()).hexdigest()[:32]}"
    return last


def traits_of(event):
    """An event's traits; of an identify without any, those of its context, as in delivery."""
    context = event.get("context")
    of_context = context.get("traits") if isinstance(context, dict) and event.get("type") == "identify" else None
    return next((each for each in (event.get("traits"), of_context) if isinstance(each, dict) and each), {})


def join_company(companies, company):
    """Adds what one event says of a company to what the earlier ones said."""
    said = company if isinstance(company, dict) else {"name": company}
    loose = {plain(key): value for key, value in said.items()}
    key = next((str(loose[name]) for name in COMPANY_KEYS if loose.get(name) not in (None, "")), json.dumps(company))
    known = companies.get(key)
    if isinstance(known, dict) and isinstance(company, dict):
        # A later word on whether the user belongs to it replaces the earlier one.
        kept = {name: value for name, value in known.items() if plain(name) != "remove" and plain(name) not in loose}
        company = {**kept, **company}
    companies.pop(key, None)
    companies[key] = company


def plain(key):
    """A key as events are read: without case, and without anything but letters, digits and dots."""
    return "".join(letter for letter in key.lower() if letter.isalnum() or letter == ".")
