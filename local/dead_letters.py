"""What could not be delivered: counts by reason, single letters, retried, edited, dropped, or exported to a file.

    python3 local/dead_letters.py --stack NAME list
    python3 local/dead_letters.py --stack NAME show --id MESSAGE-ID
    python3 local/dead_letters.py --stack NAME retry --reason "plan must be" --yes
    python3 local/dead_letters.py --stack NAME edit --id MESSAGE-ID
    python3 local/dead_letters.py --stack NAME export > letters.ndjson

Works on the stack's queues directly, with the credentials that the AWS CLI would use, and asks the function what it
would do with an event. `pip install aws-sam-cli` brings all that it needs. `--local`, or `make dead-letters`, means the
stack that `make run` keeps up.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

try:
    import boto3
    from botocore.config import Config
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from deployed import Deployed, command
except ImportError as missing:
    sys.exit(f"error: {missing.name} is missing: use the Python that has aws-sam-cli (pip install aws-sam-cli)")

from letter_queues import CALLS, DEAD, MOVED, RETRIED_PER_SECOND, LetterQueues
from letters import KINDS, Selection, by_reason, time_of, whys
from printable import printable
from tools import ROOT, Failure

LOCAL_STACK = ROOT / "target" / "local" / "stack.json"
SHOWN = 10
# The function itself takes half a minute at most.
ANSWER_SECONDS = 60
MOST_CHARACTERS = 300


def main(words):
    arguments = parse(words)
    if arguments.profile:
        os.environ["AWS_PROFILE"] = arguments.profile
    queues = queues_of(arguments)
    with progress_of(queues), stopped_by_ctrl_c(queues):
        VERBS[arguments.verb](queues, arguments)
    if queues.stopped.is_set():
        sys.exit(130)


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", metavar="NAME", help="name of the stack on AWS")
    where.add_argument("--local", action="store_true", help="the stack of `make run`")
    parser.add_argument("--profile", help="profile of the AWS configuration")
    parser.add_argument("--region", help="the stack's region, where neither deployments/NAME.toml nor AWS_REGION says")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
    for verb, what in (
            ("list", "count the letters by reason"), ("show", "each letter, and what would be sent for it now"),
            ("retry", "back into the retry queue; what would be rejected again stays"),
            ("edit", "change one letter's event in an editor, and retry it"),
            ("drop", "delete for good"), ("export", "each letter as a line of JSON")):
        options = verbs.add_parser(verb, help=what, description=what)
        choose = options.add_argument_group("which letters (all given conditions must hold; none: all letters)")
        choose.add_argument("--id", action="append", default=[], metavar="ID",
                            help="an event's messageId, or the letter's own id; may be repeated")
        choose.add_argument("--reason", metavar="TEXT", help="text in the reason, upper or lower case")
        choose.add_argument("--code", help="the reason's code")
        choose.add_argument("--status", help="Intercom's HTTP status, or rejected")
        choose.add_argument("--kind", choices=(*KINDS, "unknown"), metavar="KIND", help=", ".join(KINDS))
        choose.add_argument("--user", metavar="ID", help="userId, else email, else anonymousId")
        choose.add_argument("--since", type=moment, metavar="TIME",
                            help="first received then or later, like 2026-11-24T18:00:00Z")
        choose.add_argument("--until", type=moment, metavar="TIME", help="first received before then")
        options.add_argument("--failed-invocations", action="store_true",
                             help="of the failed-invocation queue, what EventBridge could not hand over")
        if verb == "show":
            options.add_argument("--limit", type=positive, default=SHOWN, help=f"how many letters (default {SHOWN})")
        if verb in ("retry", "edit", "drop"):
            options.add_argument("--yes", action="store_true", help="do it; otherwise only counted")
        if verb == "retry":
            options.add_argument("--per-second", type=positive, default=RETRIED_PER_SECOND,
                                 help=f"letters a second (default {RETRIED_PER_SECOND})")
            options.add_argument("--unchecked", action="store_true",
                                 help="also what would be rejected again, without asking the function")
        if verb == "edit":
            options.add_argument("--event", type=Path, metavar="FILE", help="take this file instead of an editor")
    return parser.parse_args(words)


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def moment(text):
    try:
        return time_of(text)
    except Exception:
        raise argparse.ArgumentTypeError(f"{text!r} is invalid: write a time like 2026-11-24T18:00:00Z") from None


def queues_of(arguments):
    # What SQS or the network refuses for a moment is tried again.
    sqs = Config(max_pool_connections=CALLS, retries={"mode": "standard", "total_max_attempts": 5})
    lambda_ = Config(read_timeout=ANSWER_SECONDS)
    if arguments.local:
        local = local_stack()
        client = local["client"]
        stacks = boto3.client("cloudformation", **client).describe_stacks(StackName=local["stack"])["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
        return LetterQueues(boto3.client("sqs", config=sqs, **client), boto3.client("lambda", config=lambda_, **client),
                            outputs)
    deployed = Deployed(arguments.stack, arguments.region)
    return LetterQueues(deployed.aws("sqs", sqs), deployed.aws("lambda", lambda_), deployed.outputs())


def local_stack():
    try:
        return json.loads(LOCAL_STACK.read_text())
    except FileNotFoundError:
        raise Failure("no local stack is up: start it with `make run` in another terminal") from None


@contextmanager
def progress_of(queues):
    """A progress bar on the terminal, while there is something to wait for."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        steps = {}

        def show(step, done, of):
            if step not in steps:
                steps[step] = progress.add_task(step, total=of)
            progress.update(steps[step], completed=done, total=of)

        queues.progress = show
        yield


