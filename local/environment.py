"""The environment of what runs on this machine: the emulator's credentials, and nothing of the user's own."""

import os
import secrets

from tools import ROOT, SAM

REGION = "us-east-1"
# Tests that run side by side have a folder each.
LOGS = ROOT / "target" / "local" / os.environ.get("PYTEST_XDIST_WORKER", "")
# The emulator is done long before SAM CLI asks, which is every half second of several steps.
POLL_OFTEN = {"SAM_CLI_POLL_DELAY": "0.1"}
# Nobody else on this machine can guess them (see emulator.py).
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": f"LOCAL{secrets.token_hex(16).upper()}",
    "AWS_SECRET_ACCESS_KEY": secrets.token_hex(32),
    "AWS_DEFAULT_REGION": REGION,
}


def clean_environment():
    """This process's environment without the user's own AWS and Intercom settings, which must
    neither reach the emulated function nor be used by mistake."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "INTERCOM_"))}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def sam_environment():
    """What SAM CLI and cargo-lambda need to be found, to find each other, and to work offline."""
    return {
        **clean_environment(), **CREDENTIALS,
        "PATH": f"{SAM}{os.pathsep}{os.environ['PATH']}",
        "CARGO_TARGET_DIR": str(ROOT / "target"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
        **POLL_OFTEN,
    }
