"""Builds what the local stack runs: the function, packaged as a release is, and Intercom's simulator."""

import os
import platform
from pathlib import Path

import filters
import package
from environment import LOGS, sam_environment
from processes import progress, run_step
from tools import ROOT, SAM

ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
BOOTSTRAP = ROOT / "target" / "lambda" / "bootstrap" / "bootstrap"


def build(with_simulator=True):
    """Builds the function and the simulator into target/, and returns the package to deploy: that of PACKAGE, or what
    `make package` would make of this build."""
    LOGS.mkdir(parents=True, exist_ok=True)
    folder = Path(os.environ["PACKAGE"]).resolve() if "PACKAGE" in os.environ else build_function()
    if with_simulator:
        progress("building the Intercom simulator")
        run_step(
            ["cargo", "build", "--locked", "--package", "intercom-simulator"], env=sam_environment(), cwd=ROOT,
            failure="building the simulator failed: see cargo's message above")
    return folder


def build_function():
    """Builds the function, as `sam build` wants it, and returns its package."""
    progress("building the function (minutes the first time, seconds later)")
    flags = ["--arm64"] if ARCHITECTURE == "arm64" else []
    # The command that `sam build` runs with its output hidden; it then finds everything built.
    run_step(
        ["cargo", "lambda", "build", "--release", "--locked", *flags, "--bin", "bootstrap"],
        env=sam_environment(), cwd=ROOT, failure="building the function failed: see cargo's message above")
    # For `sam local invoke`.
    run_step(
        [str(SAM / "sam"), "build", "--config-env", "local", "--parameter-overrides",
         f"Architecture={ARCHITECTURE}"],
        env=sam_environment(), cwd=ROOT, failure="sam build failed", log=LOGS / "build.log")
    folder = LOGS / "package"
    filters_file = filters.of_environment()
    if filters_file:
        filters.check(filters_file, BOOTSTRAP)
    package.assemble(folder, {ARCHITECTURE: BOOTSTRAP}, filters_file)
    return folder
