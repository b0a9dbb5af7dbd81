"""What changed between two states of the Intercom simulator, in words."""

from datetime import datetime, timezone

# Set by Intercom, or the identity that each line begins with.
BOOKKEEPING = {"id", "external_id", "company_id", "role", "created_at", "updated_at", "user_count", "archived"}


def changes(before, after):
    """One line for each thing that differs."""
    return [
        *contact_changes(before, after),
        *company_changes(before, after),
        *event_changes(before, after),
        *attribute_changes(before, after),
    ]


def contact_changes(before, after):
    known, names = by_id(before["contacts"]), {}
    for contact in (*before["contacts"], *after["contacts"]):
        names[contact["id"]] = contact_name(contact)
    for contact in after["contacts"]:
        yield from record_changes(names[contact["id"]], known.get(contact["id"]), contact)
        if contact["archived"] and not known.get(contact["id"], {}).get("archived"):
            yield f"{names[contact['id']]} archived"
    for merged in after["merged_contacts"][len(before["merged_contacts"]):]:
        yield f"{names[merged['id']]} merged into {names.get(merged['into'], merged['into'])}"
    for deleted in after["deleted_contacts"][len(before["deleted_contacts"]):]:
        yield f"{names.get(deleted['id'], deleted['id'])} deleted"


def company_changes(before, after):
    known = by_id(before["companies"])
    for company in after["companies"]:
        yield from record_changes(f"company {company['company_id']}", known.get(company["id"]), company)


def event_changes(before, after):
    for event in after["events"][len(before["events"]):]:
        of = event["external_id"] or event["email"] or event["contact_id"]
        yield f"event “{event['name']}” of {of}" + listed(event["metadata"])


def attribute_changes(before, after):
    for attribute in after["data_attributes"][len(before["data_attributes"]):]:
        yield f"{attribute['model']} attribute {attribute['name']} ({attribute['data_type']}) created"


def record_changes(name, before, after):
    if before is None:
        yield f"{name} created" + listed(fields(after))
        return
    old = fields(before)
    changed = {key: value for key, value in fields(after).items() if old.get(key) != value}
    if changed:
        yield f"{name} updated" + listed(changed)


def fields(record):
    """A record's own and custom attributes that have a value."""
    flat = {**record, **record["custom_attributes"]}
    return {
        key: value for key, value in flat.items()
        if key not in BOOKKEEPING and key != "custom_attributes" and value not in (None, False, 0, "", [])
    }


def contact_name(contact):
    identity = contact["external_id"] if contact["role"] == "user" else None
    return f"{contact['role']} {identity or contact['email'] or contact['id']}"


def listed(values):
    return ": " + ", ".join(f"{key} {shown(key, value)}" for key, value in values.items()) if values else ""


def shown(key, value):
    if key.endswith("_at") and isinstance(value, int):
        return f"{datetime.fromtimestamp(value, timezone.utc):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return "+".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values())
    return str(value)


def by_id(records):
    return {record["id"]: record for record in records}
