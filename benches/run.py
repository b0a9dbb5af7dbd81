#!/usr/bin/env python3
"""`make bench`: calls to Intercom per event, a backlog's use of the rate limit, and what waiting events cost; start-up,
memory and size beside a bare function; what a request may cost; time, allocations and instructions of our own code per
event, and whether that is linear in the event's bytes."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "local"))
import tools

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"
# cargo-lambda is what `sam build` runs.
ENVIRONMENT = {
    **os.environ, "CARGO_TARGET_DIR": str(TARGET), "PATH": f"{ROOT}/.tools/sam/bin{os.pathsep}{os.environ['PATH']}",
}


def run(*command, env=ENVIRONMENT, **options):
    return subprocess.run(command, cwd=ROOT, env=env, check=True, **options)


def heading(text):
    print(f"\n── {text}\n", flush=True)


def bench_binary():
    """Path of the benchmark benches/mapping.rs, built."""
    messages = run("cargo", "bench", "--bench", "mapping", "--no-run", "--message-format=json",
                   stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in messages.splitlines()]
    return next(artifact["executable"] for artifact in artifacts
                if artifact.get("executable") and artifact["target"]["name"] == "mapping")


def segments_destinations():
    """The folder of Segment's own destinations for pages, as its CDN has them; npm compares the package with its
    digest."""
    folder = ROOT / ".tools" / "browser-destinations"
    web = folder / "package" / "dist" / "web"
    if not web.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        run("npm", "pack", "@segment/browser-destinations@3.98.0", "--silent", "--pack-destination", folder,
            stdout=subprocess.DEVNULL)
        run("tar", "-xzf", next(folder.glob("*.tgz")), "-C", folder, "package/dist/web")
    return web


def browser_bench():
    """The plugin for pages, where Node.js and a browser are there."""
    reason = tools.why_no_javascript() or (None if tools.browser() else "Chromium is missing")
    heading("The Messenger's plugin in a page" + (f": left out, {reason}" if reason else ""))
    if not reason:
        tools.install_sdks()
        run("node", "benches/browser.cjs", tools.browser(), segments_destinations(),
            env={**ENVIRONMENT, "NODE_PATH": str(tools.JAVASCRIPT / "node_modules")})


def main():
    for package, binary in (("segment-intercom", "bootstrap"), ("bare-function", "bare-function")):
        run("cargo", "lambda", "build", "--release", "--package", package, "--bin", binary)
    mapping = bench_binary()
    heading("Calls to Intercom")
    # Counts calls, so a build for development does.
    run("cargo", "bench", "--quiet", "--profile", "dev", "--bench", "calls")
    heading("Start-up, memory and size")
    run(sys.executable, "benches/startup.py", "--bare", str(TARGET / "lambda/bare-function/bootstrap"),
        "--function", str(TARGET / "lambda/bootstrap/bootstrap"), "--runs", "40")
    heading("What one request may cost, by who sends it")
    run("cargo", "build", "--quiet", "--package", "intercom-simulator")
    run(sys.executable, "benches/spending.py", "--function", str(TARGET / "lambda/bootstrap/bootstrap"),
        "--simulator", str(TARGET / "debug/intercom-simulator"))
    browser_bench()
    heading("Our own CPU and allocations per event")
    run("cargo", "bench", "--quiet", "--bench", "mapping")
    heading("The worst shapes of events, from 1 KB to 500 KB")
    run("cargo", "bench", "--quiet", "--bench", "shapes")
    heading("Our own instructions per event")
    run(sys.executable, "benches/instructions.py", mapping)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(map(str, error.cmd[:3]))} … failed: see its message above")
    except KeyboardInterrupt:
        sys.exit(130)
