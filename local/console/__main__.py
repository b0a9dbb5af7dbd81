"""`make console`: the console of a stack; `make connect` and `make disconnect`: its connection, in a terminal.

    python3 local/console --stack NAME              opens the console, and prints its link
    python3 local/console --stack NAME connect      asks for Intercom's token, or with --oauth for one by OAuth
    python3 local/console --stack NAME disconnect   revokes a token of OAuth, and takes it out of the secret

Uses the AWS credentials that the AWS CLI would. `--local` means the stack that `make run` keeps up. Needs the packages
of local/requirements-console.txt.
"""

import argparse
import json
import os
import sys
from pathlib import Path

LOCAL = Path(__file__).resolve().parent.parent
sys.path[0] = str(LOCAL)

try:
    import boto3
    import jinja2  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    sys.exit(f"error: {error.name} is missing: pip install --no-deps -r local/requirements-console.txt")

from console.stack_on_aws import StackOnAws
from console.terminal import connect, disconnect
from deployed import Deployed, command
from tools import ROOT, Failure

LOCAL_STACK = ROOT / "target" / "local" / "stack.json"
# So that the address for OAuth can be given to Intercom once.
PORT = 4783


def main(words):
    parser = argparse.ArgumentParser(
        prog="console", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", metavar="NAME", help="name of the stack on AWS")
    where.add_argument("--local", action="store_true", help="the stack of `make run`")
    parser.add_argument("--region", help="the stack's region, where neither deployments/NAME.toml nor AWS_REGION says")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or PORT),
                        help=f"on 127.0.0.1 (default {PORT}; 0: any free one)")
    parser.add_argument("--messenger", metavar="URL", help=argparse.SUPPRESS)
    verbs = parser.add_subparsers(dest="verb")
    by_hand = verbs.add_parser("connect", help="store Intercom's access token")
    by_hand.add_argument("--oauth", action="store_true", help="by OAuth, with an app of your own")
    verbs.add_parser("disconnect", help="revoke a token of OAuth, and clear what connecting stored")
    arguments = parser.parse_args(words)
    stack = stack_of(arguments)
    if arguments.verb == "connect":
        return connect(stack, arguments.port, arguments.oauth)
    if arguments.verb == "disconnect":
        return disconnect(stack)
    from console.server import serve

    return serve(stack, arguments.port, arguments.messenger)


def stack_of(arguments):
    if not arguments.local:
        deployed = Deployed(arguments.stack)
        region = arguments.region or deployed.region
        return StackOnAws(arguments.stack, {"region_name": region})
    try:
        local = json.loads(LOCAL_STACK.read_text())
    except FileNotFoundError:
        raise Failure("no local stack is up: start it with `make run` in another terminal") from None
    return StackOnAws(local["stack"], local["client"], is_local=True)


if __name__ == "__main__":
    _ = boto3
    command(main, [sys.argv[1:]])
