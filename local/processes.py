"""Child processes in groups of their own, so that whatever they start ends with them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

from tools import Failure

GRACE_SECONDS = 5
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def progress(text):
    """Shows the user what is being done."""
    print(f"▸ {text}", flush=True)


def end_with_parent():
    """Has the kernel end this process when its parent is killed and can't do so itself."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_group(process):
    """Ends a process and all that it started: asked first, killed after GRACE_SECONDS."""
    for request, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def run_step(command, env, cwd, failure, log=None):
    """Runs a command to its end. Its output goes to the terminal, or to the file `log`.

    Raises Failure with one line when it fails: `failure`, the last line logged, and where the log is.
    """
    with open(log, "wb") if log else contextlib.nullcontext() as output:
        process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT if log else None, start_new_session=True,
        )
        try:
            status = process.wait()
        finally:
            end_group(process)
    if status != 0:
        raise Failure(f"{failure}: {last_line(log)} (all of it in {log.relative_to(cwd)})" if log else failure)


def last_line(path):
    """The last line of a log that isn't empty."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


class Service:
    """A process that runs in the background, its output in a file."""

    def __init__(self, name, command, env, cwd, log):
        self.name = name
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=end_with_parent,
            )

    def wait_until(self, ready, seconds):
        """Waits until `ready()` returns something true, and returns it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended at its start: {last_line(self.log)}")
            if result := ready():
                return result
            time.sleep(0.05)
        raise Failure(f"{self.name} was not ready after {seconds} s: {last_line(self.log)}")

    def stop(self):
        """Ends the process and all that it started."""
        end_group(self.process)
