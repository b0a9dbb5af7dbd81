"""--latest: one identify and one group say what all of them left."""

import json

import latest
from ledger import Ledger


def merged(tmp_path, *events):
    """What a ledger has to send after the merge, in order."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.fill((float(at), f"u:{event.get('userId')}", event["type"], json.dumps(event))
                for at, event in enumerate(events))
    latest.merge(ledger)
    ledger.set_lanes(1)
    found = [item.event() for item in ledger.next_array(0, 100, 1 << 20)]
    ledger.close()
    return found


def identify(traits, user="ada", **fields):
    return {"type": "identify", "userId": user, "traits": traits, **fields}


def test_later_traits_win_and_null_overwrites_nothing(tmp_path):
    (event,) = merged(
        tmp_path, identify({"name": "Ada", "plan": "free", "vip": True}), identify({"plan": "gold", "vip": None}))
    assert event["traits"] == {"name": "Ada", "plan": "gold", "vip": True}


def test_a_trait_is_the_same_in_any_spelling(tmp_path):
    (event,) = merged(tmp_path, identify({"firstName": "A", "last_name": "L"}), identify({"first name": "Ada"}))
    assert event["traits"] == {"last_name": "L", "first name": "Ada"}


def test_traits_of_the_context_count_where_there_are_no_others(tmp_path):
    context = {"traits": {"plan": "gold"}}
    (event,) = merged(tmp_path, identify({"name": "Ada"}), identify({}, context=context))
    assert event["traits"] == {"name": "Ada", "plan": "gold"}


def test_all_companies_stay_with_the_last_word_on_each(tmp_path):
    (event,) = merged(
        tmp_path,
        identify({"company": {"id": 1, "name": "One", "plan": "a"}}),
        identify({"companies": [{"id": 1, "plan": "b"}, {"id": "2", "remove": True}, "Three"]}),
        identify({"company": {"id": "2", "name": "Two"}}))
    assert event["traits"] == {
        "companies": [{"name": "One", "id": 1, "plan": "b"}, "Three", {"id": "2", "name": "Two"}]}


def test_a_merged_event_is_the_same_each_time(tmp_path):
    first = merged(tmp_path, identify({"a": 1}, messageId="m1"), identify({"b": 2}, messageId="m2"))
    (tmp_path / "ledger.sqlite").unlink()
    second = merged(tmp_path, identify({"a": 1}, messageId="m1"), identify({"b": 2}, messageId="m2"))
    assert first == second
    assert first[0]["messageId"].startswith("replay-")


def test_who_exists_comes_before_what_happened(tmp_path):
    events = merged(
        tmp_path,
        {"type": "track", "userId": "ada", "event": "Signed Up"},
        {"type": "alias", "userId": "ada", "previousId": "visitor"},
        {"type": "group", "userId": "ada", "groupId": "c1", "traits": {"plan": "a"}},
        identify({"name": "Ada"}),
        {"type": "group", "userId": "ada", "groupId": "c2"},
        {"type": "group", "userId": "ada", "groupId": "c1", "traits": {"size": 3}},
        {"type": "track", "userId": "ada", "event": "Signed Out"})
    assert [event["type"] for event in events] == ["identify", "group", "group", "alias", "track", "track"]
    assert events[1]["groupId"] == "c2"
    assert events[2]["traits"] == {"plan": "a", "size": 3}
