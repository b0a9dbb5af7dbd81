"""Replays an archive of Segment's or RudderStack's events into Intercom, through a deployed stack.

    python3 local/replay --stack NAME segment-logs/ --from 2026-01-01 --dry-run
    python3 local/replay --stack NAME s3://bucket/segment-logs/SOURCE/ --latest
    python3 local/replay --stack NAME archive.ndjson.gz --compare 500

Needs boto3 and rich (`pip install aws-sam-cli` brings both), and AWS credentials that may invoke the function, read the
retry queue and the alarms, and describe the stack.
"""

import argparse
import hashlib
import json
import signal
import sys
import time
from pathlib import Path

# What the operator's tools share lies one folder up.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import archive
import latest
from comparison import compare
from connection import Connection, Failure, NotTaken, Throttled
from events import KINDS, seconds
from forecast import MOST_EVENT_NAMES, Forecast, forecast
from ledger import SENT, TO_SEND, Ledger
from reading import read
from screen import Screen
from sending import LANES, Sending

DEFAULT_SHARE = 0.5
# Users whose event names are read from Intercom.
SAMPLED_USERS = 100
CALLS_PER_MINUTE = 10_000  # what Intercom allows an app


def main():
    arguments = parse(sys.argv[1:])
    try:
        return replay(arguments, Screen())
    except (Failure, NotTaken, OSError) as failure:
        sys.exit(f"error: {failure}")
    except Throttled:
        sys.exit("error: Lambda throttles the function: try again when it is less busy")
    except KeyboardInterrupt:
        sys.exit("\nbroken off: the same command goes on where this one ended")


def parse(words):
    parser = argparse.ArgumentParser(
        prog="replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="FILE|FOLDER|s3://…", help="where the events are")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", metavar="NAME", help="name of the stack on AWS")
    where.add_argument("--local", action="store_true", help="the stack of `make run`")
    parser.add_argument("--profile", help="profile of the AWS configuration")
    parser.add_argument("--region", help="the stack's region, where the configuration doesn't say")
    choose = parser.add_argument_group("which events (all conditions must hold)")
    choose.add_argument("--if", dest="condition", metavar="FQL", help="a condition as in filters.json")
    choose.add_argument("--from", dest="since", metavar="TIME", type=moment, help="received then or later")
    choose.add_argument("--to", dest="until", metavar="TIME", type=moment, help="received before then")
    choose.add_argument("--types", metavar="TYPE,…", type=kinds, help=", ".join(KINDS))
    choose.add_argument("--users-from", metavar="FILE", type=Path,
                        help="only these users, one a line: the userId, or the email or anonymousId of one without")
    what = parser.add_argument_group("what to do")
    what.add_argument("--dry-run", action="store_true", help="show what would be done, and end")
    what.add_argument("--yes", action="store_true", help="don't ask; without --if and --latest, don't preview either")
    what.add_argument("--latest", action="store_true",
                      help="send one identify per user and one group per user and company, merged from all")
    what.add_argument("--compare", metavar="USERS", type=positive,
                      help="send nothing: compare so many users with what Intercom has")
    what.add_argument("--share", type=share, default=DEFAULT_SHARE,
                      help=f"share of Intercom's rate limit to use (default {DEFAULT_SHARE})")
    what.add_argument("--calls-per-minute", type=positive, default=CALLS_PER_MINUTE,
                      help=f"Intercom's rate limit (default {CALLS_PER_MINUTE})")
    what.add_argument("--event-names", metavar="FILE", type=Path,
                      help="event names that the workspace has already, one a line")
    what.add_argument("--report", metavar="FILE", type=Path, help="write what is shown as JSON too")
    what.add_argument("--checkpoint", metavar="FILE", type=Path,
                      help="where the working copy is kept (default: replay-….sqlite in this folder)")
    what.add_argument("--restart", action="store_true", help="forget an earlier run, and send everything again")
    return parser.parse_args(words)


def moment(text):
    time = seconds(text)
    if time is None:
        raise argparse.ArgumentTypeError(f"{text} is no time such as 2026-11-24 or 2026-11-24T18:00:00Z")
    return time


def kinds(text):
    chosen = {each.strip() for each in text.split(",")}
    if unknown := chosen - set(KINDS):
        raise argparse.ArgumentTypeError(f"unknown types: {', '.join(sorted(unknown))}")
    return sorted(chosen)


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def share(text):
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share: it is above 0 and at most 1")
    return number


def replay(arguments, screen):
    """Does what the arguments say; returns the exit status."""
    connection = Connection(arguments.stack, arguments.profile, arguments.region, arguments.local)
    files = list(archive.files(arguments.sources, lambda: connection.aws("s3")))
    identity = identity_of(arguments, files, connection)
    path = arguments.checkpoint or Path(f"replay-{identity[:12]}.sqlite")
    if arguments.restart:
        path.unlink(missing_ok=True)
    ledger = Ledger(path)
    try:
        if ledger.fact("identity", identity) != identity:
            raise Failure(f"{path} is the checkpoint of another archive or of other options: "
                          "name another --checkpoint, or begin anew with --restart")
        # An interrupted forecast starts over: resumed, it would count only the rest.
        if not ledger.fact("is_read" if arguments.compare else "is_ready"):
            ledger.note("identity", identity)
            read(arguments, files, ledger, screen)
        report = {"archive": ledger.fact("archive")}
        show_archive(report["archive"], screen)
        if arguments.compare:
            status = show_comparison(arguments, ledger, connection, screen, report)
        else:
            status = forecast_and_send(arguments, ledger, connection, screen, report)
        if arguments.report:
            arguments.report.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        return status
    finally:
        ledger.close()


def identity_of(arguments, files, connection):
    """What makes a checkpoint that of this archive, this choice and this stack."""
    users = arguments.users_from.read_text() if arguments.users_from else None
    chosen = [connection.outputs["FunctionName"], arguments.condition, arguments.since, arguments.until,
              arguments.types, users, arguments.latest, [(file.name, file.version) for file in files]]
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


def show_archive(counts, screen):
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in counts["chosen"].items()) or "none"
    screen.say(f"{counts['events']:,} events in {counts['files']:,} files; chosen: {kinds}, "
               f"of {counts['users']:,} users")
    for name in ("broken", "not chosen", "of nobody", "of deleted users"):
        if counts[name]:
            where = f": see {counts['broken file']}" if name == "broken" else ""
            screen.say(f"{counts[name]:,} {name}{where}")


