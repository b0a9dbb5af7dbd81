"""Which events of an archive are chosen."""

import json
from types import SimpleNamespace

import archive
from reading import Reader

EVENTS = [
    {"type": "track", "userId": "ada", "event": "By a userId"},
    {"type": "identify", "traits": {"email": "Bob@Example.com"}},
    {"type": "track", "anonymousId": "a1", "event": "By an anonymousId"},
    {"type": "track", "userId": "eve", "event": "Somebody else"},
]


def test_users_are_chosen_by_userid_and_without_one_by_email_or_anonymousid(tmp_path):
    events, users = tmp_path / "events.ndjson", tmp_path / "users"
    events.write_text("\n".join(map(json.dumps, EVENTS)))
    users.write_text("ada\n\n BOB@example.com \na1\n")
    arguments = SimpleNamespace(users_from=users, types=None, since=None, until=None)
    reader = Reader(arguments, tmp_path / "broken", SimpleNamespace(advance=lambda *_: None))
    rows = list(reader.rows(archive.files([str(events)], lambda: None)))
    assert [user for _at, user, _kind, _body in rows] == ["u:ada", "e:bob@example.com", "a:a1"]
    assert reader.counts["not chosen"] == 1
