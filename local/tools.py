"""Installs the pinned tools of the local stack into .tools/: `python3 local/tools.py`.

Needs nothing but the standard library, since the other scripts run on what this one installs.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
SAM = TOOLS / "sam" / "bin"
EMULATOR = TOOLS / "emulator" / "bin"


class Failure(Exception):
    """Something that the user has to put right; its text is one line that says how."""


def check_prerequisites():
    """Raises Failure for the first thing that the local stack lacks on this machine."""
    if not sys.platform.startswith("linux"):
        raise Failure("the local stack runs the function's Linux binary: use Linux (or WSL, or a Linux container)")
    if sys.version_info < (3, 10):
        raise Failure(f"python3 is {sys.version.split()[0]}: install Python 3.10 or newer")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Failure("python3 lacks the venv module: install it (Debian, Ubuntu: apt install python3-venv)") from None
    if not shutil.which("cargo"):
        raise Failure("cargo is missing: install Rust from https://rustup.rs")
    if not shutil.which("cc"):
        raise Failure("a C compiler is missing: install one (Debian, Ubuntu: apt install build-essential)")


def install(name, what):
    """Makes .tools/NAME a virtual environment of local/requirements-NAME.txt, if it isn't yet."""
    requirements = ROOT / "local" / f"requirements-{name}.txt"
    key = f"{sys.executable} {sys.version} {ROOT}\n{requirements.read_text()}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    environment = TOOLS / name
    stamp = environment / "installed"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    print(f"Installing {what} into .tools/{name} (once)", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(environment)], "creating a virtual environment failed")
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    # The file names every package, so there is nothing to resolve: with dependencies, pip
    # downloads five versions of botocore on its way.
    run(pip + ["install", "--no-deps", "--requirement", str(requirements)],
        f"installing {requirements.relative_to(ROOT)} failed: see pip's message above, then try again")
    run(pip + ["check"], f"{requirements.relative_to(ROOT)} does not fit this Python: use 3.10 to 3.13")
    stamp.write_text(digest)


def run(command, failure):
    if subprocess.run(command).returncode != 0:
        raise Failure(failure)


def main():
    try:
        check_prerequisites()
        install("emulator", "the AWS emulator and the test tools")
        install("sam", "SAM CLI, cargo-lambda and zig (about 800 MB)")
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
