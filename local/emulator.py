"""The AWS emulator behind a guard, in one process, so that there is no way around it.

The emulator itself answers everybody: it allows any origin, takes well-known access keys unchecked, and has routes of
its own that need no key. A web page open on this machine could read the secret and run code with that. The guard lets
foreign pages reach nothing but the API's own routes, which are as open on AWS.
"""

import hmac
import os
import re
import socketserver
from urllib.parse import parse_qs, unquote_to_bytes

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
# The function's own routes, below the stage. The emulator has routes of its own on every host, the API's domains too,
# and looks at some of those before it looks at the host.
ROUTES = r"(/(v1|browser|projects|analytics-next)(/[^/]+)+|/webhook|/health)/?"
API_ROUTE = re.compile(rf"/restapis/[a-z0-9]+/\w+/_user_request_({ROUTES})")
DOMAIN_ROUTE = re.compile(ROUTES)
STAGE_ROUTE = re.compile(rf"/prod({ROUTES})")
# As on AWS: the API's own domain.
API_DOMAIN = re.compile(r"[a-f0-9]{8}\.execute-api\.localhost")
# The emulator's own, whoever asks: they reset it, change its settings, and read every queue without a signature.
OWN_ROUTE = re.compile(r"/_")
# Only AWS's own requests have these; they could make the emulator read a path as something else.
AWS_MARKS = ("x-amz-", "x-amzn-", "awsaccesskeyid")
# A key that the emulator gave to a role. It looks these up and checks the signature; others it can take for its root
# user, or for nobody in particular.
ROLE_KEY = re.compile(r"ASIA[A-Z0-9]{16}")
ACCESS_KEY = re.compile(r"Credential=([^/,\s]*)/")


def words(name):
    """The words of an environment variable."""
    return set(os.environ.get(name, "").split())


class Guard:
    """An ASGI application that hands on to `app` what may reach it, and answers 403 to the rest.

    `key` is the emulator's own random access key. `hosts` are further names under which it is called, `domains` those
    of which every route is the API's, `keys` further access keys.
    """

    def __init__(self, app, key, hosts=(), domains=(), keys=()):
        self.app = app
        self.keys = {key, *keys}
        self.hosts = {*LOOPBACK, *hosts}
        self.domains = set(domains)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        if why := self.refusal(scope):
            return await refuse(send, why)
        # API Gateway adds this too; the function uses it for the address that pages send to.
        scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"http")]}
        return await self.app(scope, receive, send)

    def refusal(self, scope):
        """Why a request doesn't reach the emulator; None for one that does."""
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        values = {}
        for name, value in headers:
            values.setdefault(name, []).append(value)
        host = [hostname(value) for value in values.get("host", [])]
        if len(host) != 1 or not (self.is_domain(host[0]) or host[0] in self.hosts):
            # A page can point its own domain at any address, this machine's too (DNS rebinding).
            return "the Host is not this machine"
        is_of_page = "origin" in values or values.get("sec-fetch-site", ["none"]) != ["none"]
        authorization = values.get("authorization", [])
        path = scope["path"]
        is_signed = not is_of_page and len(authorization) == 1 and self.knows(authorization[0])
        if is_signed and not OWN_ROUTE.match(path):
            return None
        if not self.is_route(host[0], path):
            return "only the API's own routes are open"
        query = parse_qs(unquote_to_bytes(scope.get("query_string", b"")).decode("latin-1"), keep_blank_values=True)
        names = [*values, *map(str.lower, query)]
        if any(name.startswith(AWS_MARKS) for name in names) or any(a.startswith("AWS") for a in authorization):
            return "a request to AWS itself, on a route of the API"
        return None

    def is_domain(self, host):
        """Whether a host is one of the API's domains."""
        return host in self.domains or bool(API_DOMAIN.fullmatch(host))

    def is_route(self, host, path):
        """Whether a path on this host is a route of the API."""
        if any(part in (".", "..") for part in path.split("/")):
            return False
        if host in self.domains:
            return bool(DOMAIN_ROUTE.fullmatch(path))
        return bool((STAGE_ROUTE if self.is_domain(host) else API_ROUTE).fullmatch(path))

    def knows(self, authorization):
        """Whether a request is signed with our access key, or with a role's, whose signature the emulator checks."""
        found = ACCESS_KEY.search(authorization)
        if not found:
            return False
        key = found[1]
        if any(hmac.compare_digest(key.encode(), known.encode()) for known in self.keys):
            return True
        return bool(ROLE_KEY.fullmatch(key))


def hostname(host):
    """The name in a Host header, without the port."""
    return re.sub(r":\d+$", "", host.strip().lower())


async def refuse(send, why):
    body = f"refused by the guard of the local stack: {why}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main():
    from ministack import app as ministack

    # The emulator writes an invocation's payload in two parts, of which the second would wait 40 ms for an ACK.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    ministack.app = Guard(
        ministack.app, os.environ["AWS_ACCESS_KEY_ID"],
        words("GUARD_HOSTS"), words("GUARD_DOMAINS"), words("GUARD_KEYS"))
    ministack.main()


if __name__ == "__main__":
    main()
