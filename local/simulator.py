"""The Intercom simulator's control interface (crates/intercom-simulator)."""

import json
import re
import urllib.request

TOKEN = "simulator-token"
ANNOUNCEMENT = re.compile(r"listening on (http://\S+)")


class Simulator:
    """A running simulator."""

    def __init__(self, base_url):
        self.base_url = base_url

    def state(self):
        """What the simulated workspace holds: contacts, companies, events, …"""
        return self._call("GET", "state")

    def requests(self):
        """The API requests received since the start or the last reset, with their answers."""
        return self._call("GET", "requests")

    def fail(self, **fault):
        """Adds a fault, such as kind="status", status=503 for every request."""
        return self._call("POST", "faults", fault)

    def recover(self):
        """Ends all faults."""
        self._call("DELETE", "faults")

    def reset(self):
        """Empties the workspace, the log and the faults."""
        self._call("POST", "reset")

    def _call(self, method, name, body=None):
        request = urllib.request.Request(
            f"{self.base_url}/_simulator/{name}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
