"""The operator's tool for dead letters, called as against AWS."""

import subprocess

from environment import CREDENTIALS, clean_environment
from stack import STACK_NAME
from tools import ROOT, SAM

TOOL = [str(SAM / "python"), str(ROOT / "local" / "dead_letters.py")]


def environment(stack):
    return {**clean_environment(), **CREDENTIALS, "AWS_ENDPOINT_URL": stack.emulator_url}


def output(stack, *words):
    """What the tool prints, which must succeed."""
    done = subprocess.run(
        [*TOOL, "--stack", STACK_NAME, *words], capture_output=True, text=True, env=environment(stack), timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
