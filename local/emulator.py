"""The AWS emulator behind a guard, in one process, so that there is no way around it.

The emulator itself answers everybody: it allows any origin, takes well-known access keys unchecked, and has routes of
its own that need no key. A web page open on this machine could read the secret and run code with that. The guard lets
foreign pages reach nothing but the API's own routes, which are as open on AWS.
"""

import hmac
import os
import re
from urllib.parse import parse_qs, unquote_to_bytes

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
API_ROUTE = re.compile(r"/restapis/[a-z0-9]+/\w+/_user_request_(/.*)?", re.DOTALL)
# As on AWS: the API's own domain, of which every path is the API's.
API_DOMAIN = re.compile(r"[a-f0-9]{8}\.execute-api\.localhost")
# Only AWS's own requests have these; they could make something else of a path.
AWS_MARKS = ("x-amz-", "x-amzn-")
# The emulator takes these for its root user without a look at the signature.
ROOT_KEY = re.compile(r"|test|\d{12}")
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
        # API Gateway says so too, and the function what pages are to send to.
        scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"http")]}
        return await self.app(scope, receive, send)

    def refusal(self, scope):
        """Why a request doesn't reach the emulator; None for one that does."""
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        values = {}
        for name, value in headers:
            values.setdefault(name, []).append(value)
        host = [hostname(value) for value in values.get("host", [])]
        is_api = len(host) == 1 and (host[0] in self.domains or bool(API_DOMAIN.fullmatch(host[0])))
        if len(host) != 1 or not (is_api or host[0] in self.hosts):
            # A page can give its own name any address, this machine's too.
            return "the Host is not this machine"
        is_of_page = "origin" in values or values.get("sec-fetch-site", ["none"]) != ["none"]
        authorization = values.get("authorization", [])
        if not is_of_page and len(authorization) == 1 and self.knows(authorization[0]):
            return None
        if not (API_ROUTE.fullmatch(scope["path"]) or is_api):
            return "only the API's own routes are open"
        query = parse_qs(unquote_to_bytes(scope.get("query_string", b"")).decode("latin-1"), keep_blank_values=True)
        names = [*values, *map(str.lower, query)]
        if any(name.startswith(AWS_MARKS) for name in names) or any(a.startswith("AWS") for a in authorization):
            return "a request to AWS itself, on a route of the API"
        return None

    def knows(self, authorization):
        """Whether a request is signed with an access key that is no secret of the emulator's own, whose signature the
        emulator then checks, or with ours."""
        found = ACCESS_KEY.search(authorization)
        if not found:
            return False
        key = found[1]
        if any(hmac.compare_digest(key.encode(), known.encode()) for known in self.keys):
            return True
        return not ROOT_KEY.fullmatch(key)


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

    ministack.app = Guard(
        ministack.app, os.environ["AWS_ACCESS_KEY_ID"],
        words("GUARD_HOSTS"), words("GUARD_DOMAINS"), words("GUARD_KEYS"))
    ministack.main()


if __name__ == "__main__":
    main()
