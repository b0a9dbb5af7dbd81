"""What an SDK sends in the end-to-end tests: a call of every kind, and what Intercom has after them."""

VISITOR = "visitor-1"
USER = "ada"


def at(second):
    """The time of a call, so that a contact's and an event's own times can be told."""
    return {"timestamp": f"2026-01-05T10:00:0{second}Z"}


# As Segment's HTTP API has them, in the order in which they happen.
CALLS = [
    {"type": "identify", "anonymousId": VISITOR, "traits": {"seen": "Pricing"}, **at(0)},
    {"type": "alias", "previousId": VISITOR, "userId": USER, **at(1)},
    {"type": "identify", "userId": USER, **at(2), "traits": {
        "email": "ada@example.com", "name": "Ada Lovelace", "phone": "+4915112345678", "seats": 12, "beta": True,
        "createdAt": "2024-03-01T09:30:00Z", "trial_ends_at": "2027-01-15T00:00:00Z"}},
    {"type": "group", "userId": USER, "groupId": "acme", **at(3), "traits": {
        "name": "Acme Ltd", "employees": 48, "plan": "Business", "city": "London",
        "website": "https://acme.example/?a=1&b=2"}},
    {"type": "track", "userId": USER, "event": "Order Completed", **at(4), "properties": {
        "revenue": 19.99, "currency": "eur", "gift": True, "coupon": "Žofie's <50%> 🎉"}},
    {"type": "page", "userId": USER, "name": "Pricing", **at(5)},
    {"type": "screen", "userId": USER, "name": "Home", **at(6)},
    {"type": "track", "userId": USER, "event": "Signed Out", **at(7)},
]
FIRST_SECOND = 1767607200


def in_one_object(call):
    """A call as most SDKs want it: the method's name and all fields in one object."""
    return call["type"], {name: value for name, value in call.items() if name != "type"}


def identify(user, **traits):
    """Such a call."""
    return "identify", {"userId": user, "traits": traits}


def track(user, event, **properties):
    """Such a call."""
    return "track", {"userId": user, "event": event, "properties": properties}


def tell(application):
    """Makes CALLS with an SDK, which must give up none of them, to a function that takes them all."""
    for call in CALLS:
        application.do(*in_one_object(call))
    application.end()
    assert set(application.statuses()) == {200}
    assert application.printed("gave_up") == []


def assert_told(stack):
    """Asserts that Intercom has just what CALLS say, at their own times, and that nothing else became of them."""
    state = stack.simulator.state()
    (contact,) = state["contacts"]
    (company,) = state["companies"]
    assert fields(contact) == {
        "role": "user",
        "external_id": USER,
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "phone": "+4915112345678",
        "signed_up_at": 1709285400,
        "custom_attributes": {
            "anonymous_id": VISITOR, "seen": "Pricing", "seats": 12, "beta": True, "trial_ends_at": 1799971200},
        "companies": ["acme"],
    }
    events = state["events"]
    first_second = events[0]["created_at"] - 4
    assert first_second == FIRST_SECOND
    # The group's time too is one at which the user was seen, where another instance takes it.
    assert contact["last_seen_at"] - first_second in (2, 3)
    assert fields(company) == {
        "company_id": "acme",
        "name": "Acme Ltd",
        "size": 48,
        "plan": "Business",
        "website": "https://acme.example/?a=1&b=2",
        "custom_attributes": {"city": "London"},
        "user_count": 1,
    }
    assert [(event["name"], event["created_at"] - first_second, event["metadata"]) for event in events] == [
        ("Order Completed", 4, {
            "price": {"amount": 1999, "currency": "eur"}, "gift": "true", "coupon": "Žofie's <50%> 🎉"}),
        ("Signed Out", 7, {}),
    ]
    assert {event["external_id"] for event in events} == {USER}
    assert [merged["into"] for merged in state["merged_contacts"]] == [contact["id"]]
    assert state["deleted_contacts"] == []
    assert stack.waiting() == stack.dead_letter_count() == 0


def fields(record):
    """What was set by us."""
    times_and_ids = {"id", "last_seen_at", "created_at", "updated_at", "remote_created_at"}
    return {key: value for key, value in record.items() if key not in times_and_ids and value not in (None, False, 0)}
