"""Installs the pinned tools of the local stack into .tools/: `python3 local/tools.py`, and with
the argument `tests` also what the end-to-end tests send with. With `audit` it installs nothing but
the scanner of dependencies.

Needs nothing but the standard library, since the other scripts run on what this one installs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
SAM = TOOLS / "sam" / "bin"
EMULATOR = TOOLS / "emulator" / "bin"
JAVASCRIPT = TOOLS / "javascript"
BROWSER = ROOT / "browser"
PYTHON_SDKS = ("2.3", "2.4")
# Rust's names of Lambda's architectures.
TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
RUST_APPLICATION = ROOT / "target" / "rust-sdk" / "debug" / "segment-application"


class Failure(Exception):
    """Something that the user has to put right; its text is one line that says how."""


def check_prerequisites():
    """Raises Failure for the first thing that the local stack lacks on this machine."""
    if not sys.platform.startswith("linux"):
        raise Failure("the local stack runs the function's Linux binary: use Linux (or WSL, or a Linux container)")
    if sys.version_info < (3, 10):  # noqa: UP036
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


def install(name, what, requirements=None, checks=True):
    """Makes .tools/NAME a virtual environment of `requirements`, which is local/requirements-NAME.txt by default, if
    it isn't yet. `checks` whether all packages have what they say they need."""
    requirements = requirements or ROOT / "local" / f"requirements-{name}.txt"
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
    run([*pip, "install", "--no-deps", "--require-hashes", "--requirement", str(requirements)],
        f"installing {requirements.relative_to(ROOT)} failed: see pip's message above, then try again")
    if checks:
        run([*pip, "check"], f"{requirements.relative_to(ROOT)} does not fit this Python: use 3.10 to 3.13")
    stamp.write_text(digest)


def install_javascript(target, what, sources):
    """Makes the node_modules of `target` what the lock file of `sources` says, if it isn't yet."""
    files = [sources / name for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    stamp = target / "node_modules" / "installed"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    print(f"Installing {what} into {target.relative_to(ROOT)}/node_modules (once)", flush=True)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        if target != sources:
            shutil.copy(file, target)
    run(["npm", "ci", "--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        f"installing {what} failed: see npm's message above, then try again")
    stamp.write_text(digest)


def install_sdks():
    """Segment's and RudderStack's JavaScript SDKs, which the tests and the page of `make run` send with."""
    install_javascript(JAVASCRIPT, "Segment's and RudderStack's JavaScript SDKs",
                       ROOT / "tests" / "e2e" / "sdks" / "javascript")


def install_console():
    """What the console runs on, which is all that it needs: an operator has no Rust."""
    # django-htmx is there for htmx itself, and misses Django.
    install("console", "the console", checks=False)


def build_rust_application():
    """Compiles the application with the crate `segment`, of the versions in its lock file."""
    run(["cargo", "build", "--quiet", "--locked", "--target-dir", str(RUST_APPLICATION.parents[1]),
         "--manifest-path", str(ROOT / "tests" / "e2e" / "sdks" / "rust" / "Cargo.toml")],
        "building tests/e2e/sdks/rust failed: see cargo's message above")


def why_no_javascript():
    """Why nothing can be sent with Segment's JavaScript SDKs, and what to do; None when it can."""
    todo = "install Node.js 20 or newer, which brings npm, and run `make test` again"
    if not (shutil.which("node") and shutil.which("npm")):
        return f"Node.js is missing: {todo}"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < 20:
        return f"Node.js is {version}: {todo}"
    return None


def install_browser():
    """Installs Debian's Chromium where no browser is found and this process may. Without one the tests that need
    it are skipped, so nothing is an error."""
    if browser() or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print("Installing Debian's chromium for the tests in a browser (once)", flush=True)
    apt = ["apt-get", "--quiet=2", "--option", "DPkg::Lock::Timeout=300"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*apt, "update"], env=environment, stdout=subprocess.DEVNULL)
    subprocess.run([*apt, "install", "--yes", "--no-install-recommends", "chromium"], env=environment,
                   stdout=subprocess.DEVNULL)


def browser():
    """The path of a Chromium or Chrome; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def command_for_target(architecture):
    """What makes the pinned toolchain one for this architecture of Lambda: cargo-lambda does that for rustup's `stable`
    alone. Nothing is to be done without rustup, or where it is done."""
    return ["rustup", "target", "add", TRIPLES[architecture]] if shutil.which("rustup") else ["true"]


def run(command, failure):
    if subprocess.run(command).returncode != 0:
        raise Failure(failure)


def main():
    try:
        if "console" in sys.argv[1:]:
            return install_console()
        check_prerequisites()
        if "audit" in sys.argv[1:]:
            return install("audit", "the scanner of Python packages")
        install("emulator", "the AWS emulator and the test tools")
        install("sam", "SAM CLI, cargo-lambda and zig (about 800 MB)")
        if "tests" in sys.argv[1:]:
            install_console()
            install("ruff", "the linter of the Python code")
            install("checkov", "the scanner of template.yaml (about 300 MB)")
            for version in PYTHON_SDKS:
                install(f"python-sdk-{version}", f"Segment's SDK {version} for Python",
                        ROOT / "tests" / "e2e" / "sdks" / "python" / f"requirements-{version}.txt")
            install("rudderstack-python", "RudderStack's SDK for Python",
                    ROOT / "tests" / "e2e" / "sdks" / "python" / "requirements-rudderstack.txt")
            build_rust_application()
            if not why_no_javascript():
                install_sdks()
                install_javascript(BROWSER, "what builds the plugin for browsers", BROWSER)
                install_browser()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
