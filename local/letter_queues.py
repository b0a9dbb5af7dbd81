"""What an operator does with dead letters, on the stack's own queues: look, retry, drop, edit.

    queues = LetterQueues(sqs, lambda_, outputs)
    with queues.hold(Selection(reason="plan must be")) as held:
        for letter in held.letters: …
        held.retry(held.letters)

Nothing is changed by looking: a message is received, which hides it from others for a while, and released. What is
retried is first sent, then deleted, so that whatever interrupts it, a letter is never lost; at worst it is there twice.
"""

import functools
import json
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

import letters as letter_module
from letters import MOVED_CODE, MOVED_REASON, Selection, Unreadable, in_waves, outgoing
from tools import Failure

# Of SQS.
BATCH = 10
MAX_BATCH_BYTES = 1000 * 1024
MAX_SECONDS = 12 * 60 * 60 - 5 * 60
# Calls under way at once.
CALLS = 16
# How long what is received is hidden from others: this, and what reading a long queue takes at this many letters a
# second, which is slow.
HOLD_SECONDS = 60
READ_PER_SECOND = 250
# How long letters are waited for that the queue counts, but doesn't hand out.
PATIENCE_SECONDS = 5
# A letter is left alone this long before it may reach somebody else.
HOLD_MARGIN_SECONDS = 10
# How many letters go back to the retry queue a second: any beyond Intercom's rate limit would only wait there.
RETRIED_PER_SECOND = 100
# Tries to send a message that SQS refuses for now.
TRIES = 4
# What the function is asked about at once.
PREVIEW_EVENTS, PREVIEW_BYTES = 500, 2 * 1024 * 1024

BEHIND = "an earlier letter of its user stays"
HELD_TOO_LONG = "it may be in the hands of another command by now: give this one again"

DEAD, MOVED, FAILED = "DeadLetterQueueUrl", "MovedBySqsQueueUrl", "FailedInvocationQueueUrl"


def silent(_step, _done, _of):
    """Shows no progress. Its arguments: the step's name, how much is done, and of how much."""


@dataclass
class Done:
    """What became of letters."""

    retried: int = 0
    dropped: int = 0
    # Letters that stay, with why.
    staying: list = field(default_factory=list)


