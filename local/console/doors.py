"""Who gets in: whoever has the link, once; then the browser that opened it. Nobody else's page, and no other name.

A link holds a single-use token, which is exchanged for a cookie. A request must name this very host, since a page can
point its own domain at this machine's address (DNS rebinding), and come from a page of ours. A request that changes
something must prove that by Origin, and show the session's own token, which no other page can read.
"""

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
       "frame-src {frames}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
HEADERS = {
    "x-content-type-options": "nosniff",
    # Not no-referrer: with that, a browser hides our own Origin too.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
# Reached from Intercom's own page, so without the cookie, but with a state that nobody can guess.
CALLBACK = "/connection/callback"
OPEN = ("/static/",)


class Doors:
    """The links and sessions of a console on `port`."""

    def __init__(self, port, frames="'none'"):
        self.port, self._links, self._sessions = port, set(), {}
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.policy = CSP.format(frames=frames)

    def link(self):
        """A link that opens the console once."""
        token = secrets.token_urlsafe(32)
        self._links.add(token)
        return f"http://127.0.0.1:{self.port}/?token={token}"

    @property
    def cookie(self):
        # Browsers don't keep ports apart.
        return f"console-{self.port}"

    def enter(self, token):
        """The session for a link's token; None for a token that was used or never existed."""
        found = [link for link in self._links if hmac.compare_digest(link.encode(), token.encode())]
        if not found:
            return None
        self._links.discard(found[0])
        session = secrets.token_urlsafe(32)
        self._sessions[session] = secrets.token_urlsafe(32)
        return session

    def proof(self, headers):
        """The token of a request's session; None without a session."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return None
        return self._sessions.get(morsel.value) if morsel else None


class Guard:
    """An ASGI application that passes allowed requests on to `app`."""

    def __init__(self, app, doors, locked):
        self.app, self.doors, self.locked = app, doors, locked

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                return await self.app(scope, receive, send)
            return await send({"type": "websocket.close", "code": 1008})

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                ours = {**HEADERS, "content-security-policy": self.doors.policy}
                kept = [(name, value) for name, value in message["headers"] if name.decode().lower() not in ours]
                extra = [(name.encode(), value.encode()) for name, value in ours.items()]
                message = {**message, "headers": kept + extra}
            await send(message)

        names = [name for name, _ in scope["headers"]]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if names.count(b"host") != 1 or headers["host"] not in self.doors.hosts:
            return await self.refuse(send_with_headers, 403, "the Host is not this console")
        path, method = scope["path"], scope["method"]
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path != CALLBACK:
            return await self.refuse(send_with_headers, 403, "another site's page asks")
        if method not in ("GET", "HEAD", "POST"):
            return await self.refuse(send_with_headers, 405, "this method is not allowed")
        proof = self.doors.proof(headers)
        if method == "POST":
            if headers.get("origin") != f"http://{headers['host']}":
                return await self.refuse(send_with_headers, 403, "the Origin is not this console")
            if proof is None:
                return await self.refuse(send_with_headers, 401, "open the console by its link")
            if not hmac.compare_digest(headers.get("x-console", "").encode(), proof.encode()):
                return await self.refuse(send_with_headers, 403, "the session's token is missing")
        elif proof is None and path != CALLBACK and not path.startswith(OPEN):
            token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
            session = self.doors.enter(token) if path == "/" and token else None
            if session is None:
                return await self.locked(bool(token))(scope, receive, send_with_headers)
            cookie = f"{self.doors.cookie}={session}; Path=/; HttpOnly; SameSite=Strict"
            # To an address without the token, since the browser's history keeps addresses.
            await send_with_headers({"type": "http.response.start", "status": 303, "headers": [
                (b"location", b"/overview"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]})
            return await send_with_headers({"type": "http.response.body", "body": b""})
        scope["console_proof"] = proof
        return await self.app(scope, receive, send_with_headers)

    async def refuse(self, send, status, why):
        body = f"refused: {why}\n".encode()
        await send({"type": "http.response.start", "status": status, "headers": [
            (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
