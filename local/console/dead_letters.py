"""The tab Dead letters: by reason, one by one, edited, retried, dropped. The work is that of letter_queues.py."""

import json
import threading
from collections import Counter

from starlette.responses import Response

from console.try_out import parse
from letter_queues import LetterQueues
from letters import Selection
from tools import Failure

SHOWN = 500
# Beyond this only counts are kept: an event has up to 32 KB.
KEPT_EVENTS = 5_000


class Letters:
    """What was last read of the dead letters. `stack` is a StackOnAws."""

    def __init__(self, stack):
        self._stack, self._lock = stack, threading.Lock()
        self.known, self.out_of_reach = None, 0

    def queues(self):
        return LetterQueues(Client(self._stack, "sqs"), Client(self._stack, "lambda"), self._stack.outputs())

    def read(self):
        """Reads all letters, and releases them."""
        with self._lock:
            queues, known = self.queues(), {}
            with queues.hold() as held:
                for letter in held.letters:
                    events = held.events(letter) if len(known) < KEPT_EVENTS else None
                    known[letter.id] = (letter, events)
                self.out_of_reach = held.out_of_reach
            self.known = known
            return known

    def act(self, ids, what):
        """Calls `what(held)` on the letters of these ids, and returns its result."""
        with self._lock:
            queues = self.queues()
            queues.gather()
            with queues.hold(Selection(ids=frozenset(ids))) as held:
                if not held.letters:
                    raise Failure("these letters are gone, or in the hands of another command: read them again")
                return what(held)


class Client:
    """Boto3's client of a service, with our own errors."""

    def __init__(self, stack, service):
        self._stack, self._service = stack, service

    def __getattr__(self, method):
        action = "InvokeFunction" if method == "invoke" else "".join(map(str.capitalize, method.split("_")))
        return lambda **arguments: self._stack.call(f"{self._service}:{action}", **arguments)


def page(_console, _asked):
    return ("dead_letters.html", {"tab": "dead-letters"})


def listed(console, asked):
    return shown(console, asked, console.letters.read())


def shown(console, asked, known, notice=None, problem=None):
    wanted = asked.query.get("reason") if asked.query.get("reason") is not None else asked.form.get("reason", "")
    reasons = Counter(letter.reason for letter, _ in known.values()).most_common()
    chosen = [letter for letter, _ in known.values() if not wanted or letter.reason == wanted]
    return ("part_letters.html", {
        "reasons": reasons, "letters": chosen[:SHOWN], "count_chosen": len(chosen), "wanted": wanted,
        "total": len(known), "missing": console.missing(), "notice": notice, "problem": problem,
        "out_of_reach": console.letters.out_of_reach})


def attempt(act):
    def make(console, asked):
        notice = problem = None
        try:
            notice = act(console, asked)
        except Failure as failure:
            problem = str(failure)
        return shown(console, asked, console.letters.read(), notice, problem)
    return make


def chosen_ids(asked):
    ids = [value for name, value in asked.pairs if name == "id"]
    if not ids:
        raise Failure("choose letters first")
    return ids


def said(verb, count, done):
    text = f"{count} {verb}."
    if done.staying:
        whys = "; ".join(f"{why} ({number})" for why, number in Counter(why for _, why in done.staying).most_common(3))
        text += f" {len(done.staying)} stay: {whys}"
    return text


def retry(console, asked):
    done = console.letters.act(chosen_ids(asked), lambda held: held.retry(held.letters))
    return said("sent to the retry queue", done.retried, done)


def drop(console, asked):
    done = console.letters.act(chosen_ids(asked), lambda held: held.drop(held.letters))
    return said("dropped", done.dropped, done)


def edit(console, asked):
    """Retries a letter with other events in it."""
    (letter_id,) = chosen_ids(asked)
    changed = parse(asked.form.get("event", ""))
    done = console.letters.act(
        [letter_id], lambda held: held.retry(held.letters, edited={letter.id: changed for letter in held.letters}))
    return ("part_letter_done.html", {"text": said("sent to the retry queue as edited", done.retried, done)})


def one(console, asked):
    letter_id = asked.query.get("id", "")
    letter, events = (console.letters.known or console.letters.read()).get(letter_id, (None, None))
    if letter is None:
        raise Failure("this letter is gone: it was retried or dropped meanwhile")
    text = json.dumps(events[0] if len(events) == 1 else events, indent=2, ensure_ascii=False) if events else ""
    return ("letter.html", {"tab": "dead-letters", "letter": letter, "text": text, "missing": console.missing(),
                            "rules": "api" if letter.source == "api" else "webhook"})


def export(console, _asked):
    known = console.letters.known or console.letters.read()
    lines = [json.dumps({
        "id": letter.id, "reason": letter.reason, "code": letter.code, "status": letter.status,
        "receivedAt": letter.received_at.isoformat(), "source": letter.source, "events": events},
        ensure_ascii=False) for letter, events in known.values()]
    return Response("\n".join(lines) + "\n", media_type="application/x-ndjson",
                    headers={"content-disposition": 'attachment; filename="dead-letters.ndjson"'})


ROUTES = (
    ("GET", "/dead-letters", page), ("GET", "/dead-letters/list", listed), ("GET", "/dead-letters/one", one),
    ("GET", "/dead-letters/export", export), ("POST", "/dead-letters/retry", attempt(retry)),
    ("POST", "/dead-letters/drop", attempt(drop)), ("POST", "/dead-letters/edit", edit),
)
