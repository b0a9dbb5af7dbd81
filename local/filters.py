"""The file of filters and transformations that goes into the function's package (docs/filters.md)."""

import os
import subprocess
import sys
from pathlib import Path

from tools import ROOT, Failure

PACKAGED = "filters.json"


def of_environment():
    """The file that FILTERS names, or None."""
    given = os.environ.get("FILTERS")
    return Path(given).resolve() if given else None


def check(file, binary=None):
    """Has the function's own parser read the file, and says what is in it. `binary` is the function built for this
    machine; without it one is built."""
    command = [str(binary)] if binary else ["cargo", "run", "--quiet", "--locked", "--bin", "bootstrap", "--"]
    checked = subprocess.run([*command, "--check-filters", str(file)], cwd=ROOT, capture_output=True, text=True)
    if checked.returncode != 0:
        raise Failure(checked.stderr.strip() or f"{file} could not be checked")
    sys.stdout.write(checked.stdout)
