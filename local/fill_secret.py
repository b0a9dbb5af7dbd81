"""`make secret`: asks for Intercom's access token, makes a write key, and puts both into the stack's secret.

With a key's name (`make secret KEY=webhook_secret`) it is about that key alone: Intercom's are asked for, those of the
function's own entry points are made. What the secret holds otherwise stays. Runs on .tools/sam.
"""

import getpass
import sys

import stack_secret
from deployed import Deployed, command
from tools import Failure

INTERCOMS = {"access_token": "Intercom's access token", "api_secret": "Intercom's Messenger API secret (for user_hash)"}


def fill(name, key=None):
    known = (*INTERCOMS, *stack_secret.KINDS)
    if key not in (None, *known):
        raise Failure(f"KEY={key} is not a key of the secret: use {', '.join(known)}, or leave it out")
    deployed = Deployed(name)
    made = deployed.secret().change(lambda secret: fill_in(secret, key))
    for wanted, value in made.items():
        print(f"{wanted}: {value}")
    print("The secret is filled. Running functions see it within 5 minutes.")


def fill_in(secret, key):
    """Asks for Intercom's keys, makes our own, and returns those that it made."""
    made = {}
    for wanted in [key] if key else ["access_token", *([] if secret.get("write_keys") else ["write_keys"])]:
        if wanted in INTERCOMS:
            secret[wanted] = ask(INTERCOMS[wanted])
        else:
            made[wanted] = stack_secret.add_key(secret, wanted)
    return made


def ask(what):
    """A line that isn't shown, nor left in a shell's history or the list of processes."""
    prompt = f"{what}: "
    value = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise Failure("nothing was entered, so nothing was changed")
    return value.strip()


if __name__ == "__main__":
    command(fill, [argument for argument in sys.argv[1:] if argument])
