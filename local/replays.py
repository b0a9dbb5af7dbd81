"""Requests of Segment's SDKs, byte by byte as their sources make them: the files of tests/e2e/sdks/replays."""

import base64
import gzip
import http.client
import json
import re
import select
import socket
import ssl
import uuid
from urllib.parse import urlsplit

from http_call import Answer
from tools import ROOT

REPLAYS = ROOT / "tests" / "e2e" / "sdks" / "replays"
# What a Java client makes of a body of unknown length.
CHUNK = 1024
PACKED = "Content-Encoding: gzip"


class Request:
    """A request as an SDK sends it to `stack.endpoint`: `line`, `headers` as pairs, and `body`, packed where the
    headers say so.

    `cut` ends the body early; `kinds` are the only kinds of calls that it then holds.
    """

    def __init__(self, stack, name, packed=True, write_key=None, cut=None, kinds=None):
        preface, head, body = (REPLAYS / f"{name}.http").read_text().split("\n\n", 2)
        self.endpoint, write_key = urlsplit(stack.endpoint), write_key or stack.write_key
        values = {
            "host": self.endpoint.netloc,
            "base": self.endpoint.path,
            "key": write_key,
            "basic": base64.b64encode(f"{write_key}:".encode()).decode(),
            "newline": "\n",
            **dict(re.findall(r"^@(\w+) = (.*)$", preface, re.MULTILINE)),
        }
        text = fill("".join(body.splitlines()), values)
        self.plain = (of_kinds(kinds, text) if kinds else text).encode()[:cut]
        if not packed:
            head = head.replace(PACKED + "\n", "")
        self.is_packed = PACKED in head
        self.body = gzip.compress(self.plain) if self.is_packed else self.plain
        self.line, *headers = fill(head, {**values, "length": str(len(self.body))}).splitlines()
        self.headers = [tuple(header.split(": ", 1)) for header in headers]

    def send(self):
        """Sends it over a socket; returns the answer."""
        headers = dict(self.headers)
        with self._connect() as connection:
            connection.sendall("\r\n".join([self.line, *map(": ".join, self.headers), "", ""]).encode())
            if "Expect" in headers:
                select.select([connection], [], [], 1)
            connection.sendall(chunked(self.body) if "Transfer-Encoding" in headers else self.body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return Answer(answer.status, answer.headers, answer.read())

    def _connect(self):
        connection = socket.create_connection((self.endpoint.hostname, self.endpoint.port or 443), timeout=40)
        if self.endpoint.scheme == "http":
            return connection
        return ssl.create_default_context().wrap_socket(connection, server_hostname=self.endpoint.hostname)

    def hand_over(self, stack, unpacked=False, without_header=False):
        """Invokes the deployed function with what API Gateway makes of it, which is base64; gives the answer.

        API Gateway unpacks a body with `Content-Encoding: gzip` itself, which that header may or may not outlive.
        """
        method, path, _ = self.line.split()
        headers = [pair for pair in self.headers if not (without_header and ": ".join(pair) == PACKED)]
        body = self.plain if unpacked else self.body
        answer, error = stack.invoke({
            "resource": "/{proxy+}",
            "path": path[path.index("/v1/"):],
            "httpMethod": method,
            "headers": dict(headers),
            "multiValueHeaders": {name: [value] for name, value in headers},
            "requestContext": {"stage": "prod", "httpMethod": method},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        })
        assert error is None, answer
        return Answer(answer["statusCode"], answer["headers"], answer["body"])


def fill(text, values):
    """Replaces each {{name}}; {{uuid}} and {{UUID}} are new ones every time."""
    def value(match):
        new = str(uuid.uuid4())
        return fill({**values, "uuid": new, "UUID": new.upper()}[match[1]], values)

    return re.sub(r"\{\{(\w+)\}\}", value, text)


def of_kinds(kinds, text):
    """A batch without its calls of other kinds."""
    batch = json.loads(text)
    batch["batch"] = [call for call in batch["batch"] if call["type"] in kinds]
    return json.dumps(batch, ensure_ascii=False)


def chunked(body):
    chunks = [body[start:start + CHUNK] for start in range(0, len(body), CHUNK)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
