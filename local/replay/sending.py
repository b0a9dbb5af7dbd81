"""Sends the events of a ledger: in order for each user, several arrays at once, behind live traffic."""

import threading
import time

from connection import Failure, NotTaken, Throttled, TooLarge

ARRAY_EVENTS = 250
ARRAY_BYTES = 4 << 20
# How many arrays may be in flight.
LANES = 8
CALLS_PER_EVENT = 1.2  # where no preview was made
WATCH_SECONDS = 5
# While nothing is left but users who are held.
REST_SECONDS = 0.5
# With this many more messages in the retry queue than at the start, the replay halves its pace.
QUEUE_GROWTH = 500
LEAST_LEVEL = 1 / 64
# SQS's counts are right a minute after the last message came.
COUNT_SECONDS = 60


class Pace:
    """Calls of Intercom per second, shared by all lanes, at a level between 0 and 1 of what is allowed."""

    def __init__(self, calls_per_second, clock=time.monotonic):
        self.allowed = calls_per_second
        self.level = 1.0
        self.why = None
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()

    def reserve(self, calls):
        """Reserves the time for these calls; returns the seconds to wait until it begins."""
        with self._lock:
            now = self._clock()
            begin = max(self._free_at, now)
            self._free_at = begin + calls / (self.allowed * self.level)
            return begin - now

    def slow_down(self, why):
        self.level, self.why = max(self.level / 2, LEAST_LEVEL), why

    def speed_up(self):
        self.level = min(self.level * 1.5, 1.0)
        self.why = self.why if self.level < 1 else None


class Sending:
    """One run of sending. `stop()` lets it end after the arrays that are under way.

    `on_results(items, results)` is told of each array, `on_notice(text)` of what a person should know. `patience`
    stretches all waits.
    """

    def __init__(self, ledger, connection, calls_per_second, on_results, on_notice, patience=1.0):
        self.ledger = ledger
        self.connection = connection
        self.pace = Pace(calls_per_second)
        self.on_results = on_results
        self.on_notice = on_notice
        self.failure = None
        self._patience = patience
        self._stopped = threading.Event()
        self._may_go = threading.Event()
        self._may_go.set()
        self._idle = set()
        self._depth_at_start = None

    def stop(self):
        self._stopped.set()
        self._may_go.set()

    @property
    def is_stopped(self):
        return self._stopped.is_set()

    def run(self):
        """Sends until nothing is left, or until it is stopped. Raises Failure for what the user has to put right."""
        self._wait_for_what_was_under_way()
        lanes = [threading.Thread(target=self._guarded, args=(self._send_lane, lane), daemon=True)
                 for lane in range(LANES)]
        watch = threading.Thread(target=self._guarded, args=(self._watch,), daemon=True)
        for thread in (watch, *lanes):
            thread.start()
        for thread in lanes:
            # With a time, so that Ctrl-C gets through.
            while thread.is_alive():
                thread.join(0.2)
        self.stop()
        watch.join()
        if self.failure:
            raise self.failure

    def _guarded(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:
            self.failure = self.failure or error
            self.stop()

    def _wait_for_what_was_under_way(self):
        """A run that was killed left arrays whose answer nobody read. The function may still be processing them: sent
        again meanwhile, an array could overwrite a newer value with an old one."""
        began = self.ledger.latest_under_way()
        if began is None:
            return
        over = began + self.connection.function["Timeout"] + 1
        if (left := over - time.time()) > 0:
            self.on_notice(f"waiting {left:.0f} s for what the last run had under way")
            self._stopped.wait(left)

    def _send_lane(self, lane):
        most = ARRAY_EVENTS
        while not self.is_stopped:
            items = self.ledger.next_array(lane, most, ARRAY_BYTES)
            if not items:
                if not self._rest(lane):
                    return
                continue
            self._idle.discard(lane)
            calls = sum(CALLS_PER_EVENT if item.calls is None else item.calls for item in items)
            if not self._take_turn(calls):
                self.ledger.broken_off(lane)
                return
            try:
                results = self._send(items)
            except TooLarge:
                if most == 1:
                    raise Failure(f"an event of {items[0].user} is larger than Lambda takes") from None
                self.ledger.broken_off(lane)
                most = max(1, len(items) // 2)
                continue
            if results is None:
                return
            most = ARRAY_EVENTS
            self.ledger.note_results(lane, self.connection.queues_in_order, [
                (result["status"], result.get("reason"), item.id)
                for item, result in zip(items, results, strict=True)])
            self.on_results(items, results)

    def _rest(self, lane):
        """Waits for held users. False when the lane has nothing left to send."""
        if not self.ledger.has_events(lane):
            return False
        self._idle.add(lane)
        self._stopped.wait(REST_SECONDS * self._patience)
        return True

    def _take_turn(self, calls):
        """Waits for the pace, and while an alarm is on; false when it was stopped meanwhile."""
        self._stopped.wait(self.pace.reserve(calls))
        self._may_go.wait()
        return not self.is_stopped

    def _send(self, items):
        """The function's results. A failed array is sent again with exponential backoff: AWS and Intercom recover.
        None when it was stopped before there was an answer."""
        wait = 1.0
        payload = "[" + ",".join(item.body for item in items) + "]"
        while True:
            try:
                results = self.connection.invoke(payload)["results"]
            except Throttled:
                self.pace.slow_down("Lambda throttles the function")
            except NotTaken as error:
                self.on_notice(f"an array was not taken, and is sent again in {wait:.0f} s: {error}")
            else:
                if len(results) != len(items):
                    raise Failure("the function's answer doesn't fit what was sent: is it of this version?")
                return results
            if self._stopped.wait(wait * self._patience):
                return None
            wait = min(wait * 2, 60)

    def _watch(self):
        """Slows down for live traffic, and releases held users once the retry queue is empty."""
        while not self.is_stopped:
            held_since = time.time() - COUNT_SECONDS * self._patience
            depth = self.connection.retry_queue_depth()
            if self._depth_at_start is None:
                self._depth_at_start = depth
            if depth > self._depth_at_start + QUEUE_GROWTH:
                self.pace.slow_down(f"the retry queue holds {depth:,} messages")
            else:
                self.pace.speed_up()
            if depth == 0 and (released := self.ledger.release(held_since)):
                self.on_notice(f"the retry queue is empty: {released:,} users go on")
            self._heed(self.connection.alarms())
            self._stopped.wait((REST_SECONDS if self._idle else WATCH_SECONDS) * self._patience)

    def _heed(self, alarms):
        if alarms and self._may_go.is_set():
            self.on_notice(f"paused while these alarms are on: {', '.join(alarms)}")
            self._may_go.clear()
        elif not alarms and not self._may_go.is_set():
            self.on_notice("the alarms are over")
            self._may_go.set()
        if self.is_stopped:
            self._may_go.set()
