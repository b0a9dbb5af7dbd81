"""`make secret`: asks for Intercom's access token, makes a write key, and puts both into the stack's secret.

With a key's name (`make secret KEY=webhook_secret`) it is about that key alone: Intercom's are asked for, those of the
function's own entry points are made. What the secret holds otherwise stays. Runs on .tools/sam.
"""

import getpass
import json
import secrets
import sys

from deployed import Deployed, command
from tools import Failure

INTERCOMS = {"access_token": "Intercom's access token", "api_secret": "Intercom's Messenger API secret (for user_hash)"}
# The function takes any of a list, so that a new one can be in use before the old one is taken away.
OURS = ("write_keys", "public_write_keys", "webhook_secret")


def fill(name, key=None):
    if key not in (None, *INTERCOMS, *OURS):
        raise Failure(f"KEY={key} is no key of the secret: use {', '.join((*INTERCOMS, *OURS))}, or leave it out")
    deployed = Deployed(name)
    secret = deployed.read_secret()
    made = {}
    for wanted in [key] if key else ["access_token", *([] if secret.get("write_keys") else ["write_keys"])]:
        if wanted in INTERCOMS:
            secret[wanted] = ask(INTERCOMS[wanted])
        else:
            made[wanted] = secrets.token_hex(32)
            secret[wanted] = [made[wanted], *as_list(secret.get(wanted))]
    deployed.aws("secretsmanager").put_secret_value(
        SecretId=deployed.outputs()["SecretArn"], SecretString=json.dumps(secret))
    for wanted, value in made.items():
        print(f"{wanted}: {value}")
    print("The secret is filled. Running functions see it within 5 minutes.")


def ask(what):
    """A line that isn't shown, nor left in a shell's history or the list of processes."""
    prompt = f"{what}: "
    value = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise Failure("nothing was entered, so nothing was changed")
    return value.strip()


def as_list(value):
    return value if isinstance(value, list) else [value] if value else []


if __name__ == "__main__":
    command(fill, [argument for argument in sys.argv[1:] if argument])
