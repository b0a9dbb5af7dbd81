"""Calls over HTTP that return an error status as an answer, too, rather than raise."""

import json
import urllib.error
import urllib.request


class Answer:
    """An HTTP answer: `status`, `headers`, `body` in bytes."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


def request(method, url, body=None, headers=None):
    """Sends bytes to a URL; returns the Answer."""
    call = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(call, timeout=40) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())
