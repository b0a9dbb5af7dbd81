"""What could not be delivered: counts by reason, single letters, retried, dropped, or exported to a file.

    python3 local/dead_letters.py --stack NAME list
    python3 local/dead_letters.py --stack NAME show --id MESSAGE-ID
    python3 local/dead_letters.py --stack NAME retry --reason "plan must be" --yes
    python3 local/dead_letters.py --stack NAME export > letters.ndjson

Needs boto3, which `pip install aws-sam-cli` brings, and AWS credentials that may invoke the function. `--local`, or
`make dead-letters`, asks the stack that `make run` keeps up.
"""

import argparse
import json
import sys
from pathlib import Path

LOCAL_STACK = Path(__file__).resolve().parent.parent / "target" / "local" / "stack.json"
# The function itself takes half a minute at most.
ANSWER_SECONDS = 60
KINDS = ("identify", "track", "page", "screen", "group", "alias", "delete")


class Failure(Exception):
    """Something that the user has to put right; its text is one line that says how."""


def main():
    arguments = parse(sys.argv[1:])
    try:
        run(arguments)
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit("broken off: give the same command again, so that each user's letters are in order again")
    except BrokenPipeError:
        sys.exit(1)


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", metavar="NAME", help="name of the stack on AWS")
    where.add_argument("--local", action="store_true", help="the stack of `make run`")
    parser.add_argument("--profile", help="profile of the AWS configuration")
    parser.add_argument("--region", help="the stack's region, where the configuration doesn't say")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|retry|drop|export")
    for verb, what in (
            ("list", "count the letters by reason"), ("show", "each letter, and what would be sent for it now"),
            ("retry", "back into the retry queue; what would be rejected again stays"),
            ("drop", "delete for good"), ("export", "each letter as a line of JSON")):
        options = verbs.add_parser(verb, help=what, description=what)
        choose = options.add_argument_group("which letters (all given conditions must hold; none: all letters)")
        choose.add_argument("--id", action="append", dest="messageIds", metavar="MESSAGE-ID", help="may be repeated")
        choose.add_argument("--reason", metavar="TEXT", help="text in the reason, upper or lower case")
        choose.add_argument("--status", help="Intercom's HTTP status, or rejected")
        choose.add_argument("--kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
        choose.add_argument("--user", dest="userId", metavar="ID", help="userId, else email, else anonymousId")
        choose.add_argument("--since", metavar="TIME", help="first received then or later, like 2026-11-24T18:00:00Z")
        choose.add_argument("--until", metavar="TIME", help="first received before then")
        options.add_argument("--failed-invocations", action="store_const", dest="queue", const="failedInvocations",
                             help="of the failed-invocation queue, what EventBridge could not hand over")
        if verb == "show":
            options.add_argument("--limit", type=positive, help="how many letters (default 10)")
        if verb in ("retry", "drop"):
            options.add_argument("--yes", action="store_false", dest="dryRun", help="do it; otherwise only counted")
        if verb == "retry":
            options.add_argument("--per-second", type=positive, dest="perSecond", help="letters a second (default 100)")
    return parser.parse_args(words)


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(arguments):
    invoke = function(arguments)
    of_wrapper = ("stack", "local", "profile", "region", "verb")
    options = {
        name: value for name, value in vars(arguments).items() if name not in of_wrapper and value not in (None, [])}
    total = {}
    while True:
        answer = invoke({"deadLetters": {arguments.verb: options}})
        for letter in answer.get("letters", []):
            print(json.dumps(letter, ensure_ascii=False, indent=None if arguments.verb == "export" else 2), flush=True)
        add(total, answer)
        if not answer.get("more"):
            break
        options["pass"] = answer["pass"]
        print(f"{total['lookedAt']} letters so far …", file=sys.stderr, flush=True)
    report(arguments, total)


def add(total, answer):
    """Adds an answer's counts to those of the ones before."""
    for name in ("lookedAt", "matching", "staying"):
        total[name] = total.get(name, 0) + answer.get(name, 0)
    for name in ("byReason", "whyTheyStay"):
        groups = total.setdefault(name, {})
        for group in answer.get(name, []):
            key = (group["reason"], group.get("status"), group.get("kind"))
            known = groups.setdefault(key, {**group, "letters": 0})
            known["letters"] += group["letters"]
            for end, choose in (("firstReceivedAt", min), ("lastReceivedAt", max)):
                if end in group:
                    known[end] = choose(known[end], group[end])


def report(arguments, total):
    """Says what was found, and done. What export writes is left clean."""
    verb, out = arguments.verb, sys.stderr if arguments.verb == "export" else sys.stdout
    if verb in ("list", "retry", "drop"):
        table(total["byReason"], out)
    if total["whyTheyStay"]:
        print("Would be rejected again, so they stay:", file=out)
        table(total["whyTheyStay"], out)
    done = {
        "list": "match", "show": "match", "export": "exported",
        "retry": "would be retried: add --yes to do it" if getattr(arguments, "dryRun", False) else "retried",
        "drop": "would be dropped: add --yes to do it" if getattr(arguments, "dryRun", False) else "dropped",
    }[verb]
    print(f"{total['matching']} of {total['lookedAt']} letters {done}", file=out)


def table(groups, out):
    for group in sorted(groups.values(), key=lambda group: -group["letters"]):
        kind, status = group.get("kind") or "?", group.get("status") or "?"
        times = " … ".join(group[end][:16] for end in ("firstReceivedAt", "lastReceivedAt") if end in group)
        print(f"{group['letters']:>7}  {kind:<9} {status:<9} {times}\n         {group['reason']}", file=out)


def function(arguments):
    """What invokes the function with a payload and gives its answer."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise Failure("boto3 is missing: use the Python that has aws-sam-cli (pip install aws-sam-cli)") from None
    local = local_stack() if arguments.local else {}
    # Tried once: an answer that got lost may have been a retry that was done.
    config = Config(read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1})
    try:
        session = boto3.Session(profile_name=arguments.profile, region_name=arguments.region)
        clients = {**local.get("client", {}), "config": config}
        outputs = session.client("cloudformation", **clients).describe_stacks(
            StackName=local.get("stack", arguments.stack))["Stacks"][0]["Outputs"]
        name = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "FunctionName")
        lambda_ = session.client("lambda", **clients)
    except StopIteration:
        problem = f"the stack {arguments.stack} has no output FunctionName"
        raise Failure(f"{problem}: is it one of segment-intercom?") from None
    except (BotoCoreError, ClientError) as error:
        raise Failure(error) from None

    def invoke(payload):
        try:
            answer = lambda_.invoke(FunctionName=name, Payload=json.dumps(payload).encode())
        except (BotoCoreError, ClientError) as error:
            raise Failure(error) from None
        body = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise Failure(body.get("errorMessage", body))
        return body

    return invoke


def local_stack():
    try:
        return json.loads(LOCAL_STACK.read_text())
    except FileNotFoundError:
        raise Failure("no local stack is up: start it with `make run` in another terminal") from None


if __name__ == "__main__":
    main()
