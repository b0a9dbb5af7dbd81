"""An application that sends with one of Segment's SDKs, as a process of its own."""

import contextlib
import json
import subprocess
from pathlib import Path

from environment import LOGS, clean_environment
from processes import end_group, end_with_parent
from tools import JAVASCRIPT, TOOLS

SDKS = Path(__file__).parent / "sdks"
NODE_MODULES = {"NODE_PATH": str(JAVASCRIPT / "node_modules")}
PATIENCE_SECONDS = 90


class Application:
    """A program of sdks/. It takes settings as JSON in its last argument and commands on its standard input, one JSON
    array a line such as ["track", {…}]; it prints lines of JSON, among them {"status": 200} for each answer, and ends
    when its input does, once the SDK has sent everything.

    A context manager: no process is left after it.
    """

    def __init__(self, stack, command, settings, environment=None):
        self.stack = stack
        self.log = LOGS / "application.log"
        self._lines = []
        self._bytes_read = 0
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [*command, json.dumps(settings)], env={**clean_environment(), **(environment or {})},
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, text=True,
                start_new_session=True, preexec_fn=end_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Playwright closes its browser on SIGTERM, and stays for as long as there is input.
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        end_group(self.process)

    def do(self, *command):
        """Gives a command, and doesn't wait for it."""
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def forget(self):
        """Leaves out what it has printed until now."""
        self._read()
        self._lines = []

    def printed(self, key):
        """What stands under `key` in the lines printed so far."""
        self._read()
        return [line[key] for line in self._lines if key in line]

    def _read(self):
        """Reads what it has printed since the last time, as far as the lines are complete."""
        with open(self.log, "rb") as log:
            log.seek(self._bytes_read)
            complete, end, _ = log.read().rpartition(b"\n")
        self._bytes_read += len(complete + end)
        self._lines += [json.loads(line) for line in complete.splitlines() if line.startswith(b"{")]

    def statuses(self):
        """The statuses of the answers that it has got so far."""
        return self.printed("status")

    def wait_for(self, condition, what):
        """Waits until `condition()` gives something true, and returns it."""
        def met():
            assert self.process.poll() is None, f"it ended early: {self.log.read_text()}"
            return condition()

        return self.stack.wait_for(met, what, PATIENCE_SECONDS)

    def end(self):
        """Lets it send what it still has, and waits for its end."""
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.log.read_text()


def python_application(stack, environment, package, settings):
    """An application with the SDK for Python that is this package, in the virtual environment of this name."""
    interpreter = TOOLS / environment / "bin" / "python"
    return Application(stack, [str(interpreter), str(SDKS / "python" / "app.py"), package], {
        "write_key": stack.write_key, "host": stack.endpoint, **settings})