@contextmanager
def stopped_by_ctrl_c(queues):
    """The first Ctrl-C stops once the operation in flight is complete; the next stops at once."""
    def stop(_number, _frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("stopping: what was received is given back …", file=sys.stderr, flush=True)
        queues.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def selection(arguments):
    names = ("reason", "code", "status", "kind", "user", "since", "until")
    return Selection(ids=frozenset(arguments.id), **{name: getattr(arguments, name) for name in names})


@contextmanager
def held_letters(queues, arguments, per_second=None, gathers=False):
    if gathers and not arguments.failed_invocations:
        queues.gather()
    with queues.hold(selection(arguments), arguments.failed_invocations, per_second) as held:
        yield held
        if held.out_of_reach and not queues.stopped.is_set():
            print(f"About {held.out_of_reach} more letters were out of reach: another command has them, or they stand "
                  "behind ten others of their user among what SQS moved. Give this command again later.",
                  file=sys.stderr)


# The verbs


def list_(queues, arguments):
    with held_letters(queues, arguments) as held:
        table(by_reason(held.letters))
        print(f"{len(held.letters)} of {held.looked_at} letters match")


def show(queues, arguments):
    with held_letters(queues, arguments) as held:
        for letter in held.letters[:arguments.limit]:
            if queues.stopped.is_set():
                break
            shown = {**described(queues, held, letter), "now": held.preview(letter)}
            print(printable_json(shown, indent=2), flush=True)
        print(f"{len(held.letters)} of {held.looked_at} letters match")


def export(queues, arguments):
    with held_letters(queues, arguments) as held:
        try:
            for letter in held.letters:
                print(printable_json(described(queues, held, letter)))
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader, such as `head`, closed the pipe. Python would report that once more when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"{len(held.letters)} of {held.looked_at} letters exported", file=sys.stderr)


def retry(queues, arguments):
    with held_letters(queues, arguments, arguments.per_second, gathers=arguments.yes) as held:
        staying = [] if arguments.unchecked else held.would_stay(held.letters)
        kept = {letter.id for letter, _ in staying}
        letters = [letter for letter in held.letters if letter.id not in kept]
        table(by_reason(letters))
        if staying:
            print("Would be rejected again, so they stay:")
            reasons(staying)
        if not arguments.yes:
            print(f"{len(letters)} of {held.looked_at} letters would be retried: add --yes to do it")
        elif not queues.stopped.is_set():
            report("retried", held.retry(letters, arguments.per_second), held)