class LetterQueues:
    """The stack's queues by `outputs`, its outputs. `sqs` and `lambda_` are boto3 clients."""

    def __init__(self, sqs, lambda_, outputs, progress=silent):
        self.sqs, self.lambda_, self.outputs, self.progress = sqs, lambda_, outputs, progress
        self.stopped = threading.Event()
        self.pause = self.stopped.wait
        for name in (DEAD, MOVED):
            if name not in outputs:
                raise Failure(f"the stack has no output {name}: deploy this version first")

    def stop(self):
        """Stops the operation in flight as soon as that can lose nothing. For Ctrl-C."""
        self.stopped.set()

    def urls(self, failed_invocations=False):
        if not failed_invocations:
            return [self.outputs[DEAD], self.outputs[MOVED]]
        if FAILED not in self.outputs:
            raise Failure("this stack has no failed-invocation queue: it is made with SegmentEventSource")
        return [self.outputs[FAILED]]

    def count(self, url):
        """How many messages a queue holds, visible or not."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed"])["Attributes"]
        return sum(map(int, attributes.values()))

    @contextmanager
    def hold(self, selection=Selection(), failed_invocations=False, per_second=None):  # noqa: B008
        """The selected letters, sorted, which nobody else receives meanwhile. Given back at the end, save what was
        retried or dropped. `per_second` is how many of them will be worked on a second."""
        urls = self.urls(failed_invocations)
        held = Held(self)
        try:
            for url in urls:
                self._read(url, selection, held, per_second)
            held.letters.sort(key=lambda letter: letter.order)
            yield held
        finally:
            held.release()

    def _read(self, url, selection, held, per_second):
        expected = self.count(url)
        held.expected += expected
        seconds = HOLD_SECONDS + expected / READ_PER_SECOND + (expected / per_second if per_second else 0)
        seconds = min(int(seconds), MAX_SECONDS)
        is_invocation = url == self.outputs.get(FAILED)
        seen, lock, ended = {}, threading.Lock(), threading.Event()
        last_new = time.monotonic()

        def take(messages, until):
            nonlocal last_new
            with lock:
                for message in messages:
                    if (known := seen.get(message["MessageId"])) is not None:
                        known.receipt, known.held_until = message["ReceiptHandle"], until
                        continue
                    letter, _ = letter_module.read(message, url, until, is_invocation)
                    seen[letter.id] = letter
                    last_new = time.monotonic()
                    held.add(letter, message["Body"], selection)
                self.progress("reading", len(seen), max(expected, len(seen)))
                waited = time.monotonic() - last_new
                if waited > PATIENCE_SECONDS or (not messages and len(seen) >= expected):
                    ended.set()

        def receive():
            while not (ended.is_set() or self.stopped.is_set()):
                until = time.time() + seconds
                answer = self.sqs.receive_message(
                    QueueUrl=url, MaxNumberOfMessages=BATCH, VisibilityTimeout=seconds, WaitTimeSeconds=1,
                    AttributeNames=["All"], MessageAttributeNames=["All"])
                take(answer.get("Messages", []), until)

        with ThreadPoolExecutor(min(CALLS, 1 + expected // BATCH)) as pool:
            workers = [pool.submit(receive) for _ in range(pool._max_workers)]
            try:
                for worker in workers:
                    worker.result()
            finally:
                ended.set()

    # What the function says

    @functools.cached_property
    def hash_required(self):
        """The function's REQUIRE_USER_HASH. Counts as on when these credentials may not read its settings: that keeps
        events without proof apart."""
        try:
            settings = self.lambda_.get_function_configuration(FunctionName=self.outputs["FunctionName"])
        except ClientError:
            return True
        return settings["Environment"]["Variables"].get("REQUIRE_USER_HASH") == "true"

    def preview(self, source, events):
        """What the function would do with these events now: one result each."""
        payload = {"preview": events, "source": "api" if source == "api" else "webhook"}
        answer = self.lambda_.invoke(FunctionName=self.outputs["FunctionName"], Payload=json.dumps(payload).encode())
        body = json.loads(answer["Payload"].read())
        if not answer.get("FunctionError"):
            return body["results"]
        # What would be sent for many can be more than an answer holds.
        if len(events) > 1:
            half = len(events) // 2
            return self.preview(source, events[:half]) + self.preview(source, events[half:])
        raise Failure(f"the function can't say what it would do: {body.get('errorMessage', body)}")

    # What SQS moved

    def gather(self):
        """Moves what SQS itself moved to the dead letters, with a reason: a FIFO queue shows no more than the first
        ten messages of a user until those are gone. Returns how many were moved."""
        url, moved = self.outputs[MOVED], 0
        total = self.count(url)
        while not self.stopped.is_set():
            messages = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=BATCH, VisibilityTimeout=HOLD_SECONDS, WaitTimeSeconds=1,
                AttributeNames=["All"], MessageAttributeNames=["All"]).get("Messages", [])
            if not messages:
                break
            # One after another, so that the time of sending keeps their order.
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                if "reason" not in attributes:
                    attributes |= strings({"reason": MOVED_REASON, "code": MOVED_CODE, "status": "rejected"})
                self.sqs.send_message(
                    QueueUrl=self.outputs[DEAD], MessageBody=message["Body"], MessageAttributes=attributes)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                moved += 1
                self.progress("gathering", moved, max(moved, total))
        return moved


class Held:
    """Letters that were received, and are hidden from others for a while."""

    def __init__(self, queues):
        self.queues = queues
        self.letters = []  # the selected ones, sorted
        self.looked_at = 0
        self.expected = 0  # how many the queues counted
        self._receipts = {}  # of all that is held, by SQS's id
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115
        self._lock = threading.Lock()

    @property
    def out_of_reach(self):
        """About how many letters the queues count but didn't hand out: another command holds them, or they are behind
        ten others of their user in the queue of what SQS moved."""
        return max(0, self.expected - self.looked_at)

    def add(self, letter, body, selection):
        self.looked_at += 1
        self._receipts[letter.id] = letter
        if selection.takes(letter):
            text = body.encode("utf-8", "surrogatepass")
            self._spool.seek(0, 2)
            letter.place = (self._spool.tell(), len(text))
            self._spool.write(text)
            self.letters.append(letter)

    def body(self, letter):
        """A letter's body as it is."""
        start, length = letter.place
        with self._lock:
            self._spool.seek(start)
            return self._spool.read(length).decode("utf-8", "surrogatepass")

    def events(self, letter):
        """A letter's events; none when it can't be read."""
        try:
            body = self.body(letter)
            if letter.is_invocation:
                return letter_module.read_invocation(body, letter.sent_at)[2]
            return letter_module.read_body(body)[2]
        except Unreadable:
            return []

    # Looking

    def preview(self, letter):
        """What the function would do with a letter's events now."""
        events = self.events(letter)
        return self.queues.preview(letter.source, events) if events else []

    def would_stay(self, letters):
        """The letters, of these, that a retry would reject again, each with why."""
        staying, chunk, size = [], [], 0
        for place, letter in enumerate(letters):
            if self.queues.stopped.is_set():
                break
            self.queues.progress("checking", place, len(letters))
            events = self.events(letter)
            if letter.problem or not events:
                staying.append((letter, letter.problem or "the message holds no event"))
            elif is_too_large(letter, events):
                staying.append((letter, letter.reason))
            else:
                length = letter.place[1]
                full = size + length > PREVIEW_BYTES or sum(len(of) for _, of in chunk) + len(events) > PREVIEW_EVENTS
                if chunk and (full or chunk[0][0].source != letter.source):
                    staying += self._rejected(chunk)
                    chunk, size = [], 0
                chunk.append((letter, events))
                size += length
        return staying + self._rejected(chunk)

    def _rejected(self, chunk):
        if not chunk:
            return []
        results = iter(self.queues.preview(chunk[0][0].source, [event for _, of in chunk for event in of]))
        rejected = []
        for letter, events in chunk:
            of_letter = [next(results) for _ in events]
            if all(result["status"] == "would_reject" for result in of_letter):
                rejected.append((letter, of_letter[0].get("reason") or letter.reason))
        return rejected

    # Changing

    def drop(self, letters):
        """Deletes letters for good."""
        done = Done()
        batches = [letters[start:start + BATCH] for start in range(0, len(letters), BATCH)]
        with ThreadPoolExecutor(CALLS) as pool:
            for batch, failed in zip(batches, pool.map(self._delete_unless_stopped, batches), strict=True):
                done.staying += failed
                done.dropped += len(batch) - len(failed)
                self.queues.progress("dropping", done.dropped, len(letters))
        return done

    def retry(self, letters, per_second=RETRIED_PER_SECOND, edited=None):
        """Sends letters to the retry queue, each user's in order, and deletes them. `edited` are events in place of a
        letter's own, by SQS's id of the letter."""
        done, edited, blocked = Done(), edited or {}, set()
        self.queues.progress("retrying", 0, len(letters))
        for start in range(0, len(letters), per_second):
            began = time.monotonic()
            part = letters[start:start + per_second]
            if self.queues.stopped.is_set():
                done.staying += [(letter, "the command was stopped") for letter in letters[start:]]
                break
            self._retry_part(part, edited, blocked, done)
            self.queues.progress("retrying", start + len(part), len(letters))
            if start + len(part) < len(letters):
                self.queues.pause(max(0.0, 1 - (time.monotonic() - began)))
        return done

    def _retry_part(self, part, edited, blocked, done):
        """`blocked` are the groups of which an earlier letter stays, so that the later ones stay too."""
        by_group, unsent, staying = {}, {}, {}
        for letter in part:
            try:
                messages = self._messages(letter, edited.get(letter.id))
            except Unreadable as unreadable:
                staying[letter.id] = str(unreadable)
                continue
            unsent[letter.id] = len(messages)
            for group, body in messages:
                by_group.setdefault(group, []).append((letter, group, body))
        try:
            for wave in in_waves(list(by_group.values())):
                staying |= {letter.id: BEHIND for letter, group, _ in wave if group in blocked}
                for batch in batches_of([each for each in wave if each[1] not in blocked]):
                    refused = self._send(batch)
                    for letter, group, _ in batch:
                        unsent[letter.id] -= 1
                        if (why := refused.get(group)) is not None:
                            blocked.add(group)
                            staying[letter.id] = why
        finally:
            # What was sent is deleted, whatever ended the rest.
            sent = [letter for letter in part if unsent.get(letter.id) == 0 and letter.id not in staying]
            for start in range(0, len(sent), BATCH):
                self._delete(sent[start:start + BATCH])
            done.retried += len(sent)
        done.staying += [(letter, staying[letter.id]) for letter in part if letter.id in staying]

    def _messages(self, letter, edited):
        if time.time() > letter.held_until - HOLD_MARGIN_SECONDS:
            raise Unreadable(HELD_TOO_LONG)
        if letter.problem:
            raise Unreadable(letter.problem)
        events = edited or self.events(letter)
        try:
            return outgoing(letter, self.body(letter), events, edited is not None, self.queues.hash_required)
        except ValueError:
            raise Unreadable("it holds a number that JSON doesn't know") from None

    def _send(self, batch):
        """Sends messages of different groups in one call. Gives why SQS doesn't take one, by its group."""
        # The same ids on each try, so that nothing is there twice.
        entries = {
            str(place): {
                "Id": str(place), "MessageBody": body, "MessageGroupId": group,
                "MessageDeduplicationId": fresh_id(), "MessageAttributes": strings(letter.sender)}
            for place, (letter, group, body) in enumerate(batch)}
        refused = {}
        for attempt in range(TRIES):
            time.sleep(0.1 * 4 ** attempt if attempt else 0)
            answer = self.queues.sqs.send_message_batch(
                QueueUrl=self.queues.outputs["RetryQueueUrl"], Entries=list(entries.values()))
            for entry in answer.get("Successful", []):
                refused.pop(entries.pop(entry["Id"])["MessageGroupId"], None)
            for entry in answer.get("Failed", []):
                group = entries[entry["Id"]]["MessageGroupId"]
                refused[group] = f"SQS doesn't take it: {entry.get('Message') or entry['Code']}"
                if entry.get("SenderFault"):
                    del entries[entry["Id"]]
            if not entries:
                break
        return refused

    def _delete_unless_stopped(self, batch):
        if self.queues.stopped.is_set():
            return [(letter, "the command was stopped") for letter in batch]
        late = [letter for letter in batch if time.time() > letter.held_until - HOLD_MARGIN_SECONDS]
        return [(letter, HELD_TOO_LONG) for letter in late
                ] + self._delete([letter for letter in batch if letter not in late])

    def _delete(self, letters):
        """Deletes at most ten letters. Gives those that SQS doesn't delete, with why."""
        failed = []
        for url in {letter.queue for letter in letters}:
            of_queue = [letter for letter in letters if letter.queue == url]
            answer = self.queues.sqs.delete_message_batch(QueueUrl=url, Entries=[
                {"Id": str(place), "ReceiptHandle": letter.receipt} for place, letter in enumerate(of_queue)])
            why = {entry["Id"]: entry.get("Message") or entry["Code"] for entry in answer.get("Failed", [])}
            for place, letter in enumerate(of_queue):
                if str(place) in why:
                    failed.append((letter, f"SQS doesn't delete it: {why[str(place)]}"))
                else:
                    del self._receipts[letter.id]
        return failed

    def release(self):
        """Gives back what is held. What can't be given back comes back by itself."""
        kept = [letter for letter in self._receipts.values() if letter.held_until > time.time()]
        kept.sort(key=lambda letter: letter.queue)
        by_queue = {}
        for letter in kept:
            by_queue.setdefault(letter.queue, []).append(letter)
        batches = [(url, of_queue[start:start + BATCH]) for url, of_queue in by_queue.items()
                   for start in range(0, len(of_queue), BATCH)]

        def release(batch):
            url, letters = batch
            self.queues.sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
                {"Id": str(place), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for place, letter in enumerate(letters)])
            return len(letters)

        released = 0
        with ThreadPoolExecutor(CALLS) as pool:
            for count in pool.map(release, batches):
                released += count
                self.queues.progress("giving back", released, len(kept))
        self._receipts = {}
        self._spool.close()


def is_too_large(letter, events):
    """The HTTP API's limit, which nothing behind it checks."""
    limit = letter_module.MAX_EVENT_BYTES
    return letter.code == "too_large" and any(
        len(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")) > limit
        for event in events)


def batches_of(messages):
    """The messages in batches, each as large as SQS takes in one call."""
    batch, size = [], 0
    for message in messages:
        letter, _, body = message
        length = len(body.encode("utf-8", "replace")) + sum(len(value) for value in letter.sender.values()) + 100
        if batch and (len(batch) == BATCH or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


def strings(attributes):
    """Message attributes as SQS takes them."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def fresh_id():
    """A deduplication id that no queue has seen: a letter may have been in the retry queue a minute ago."""
    return uuid.uuid4().hex
