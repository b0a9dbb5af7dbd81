"""A letter: one message of the queues that hold what could not be delivered. No calls of AWS here."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

KINDS = ("identify", "track", "page", "screen", "group", "alias", "delete")
# How a letter that SQS itself moved came to its queue: nobody wrote a reason.
MOVED_REASON = "moved by SQS after 1,000 receives: the function ended each time before it could answer"
MOVED_CODE = "moved_by_sqs"
# Message attributes that say who sent the event; a retry may do what its sender may, and no more.
SENDER_ATTRIBUTES = ("channel", "userHash")
# Channels whose events need a `user_hash` where REQUIRE_USER_HASH asks for one.
CLIENT_SIDE = ("browser", "public")
# What the function sends has no more characters in an id.
MAX_ID_CHARS = 128
# Events of more bytes than this are rejected by the HTTP API, which nothing behind it checks.
MAX_EVENT_BYTES = 32 * 1024


@dataclass(slots=True)
class Letter:
    """What is known of a message without its body, which is read again when it is needed."""

    queue: str  # the URL of the queue that it is in
    id: str  # SQS's id of the message
    receipt: str
    held_until: float  # Unix time until which nobody else receives it
    sent_at: datetime
    received_at: datetime  # when its events first came in; for what can't be read, when it came to this queue
    source: str | None
    kinds: tuple
    message_ids: tuple
    users: tuple  # userId, else email, else anonymousId
    reason: str
    code: str | None
    status: str | None
    request_id: str | None
    group: str | None  # in which the function had queued its events
    sender: dict = field(default_factory=dict)
    problem: str | None = None  # why its events can't be read
    is_invocation: bool = False  # what AWS could not hand over to the function
    place: tuple = ()  # of its body in the spool

    @property
    def kind(self):
        """The type of its first event; types that the specification doesn't know are one."""
        return known_kind(self.kinds[0]) if self.kinds else None

    @property
    def order(self):
        """The sort key of letters: each user's come in the order in which the events came in."""
        return self.received_at, self.sent_at


class Unreadable(Exception):
    """A body that holds no events; its text says why."""


def known_kind(kind):
    return kind if kind in KINDS else "unknown"


def read(message, queue, held_until, is_invocation):
    """The letter of a message as SQS gives it, and its events."""
    of_sqs = message.get("Attributes", {})
    sent_at = datetime.fromtimestamp(int(of_sqs.get("SentTimestamp", 0)) / 1000, timezone.utc)
    texts = {name: value.get("StringValue") for name, value in message.get("MessageAttributes", {}).items()}
    problem, source, received_at, events = None, None, sent_at, []
    why = {name: texts.get(name) for name in ("reason", "code", "status", "requestId")}
    try:
        if is_invocation:
            why = why_of_invocation(message["Body"], texts)
            source, received_at, events = read_invocation(message["Body"], sent_at)
        else:
            source, received_at, events = read_body(message["Body"])
    except Unreadable as unreadable:
        problem = str(unreadable)
    return Letter(
        queue=queue, id=message["MessageId"], receipt=message["ReceiptHandle"], held_until=held_until,
        sent_at=sent_at, received_at=received_at, source=source,
        kinds=tuple(text_of(event.get("type")) for event in events),
        message_ids=tuple(text_of(event.get("messageId")) for event in events),
        users=tuple(user_of(event) for event in events),
        reason=why["reason"] or MOVED_REASON, code=why["code"] or (None if why["reason"] else MOVED_CODE),
        status=why["status"], request_id=why["requestId"], group=of_sqs.get("MessageGroupId"),
        sender={name: texts[name] for name in SENDER_ATTRIBUTES if texts.get(name)}, problem=problem,
        is_invocation=is_invocation,
    ), events


def read_body(body):
    """Source, time of receipt and events of a message that the function wrote."""
    fields = json_object(body)
    if fields.get("v") != 1:
        raise Unreadable(f"the message has version {str(fields.get('v'))[:20]}, only 1 is known")
    # A single event can't pass itself off as several, so the two forms never mix.
    events = [fields["event"]] if "event" in fields else fields.get("events")
    return str(fields.get("source")), time_of(fields.get("receivedAt")), checked(events)


def read_invocation(body, sent_at):
    """The same of what EventBridge or Lambda could not hand over: the invocation's payload, or Lambda's record with
    it."""
    record = json_value(body)
    payload = record.get("requestPayload", record) if isinstance(record, dict) else record
    if isinstance(payload, dict) and "detail" in payload:
        events = payload["detail"] if isinstance(payload["detail"], list) else [payload["detail"]]
        return "eventbridge", time_of(payload.get("time"), sent_at), checked(events)
    return "direct", sent_at, checked(payload if isinstance(payload, list) else [payload])


def why_of_invocation(body, texts):
    try:
        record = json_object(body)
    except Unreadable:
        record = {}
    response, context = (record.get(name) for name in ("responsePayload", "requestContext"))
    response = response if isinstance(response, dict) else {}
    context = context if isinstance(context, dict) else {}
    reason = texts.get("ERROR_MESSAGE") or response.get("errorMessage") or "AWS names no reason"
    code = texts.get("ERROR_CODE") or response.get("errorType")
    return {"reason": str(reason), "code": code and str(code), "status": code and str(code),
            "requestId": text_of(context.get("requestId"))}