# Forecast and sending


def forecast_and_send(arguments, ledger, connection, screen, report):
    if not ledger.fact("is_ready"):
        prepare(arguments, ledger, connection, screen, report)
    elif arguments.dry_run:
        report["forecast"] = ledger.fact("forecast")
        show_forecast(arguments, report["forecast"], screen)
    left = ledger.count(TO_SEND)
    if arguments.dry_run:
        return 0
    if left and not arguments.yes and not is_confirmed(left, screen):
        return 1
    if left:
        send(arguments, ledger, connection, screen)
    return show_end(ledger, connection, screen, report)


def prepare(arguments, ledger, connection, screen, report):
    """Asks preview, merges, and shares out the events among the lanes."""
    needs_preview = not arguments.yes or arguments.condition or arguments.latest or arguments.dry_run
    total = None
    if needs_preview:
        total = previewed(ledger, connection, arguments.condition, screen)
    if arguments.latest:
        latest.merge(ledger)
        merged = previewed(ledger, connection, None, screen)
        # What is sent in the end, and what was left out on the way.
        merged.calls, merged_calls = ledger.calls_to_send(), merged.calls
        total.calls = merged.calls if merged_calls else ledger.calls_to_send()
    ledger.set_lanes(LANES)
    if total:
        known = known_attributes(connection, screen)
        names = known_event_names(arguments, total, ledger, connection, screen)
        ledger.note("forecast", summary(total, known, names, arguments))
        report["forecast"] = ledger.fact("forecast")
        show_forecast(arguments, report["forecast"], screen)
    ledger.note("is_ready", True)


def previewed(ledger, connection, condition, screen):
    with screen.progress("previewing", ledger.count(TO_SEND)) as bar:
        return forecast(ledger, connection, condition, bar.advance)


def known_attributes(connection, screen):
    """Names of the custom attributes that the workspace has; None where the secret can't be read."""
    try:
        intercom = connection.intercom()
        return {model: intercom.attribute_names(model) for model in ("contact", "company")}
    except Failure as failure:
        screen.say(f"which attributes are new can't be told: {failure}")
        return None


def known_event_names(arguments, total, ledger, connection, screen):
    """Event names that the workspace has, which Intercom doesn't list: those of --event-names, and those of events that
    some of the archive's users did."""
    file = arguments.event_names
    names = {line.strip() for line in file.read_text().splitlines() if line.strip()} if file else set()
    if not total.event_names:
        return names
    try:
        intercom = connection.intercom()
        for user in ledger.sample(SAMPLED_USERS, seed=1, kind="track"):
            if user.startswith("u:"):
                names |= intercom.event_names(user.removeprefix("u:"))
    except Failure as failure:
        screen.say(f"which event names are new can't be read from Intercom: {failure}")
    return names


