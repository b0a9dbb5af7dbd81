"""Reads an archive into the ledger: chooses events, and counts what is left out."""

import json

import archive
from events import time_of, user_of, visitor
from ledger import LEFT_OUT

DELETED = "its user was deleted later"


class Reader:
    """Reads the archive into the ledger: chooses, and counts what is left out."""

    def __init__(self, arguments, broken_path, bar):
        self.arguments = arguments
        self.users = users_of(arguments.users_from)
        self.broken_path = broken_path
        self.broken_file = None
        self.bar = bar
        self.counts = {"files": 0, "events": 0, "broken": 0, "not chosen": 0, "of nobody": 0, "users": 0}
        self.deletions = {}
        self.roots = {}
        self._last = 0.0

    def rows(self, files):
        """Rows of the ledger."""
        for file in files:
            self.counts["files"] += 1
            for _line, event in file.events(lambda *what, file=file: self.broken(file, *what)):
                if row := self.row(event):
                    yield row
                self.bar.advance(1, file.name)
        if self.broken_file:
            self.broken_file.close()

    def row(self, event):
        self.counts["events"] += 1
        at = time_of(event)
        # An event without any time stays where it stands in its file.
        at = self._last = self._last if at is None else at
        kind, user = event["type"], user_of(event)
        if kind == "alias":
            self.join(event)
        if kind == "delete" and user:
            self.deletions[user] = max(at, self.deletions.get(user, at))
        if not self.is_chosen(kind, user, at):
            self.counts["not chosen"] += 1
            return None
        if not user and kind != "group":
            self.counts["of nobody"] += 1
            return None
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        return at, user or f"g:{event.get('groupId')}", kind, body

    def is_chosen(self, kind, user, at):
        arguments = self.arguments
        return (
            # A user who has come back since would lose everything.
            kind != "delete"
            and (not arguments.types or kind in arguments.types)
            and (arguments.since is None or at >= arguments.since)
            and (arguments.until is None or at < arguments.until)
            and (self.users is None or user in self.users))

    def join(self, event):
        """An alias makes two people one."""
        user, lead = user_of(event), visitor(event.get("previousId"))
        if user and lead:
            self.roots[self.root(lead)] = self.root(user)

    def root(self, user):
        while user in self.roots and self.roots[user] != user:
            user = self.roots[user]
        return user

    def root_of(self):
        return {user: self.root(user) for user in self.roots}

    def broken(self, file, line, text, why):
        self.counts["broken"] += 1
        if not self.broken_file:
            self.broken_file = self.broken_path.open("w")
        where = {"file": file.name, "line": line, "why": why, "text": text[:archive.SHOWN]}
        self.broken_file.write(json.dumps(where, ensure_ascii=False) + "\n")


def read(arguments, files, ledger, screen):
    """Fills the ledger from the archive."""
    broken_path = ledger.path.with_suffix(".broken.ndjson")
    with screen.progress("reading", None) as bar:
        reader = Reader(arguments, broken_path, bar)
        ledger.fill(reader.rows(files))
    ledger.join(reader.root_of())
    # A deleted person must not come back, not even for a moment.
    ledger.leave_out_before([(reader.root(user), at) for user, at in reader.deletions.items()], DELETED)
    counts = reader.counts
    counts["users"] = ledger.users()
    counts["chosen"] = ledger.by_kind()
    counts["of deleted users"] = ledger.count(LEFT_OUT)
    counts["broken file"] = str(broken_path) if counts["broken"] else None
    ledger.note("archive", counts)
    ledger.note("is_read", True)


def users_of(path):
    """The keys of the people in a file with one id or email a line; None without a file."""
    if path is None:
        return None
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    return {key for line in lines for key in (f"u:{line}", f"e:{line.lower()}", f"a:{line}")}