def json_value(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the message is not ours: {error}") from None


def json_object(text):
    value = json_value(text)
    if not isinstance(value, dict):
        raise Unreadable("the message is not ours: it is no JSON object")
    return value


def checked(events):
    if not isinstance(events, list) or not events:
        raise Unreadable("the message holds no event")
    if not all(isinstance(event, dict) for event in events):
        raise Unreadable("it is no event: an event must be a JSON object")
    return events


def time_of(text, otherwise=None):
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        if otherwise is not None:
            return otherwise
        raise Unreadable("the message is not ours: its receivedAt is no time") from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def text_of(value):
    """An id as text: numbers are written out."""
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def user_of(event):
    """The user that the event names, for a person who looks for it."""
    return identity_of(event)[1]


def identity_of(event):
    """The kind of id by which an event names its user, and the id: userId, else email, else anonymousId."""
    if user := text_of(event.get("userId")):
        return "user", user
    places = (event.get("traits"), event.get("properties"), (event.get("context") or {}).get("traits")
              if isinstance(event.get("context"), dict) else None)
    for traits in places:
        for name, value in (traits.items() if isinstance(traits, dict) else ()):
            if name.strip().lower() == "email" and isinstance(value, str) and value.strip():
                return "email", value.strip()
    if user := text_of(event.get("anonymousId")):
        return "anonymous", user
    return None, None


@dataclass(frozen=True)
class Selection:
    """Which letters: every given condition must hold."""

    ids: frozenset = frozenset()  # SQS's ids of letters, or messageIds of events
    reason: str | None = None  # text in the reason, whatever its case
    code: str | None = None
    status: str | None = None
    kind: str | None = None
    user: str | None = None
    since: datetime | None = None  # first received then or later
    until: datetime | None = None  # first received before then

    def takes(self, letter):
        return (
            (not self.ids or letter.id in self.ids or not self.ids.isdisjoint(letter.message_ids))
            and (self.reason is None or self.reason.lower() in letter.reason.lower())
            and (self.code is None or self.code == letter.code)
            and (self.status is None or self.status == letter.status)
            and (self.kind is None or self.kind in map(known_kind, letter.kinds))
            and (self.user is None or self.user in letter.users)
            and (self.since is None or letter.received_at >= self.since)
            and (self.until is None or letter.received_at < self.until)
        )


@dataclass
class Group:
    """Letters of one reason."""

    reason: str
    code: str | None
    status: str | None
    kind: str | None
    letters: int = 0
    events: int = 0
    first: datetime | None = None
    last: datetime | None = None


def by_reason(letters):
    """Groups of one reason, status and kind, the largest first. Unknown types are one group: their names are
    senders' text, and must not push a server's reason out of sight."""
    groups = {}
    for letter in letters:
        is_unknown = letter.kind == "unknown"
        reason = "unknown type" if is_unknown and letter.reason.startswith("unknown type") else letter.reason
        key = (reason, letter.code, letter.status, letter.kind)
        group = groups.setdefault(key, Group(*key))
        group.letters += 1
        group.events += max(1, len(letter.kinds))
        group.first = min(group.first or letter.received_at, letter.received_at)
        group.last = max(group.last or letter.received_at, letter.received_at)
    return sorted(groups.values(), key=lambda group: -group.letters)


def whys(reasons):
    """How often each of these reasons occurs, the most frequent first."""
    return Counter(reasons).most_common()


def outgoing(letter, body, events, edited=False, hash_required=True):
    """What goes to the retry queue for a letter: pairs of a group and a body. `hash_required` is REQUIRE_USER_HASH."""
    if len(events) == 1 and not edited and not letter.is_invocation:
        bodies = [body]  # to the last digit as it came
    else:
        at = letter.received_at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
        # NaN and Infinity are no JSON.
        bodies = [json.dumps({"v": 1, "source": letter.source, "receivedAt": at, "event": event}, allow_nan=False)
                  for event in events]
    return [(group_of(letter, event, hash_required), body) for event, body in zip(events, bodies, strict=True)]


def group_of(letter, event, hash_required=True):
    """The group in which the function keeps the order of the event's user (`owner` in src/queue/ids.rs): an
    anonymousId never shares one with a userId of the same text, nor an event without proof one with a proven."""
    kind, user = identity_of(event)
    if user is None:
        kind, user = "event", text_of(event.get("messageId")) or letter.id
    is_client_side = letter.sender.get("channel") in CLIENT_SIDE
    if is_client_side and hash_required and letter.sender.get("userHash") != "verified":
        return queue_id(f"unproven-{kind}:{user}")
    return queue_id(user if kind == "user" and ":" not in user else f"{kind}:{user}")


def queue_id(text):
    """An id as SQS takes it for groups: any that it wouldn't take is replaced by its SHA-256."""
    if len(text) <= MAX_ID_CHARS and all("!" <= character <= "~" for character in text):
        return text
    whole = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return hashlib.sha256(whole.encode()).hexdigest()


def in_waves(queues):
    """Lists of the first of each queue, then of the second of each, and so on."""
    for place in range(max(map(len, queues), default=0)):
        yield [queue[place] for queue in queues if place < len(queue)]
