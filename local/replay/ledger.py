"""The working copy of a replay on disk, in SQLite: the chosen events in order, and what became of each.

It is the checkpoint as well: what Intercom or a queue has acknowledged is marked here before anything else is sent.
"""

import json
import random
import sqlite3
import threading
import time
from dataclasses import dataclass

TO_SEND, SENT, LEFT_OUT, MERGED = range(4)
SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    phase INTEGER NOT NULL,  -- with --latest: identifies, groups, aliases, the rest
    at REAL NOT NULL,        -- when it was received, in Unix seconds
    user TEXT NOT NULL,      -- the people whose events keep their order among each other
    lane INTEGER,            -- a hash of `user`: a lane's events are sent one array after another
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    calls INTEGER,           -- calls of Intercom, by preview
    status TEXT,             -- what became of it
    reason TEXT);
CREATE INDEX IF NOT EXISTS next ON events (lane, phase, at, id) WHERE state = 0;
CREATE INDEX IF NOT EXISTS unseen ON events (phase, at, id) WHERE state = 0 AND calls IS NULL;
CREATE INDEX IF NOT EXISTS of_user ON events (user, at, id);
CREATE TABLE IF NOT EXISTS held (user TEXT PRIMARY KEY, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS under_way (lane INTEGER PRIMARY KEY, began REAL NOT NULL);
"""


@dataclass
class Item:
    """One event of the ledger."""

    id: int
    at: float
    user: str
    kind: str
    body: str
    calls: int | None

    def event(self):
        return json.loads(self.body)


class Ledger:
    """A ledger in the file `path`. Its methods may be called from several threads."""

    def __init__(self, path):
        self.path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32000;")
        self._db.executescript(SCHEMA)

    def close(self):
        self._db.close()

    def fact(self, name, default=None):
        """What is noted of the replay as a whole under this name."""
        row = self._row("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(row[0]) if row else default

    def note(self, name, value):
        self._do("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, json.dumps(value))

    # Reading in

    def fill(self, rows):
        """Takes in rows of (at, user, kind, body), all of them or none."""
        with self._transaction():
            self._db.execute("DELETE FROM events")
            self._db.executemany(
                "INSERT INTO events (phase, at, user, kind, body) VALUES (0, ?, ?, ?, ?)", rows)

    def join(self, root_of):
        """Makes users that an alias joins one, so that their events keep their order: `root_of` is a dict."""
        with self._transaction():
            self._db.executemany("UPDATE events SET user = ? WHERE user = ?", [
                (root, user) for user, root in root_of.items() if user != root])

    def leave_out_before(self, deletions, reason):
        """Leaves out what deleted people did before they were deleted. `deletions` are pairs of user and time."""
        with self._transaction():
            self._db.executemany(
                "UPDATE events SET state = ?, status = 'left out', reason = ? WHERE user = ? AND at <= ?",
                [(LEFT_OUT, reason, user, at) for user, at in deletions])

    def set_lanes(self, lanes):
        """Shares the users out among this many lanes."""
        with self._transaction():
            users = self._db.execute("SELECT DISTINCT user FROM events WHERE lane IS NULL").fetchall()
            self._db.execute("CREATE TEMP TABLE lane_of (user TEXT PRIMARY KEY, lane INTEGER)")
            self._db.executemany("INSERT INTO lane_of VALUES (?, ?)", (
                (user, number % lanes) for number, (user,) in enumerate(users)))
            self._db.execute("UPDATE events SET lane = (SELECT lane FROM lane_of WHERE lane_of.user = events.user) "
                             "WHERE lane IS NULL")
            self._db.execute("DROP TABLE lane_of")

    # Looking at what is to be sent

    def unseen(self, limit):
        """The next events, in order, of which preview hasn't said yet what they would become."""
        return self._items("SELECT id, at, user, kind, body, calls FROM events WHERE state = 0 AND calls IS NULL "
                           "ORDER BY phase, at, id LIMIT ?", limit)

    def note_previews(self, previews):
        """`previews` are tuples of (calls, state, status, reason, id)."""
        with self._transaction():
            self._db.executemany(
                "UPDATE events SET calls = ?, state = ?, status = ?, reason = ? WHERE id = ?", previews)

    def users_to_merge(self):
        """Users with an identify or group to send."""
        rows = self._rows("SELECT DISTINCT user FROM events WHERE state = 0 AND kind IN ('identify', 'group')")
        return (user for (user,) in rows)

    def of_user(self, user, kinds):
        """A user's events to send of these kinds, in order."""
        marks = ", ".join("?" * len(kinds))
        return self._items(f"SELECT id, at, user, kind, body, calls FROM events WHERE user = ? AND state = 0 "
                           f"AND kind IN ({marks}) ORDER BY at, id", user, *kinds)

    def of_user_ever(self, user, kind):
        """A user's events of this kind, in order, whether sent or still to be sent."""
        return self._items("SELECT id, at, user, kind, body, calls FROM events WHERE user = ? AND kind = ? "
                           "AND state IN (0, 1) ORDER BY at, id", user, kind)

    def merge(self, ids, merged):
        """Replaces events by what they say together: `merged` are rows of (phase, at, user, kind, body)."""
        with self._transaction():
            self._db.executemany("UPDATE events SET state = ? WHERE id = ?", ((MERGED, each) for each in ids))
            self._db.executemany(
                "INSERT INTO events (phase, at, user, kind, body) VALUES (?, ?, ?, ?, ?)", merged)

    def set_phase(self, kind, phase):
        """Puts the events of a kind that aren't merged into their place."""
        self._do("UPDATE events SET phase = ? WHERE kind = ? AND state = 0 AND phase = 0", phase, kind)

    def sample(self, count, seed, kind="identify"):
        """Some users with an event of this kind, always the same for the same seed."""
        rows = self._rows("SELECT DISTINCT user FROM events WHERE state != ? AND kind = ?", LEFT_OUT, kind)
        users = sorted(user for (user,) in rows)
        return random.Random(seed).sample(users, min(count, len(users)))

    # Sending

    def next_array(self, lane, most, most_bytes):
        """The next events of a lane, in order, without those of held users. Notes that they are under way."""
        items, size = [], 0
        with self._transaction():
            found = self._db.execute(
                "SELECT id, at, user, kind, body, calls FROM events WHERE state = 0 AND lane = ? "
                "AND user NOT IN (SELECT user FROM held) ORDER BY phase, at, id LIMIT ?", (lane, most))
            for row in found:
                size += len(row[4].encode()) + 1
                if items and size > most_bytes:
                    break
                items.append(Item(*row))
            if items:
                self._db.execute("INSERT OR REPLACE INTO under_way VALUES (?, ?)", (lane, time.time()))
        return items

    def note_results(self, lane, queues_in_order, results):
        """`results` are tuples of (status, reason, id). Users with a queued event are held, unless the queue itself
        keeps what comes later behind it."""
        with self._transaction():
            self._db.executemany(
                "UPDATE events SET state = 1, status = ?, reason = ? WHERE id = ?", results)
            if not queues_in_order:
                self._db.executemany(
                    "INSERT OR REPLACE INTO held SELECT user, ? FROM events WHERE id = ?",
                    ((time.time(), each) for status, _, each in results if status == "queued"))
            self._db.execute("DELETE FROM under_way WHERE lane = ?", (lane,))

    def broken_off(self, lane):
        """An array that was certainly not taken is no longer under way."""
        self._do("DELETE FROM under_way WHERE lane = ?", lane)

    def latest_under_way(self):
        """When the latest array with an unknown outcome was begun; None when there is none."""
        return self._row("SELECT max(began) FROM under_way")[0]

    def release(self, held_since):
        """Releases the users who were held then or before; returns how many there were."""
        with self._transaction():
            return self._db.execute("DELETE FROM held WHERE since <= ?", (held_since,)).rowcount

    def has_events(self, lane):
        """Whether a lane has events to send, of held users or not."""
        return self._row("SELECT EXISTS (SELECT 1 FROM events WHERE state = 0 AND lane = ?)", lane)[0] == 1

    # Counting

    def count(self, state):
        return self._row("SELECT count(*) FROM events WHERE state = ?", state)[0]

    def calls_to_send(self):
        """Calls of Intercom that the events to send need, where preview has said so."""
        return self._row("SELECT coalesce(sum(calls), 0) FROM events WHERE state = 0")[0]

    def users(self):
        return self._row("SELECT count(DISTINCT user) FROM events")[0]

    def by_status(self, state):
        """Counts as a dict of {status: number}."""
        return dict(self._rows("SELECT status, count(*) FROM events WHERE state = ? GROUP BY status", state))

    def by_reason(self, state, status):
        """Pairs of (reason, number), most first."""
        return self._rows("SELECT reason, count(*) FROM events WHERE state = ? AND status = ? GROUP BY reason "
                          "ORDER BY count(*) DESC, reason", state, status)

    def by_kind(self):
        """Counts of all events as a dict of {kind: number}."""
        return dict(self._rows(
            "SELECT kind, count(*) FROM events WHERE state != ? GROUP BY kind ORDER BY kind", MERGED))

    # SQLite

    def _items(self, query, *values):
        return [Item(*row) for row in self._rows(query, *values)]

    def _rows(self, query, *values):
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def _row(self, query, *values):
        with self._lock:
            return self._db.execute(query, values).fetchone()

    def _do(self, query, *values):
        with self._lock:
            self._db.execute(query, values)

    def _transaction(self):
        return Transaction(self._lock, self._db)


class Transaction:
    """All of what is done within it, or nothing."""

    def __init__(self, lock, db):
        self._lock, self._db = lock, db

    def __enter__(self):
        self._lock.acquire()
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind, *_):
        try:
            self._db.execute("ROLLBACK" if kind else "COMMIT")
        finally:
            self._lock.release()