def summary(total: Forecast, known, known_names, arguments):
    """The forecast as JSON."""
    return {
        "statuses": dict(total.statuses),
        "skipped": total.reasons["would_skip"].most_common(),
        "rejected": total.reasons["would_reject"].most_common(),
        "warnings": total.warnings.most_common(),
        "new attributes": {
            model: [name for name in names if known is None or name not in known[model]]
            for model, names in total.attributes.items()},
        "event names": list(total.event_names.values()),
        "known event names": sorted(known_names),
        "new event names": total.new_event_names(known_names),
        "event names over the limit": total.names_over_the_limit(known_names),
        "calls": total.calls,
        "minutes": round(total.calls / (arguments.calls_per_minute * arguments.share), 1),
    }


def show_forecast(arguments, of, screen):
    if not of:
        return
    screen.table("What would become of them", [(number, status) for status, number in of["statuses"].items()])
    for title, name in (("Skipped", "skipped"), ("Rejected", "rejected"), ("Warnings", "warnings")):
        screen.table(title, [(number, reason) for reason, number in of[name]])
    for model, names in of["new attributes"].items():
        if names:
            screen.say(f"New custom attributes of a {model}: {', '.join(names)}")
    screen.say(f"{len(of['event names']):,} event names; at least {len(of['known event names']):,} are in Intercom "
               f"already. New ones: {', '.join(of['new event names']) or 'none'}")
    if over := of["event names over the limit"]:
        screen.say(f"Intercom keeps {MOST_EVENT_NAMES} event names, and refuses any further one. It would refuse: "
                   f"{', '.join(over)}. Leave some out with --if or EVENT_FILTER.")
    screen.say(f"About {of['calls']:,} calls of Intercom: {of['minutes']:,} minutes at {arguments.share:.0%} of "
               f"{arguments.calls_per_minute:,} calls a minute.")


def is_confirmed(left, screen):
    if not sys.stdin.isatty():
        raise Failure("nothing was sent: answer the question in a terminal, or add --yes")
    screen.say(f"Send {left:,} events to Intercom? [y/N] ")
    return input().strip().lower() in ("y", "yes")


def send(arguments, ledger, connection, screen):
    calls_per_second = arguments.calls_per_minute * arguments.share / 60
    counts = ledger.by_status(SENT)
    began, sent = time.monotonic(), 0
    with screen.progress("sending", ledger.count(TO_SEND)) as bar:
        def on_results(items, results):
            nonlocal sent
            sent += len(items)
            for result in results:
                counts[result["status"]] = counts.get(result["status"], 0) + 1
            said = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()))
            pace = f" · slower: {sending.pace.why}" if sending.pace.why else ""
            bar.advance(len(items), f"{sent / (time.monotonic() - began):,.0f} events/s · {said}{pace}")

        sending = Sending(ledger, connection, calls_per_second, on_results, bar.notice)
        with ending_on_signals(sending, bar):
            sending.run()
    if sending.is_stopped and ledger.count(TO_SEND):
        raise KeyboardInterrupt


class ending_on_signals:
    """The first Ctrl-C stops once the arrays in flight are done; a second one stops at once."""

    def __init__(self, sending, bar):
        self.sending, self.bar, self._before = sending, bar, {}

    def __enter__(self):
        self._before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, *_):
        if self.sending.is_stopped:
            raise KeyboardInterrupt
        self.bar.notice("ending after what is under way (again to end at once)")
        self.sending.stop()


def show_end(ledger, connection, screen, report):
    """A table of what became of the events; gives the exit status: 1 where something was rejected."""
    counts = ledger.by_status(SENT)
    report["sent"] = counts
    screen.table("Sent", sorted(((number, status) for status, number in counts.items()), reverse=True))
    report["rejected"] = ledger.by_reason(SENT, "rejected")
    screen.table("Rejected, now in the dead-letter queue", [(number, why) for why, number in report["rejected"]])
    if report["rejected"]:
        screen.say(f"They are shown by: make dead-letters STACK={connection.name} ARGS=list")
    return 1 if report["rejected"] else 0


def show_comparison(arguments, ledger, connection, screen, report):
    """Lists where Intercom differs; gives the exit status: 1 where it does."""
    with screen.progress("comparing", arguments.compare) as bar:
        differences = list(compare(ledger, connection, connection.intercom(), arguments.compare, bar.advance))
    report["differences"] = [
        {"user": user, "field": field, "archive": expected, "intercom": actual}
        for user, field, expected, actual in differences]
    missing = [user for user, field, _, _ in differences if field is None]
    by_field = {}
    for user, field, expected, actual in differences:
        if field is not None:
            by_field.setdefault(field, []).append(f"{user}: {expected!r} here, {actual!r} in Intercom")
    if missing:
        screen.say(f"{len(missing):,} users are not in Intercom: {', '.join(missing[:10])}")
    for field, examples in sorted(by_field.items(), key=lambda each: -len(each[1])):
        screen.table(f"{field} differs", [(len(examples), examples[0])])
    if not differences:
        screen.say("No difference.")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
