"""`make verify`: tries on a deployed stack what only AWS can show, with a test workspace at Intercom.

Prints what it will do, then a table of what was tried, expected and seen. Runs on .tools/sam.
"""

import os
import sys
import time

import verify_api
import verify_delivery
import verify_settings
from deployed import command
from tools import Failure
from verified import Verified

PLAN = """\
This tries the stack {name} in {region}, account {account}. Its workspace at Intercom should be one for tests.

What it does, and puts back:
  · sends some 60 requests, and a dozen large events that wait in the retry queue for a while
  · makes two users whose ids begin with segment-intercom-verify, and deletes them again, permanently
  · for some minutes gives the function a wrong access token, so that an alarm goes off: events of others wait
  · for seconds lets the API take one request per second
  · updates the stack twice: the log's retention, there and back
What stays: lines in the log, and the event name "{event}" in Intercom.
It takes about {minutes} minutes and costs some cents. Ctrl-C puts back what is changed at that moment; the event that
waits for its user then ends among the dead letters.
"""


class Table:
    """What was tried, one row each, printed as it is known."""

    def __init__(self):
        self.failures = 0
        self.left_out = 0
        print(f"\n{'':<8}  {'what':<44}  {'expected':<34}  seen\n{'─' * 8}  {'─' * 44}  {'─' * 34}  {'─' * 30}")

    def row(self, what, expected, seen, is_right=None):
        """A thing that was tried. It is right when what was seen is what was expected, or as `is_right` says."""
        right = seen == expected if is_right is None else is_right
        self.failures += not right
        self._print("ok" if right else "WRONG", what, expected, seen)

    def leave_out(self, what, why):
        """A thing that could not be tried here."""
        self.left_out += 1
        self._print("left out", what, "", why)

    @staticmethod
    def _print(mark, what, expected, seen):
        print(f"{mark:<8}  {what:<44}  {expected!s:<34}  {seen}", flush=True)


def verify(name):
    """Tries everything; raises Failure when something isn't as it should be."""
    stack = Verified(name)
    minutes = 2 if stack.is_emulated else 5 + max(stack.unknown_user_seconds // 60, 10)
    account = stack.aws("sts").get_caller_identity()["Account"]
    print(PLAN.format(name=name, region=stack.region, account=account, minutes=minutes, event=verify_delivery.EVENT))
    if not os.environ.get("YES") and input(f"Type {name} to go on: ").strip() != name:
        raise Failure("nothing was done")
    started = time.monotonic()
    table = Table()
    verify_settings.verify(stack, table)
    verify_api.verify(stack, table)
    verify_delivery.verify(stack, table)
    took = round((time.monotonic() - started) / 60, 1)
    left_out = f"; {table.left_out} things could not be tried here" if table.left_out else ""
    if table.failures:
        wrong = "1 thing is" if table.failures == 1 else f"{table.failures} things are"
        raise Failure(f"{wrong} not as it should be, after {took} minutes{left_out}")
    print(f"\nAll of it is as it should be, after {took} minutes{left_out}.")


if __name__ == "__main__":
    command(verify, sys.argv[1:])
