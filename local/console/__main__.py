"""`python3 local/console`: see command_line.py."""

import sys
from pathlib import Path


def start():
    # What the console shares with the other tools is beside its folder.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from console.command_line import main
        from deployed import command
    except ImportError as error:
        sys.exit(f"error: {error.name} is missing: pip install --no-deps -r local/requirements-console.txt")
    command(main, [sys.argv[1:]])


if __name__ == "__main__":
    start()