def drop(queues, arguments):
    with held_letters(queues, arguments, gathers=arguments.yes) as held:
        table(by_reason(held.letters))
        if not arguments.yes:
            print(f"{len(held.letters)} of {held.looked_at} letters would be dropped: add --yes to do it")
        elif not queues.stopped.is_set():
            report("dropped", held.drop(held.letters), held)


def edit(queues, arguments):
    with held_letters(queues, arguments, per_second=1 / 600, gathers=arguments.yes) as held:
        if len(held.letters) != 1:
            raise Failure(f"{len(held.letters)} letters match: name one with --id")
        (letter,) = held.letters
        events = held.events(letter)
        if not events:
            raise Failure(f"that letter can't be read: {printable(letter.problem or '', MOST_CHARACTERS)}")
        changed = edited(events, arguments.event)
        for result in queues.preview(letter.source, changed):
            print(printable_json(result, indent=2))
        if not (arguments.yes or asked("Retry it like this?")):
            print("nothing changed: add --yes to retry it like this")
        elif not queues.stopped.is_set():
            report("retried", held.retry([letter], edited={letter.id: changed}), held)


VERBS = {"list": list_, "show": show, "retry": retry, "edit": edit, "drop": drop, "export": export}


# Words


def edited(events, file):
    """The events as a person leaves them: of the given file, else of an editor."""
    if file is None:
        words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        with tempfile.NamedTemporaryFile("w+", suffix=".json") as written:
            written.write(printable_json(events[0] if len(events) == 1 else events, indent=2) + "\n")
            written.flush()
            if subprocess.run([*words, written.name]).returncode != 0:
                raise Failure("the editor failed, so nothing is changed")
            text = Path(written.name).read_text()
    else:
        text = file.read_text()
    try:
        changed = json.loads(text)
    except ValueError as error:
        raise Failure(f"that isn't JSON, so nothing is changed: {error}") from None
    changed = changed if isinstance(changed, list) else [changed]
    if not changed or not all(isinstance(event, dict) for event in changed):
        raise Failure("an event must be a JSON object, so nothing is changed")
    return changed


def asked(question):
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def described(queues, held, letter):
    """A letter as JSON."""
    events = held.events(letter)
    content = {"body": held.body(letter)} if not events else (
        {"event": events[0]} if len(events) == 1 else {"events": events})
    names = {queues.outputs[DEAD]: "dead letters", queues.outputs[MOVED]: "moved by SQS"}
    return {
        "id": letter.id, "queue": names.get(letter.queue, "failed invocations"),
        "messageId": letter.message_ids[0] if letter.message_ids else None,
        "kind": letter.kinds[0] if letter.kinds else None, "reason": letter.reason, "code": letter.code,
        "status": letter.status, "requestId": letter.request_id, "source": letter.source,
        "receivedAt": letter.received_at.isoformat(), "rejectedAt": letter.sent_at.isoformat(),
        **letter.sender, **content,
    }


def printable_json(value, indent=None):
    """JSON that a terminal can show: an escape of JSON for what it couldn't."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "\n".join(map(printable, text.split("\n")))


def table(groups):
    for group in groups:
        times = " … ".join(time.isoformat()[:16] for time in (group.first, group.last))
        events = f" ({group.events} events)" if group.events > group.letters else ""
        status = printable(group.status or "?", 9)
        print(f"{group.letters:>7}  {group.kind or '?':<9} {status:<9} {times}{events}\n"
              f"         {printable(group.reason, MOST_CHARACTERS)}")


def reasons(staying):
    for reason, letters in whys(reason for _, reason in staying):
        print(f"{letters:>7}  {printable(reason, MOST_CHARACTERS)}")


def report(what, done, held):
    if done.staying:
        print("These stay:")
        reasons(done.staying)
    print(f"{done.retried + done.dropped} of {held.looked_at} letters {what}")


if __name__ == "__main__":
    command(main, [sys.argv[1:]])
