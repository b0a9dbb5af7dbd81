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

from console.stack_on_aws import StackOnAws
from console.terminal import connect, disconnect
from deployed import Deployed
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
        return StackOnAws(arguments.stack, {"region_name": Deployed(arguments.stack, arguments.region).region})
    try:
        local = json.loads(LOCAL_STACK.read_text())
    except FileNotFoundError:
        raise Failure("no local stack is up: start it with `make run` in another terminal") from None
    return StackOnAws(local["stack"], local["client"], is_local=True)

