"""The demo page of `make run`: analytics.js, a stand-in for the Messenger, and what the simulator holds."""

import hmac
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

from tools import JAVASCRIPT, ROOT

PAGE = ROOT / "local" / "page"
SDK = JAVASCRIPT / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}


def serve(stack, delivery, is_real):
    """Serves the page on this machine as long as this process lives; gives its URL. With `is_real` the page loads
    Intercom's own widget."""
    proof = hmac.new(stack.secret.get("api_secret", "").encode(), b"page-ada", "sha256").hexdigest()
    settings = {
        "writeKey": stack.public_write_key, "cdnURL": stack.page_endpoint, "delivery": delivery, "isReal": is_real,
        "userHash": proof}
    # The library gets its own parts from here, so that the page needs no network.
    script = f"const SETTINGS = {json.dumps(settings)}\nwindow.analytics = {{ _cdn: location.origin }}\n"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if not self.is_own_page():
                return self.send_error(403)
            path = PurePosixPath(self.path.partition("?")[0])
            if str(path) == "/settings.js":
                return self.answer(script.encode(), ".js")
            if str(path) == "/state":
                return self.answer(state(stack), ".json")
            folder = SDK if path.parts[1:2] == ("analytics-next",) else PAGE
            file = folder / (path.name or "index.html")
            if not file.is_file():
                return self.send_error(404)
            return self.answer(file.read_bytes(), file.suffix)

        def is_own_page(self):
            """Whether a page of this server asks, or a person. Another page could point its own domain at this address
            (DNS rebinding), or load the settings, which hold a key, as a script of its own."""
            host = self.headers.get("host", "").partition(":")[0]
            site = self.headers.get("sec-fetch-site", "none")
            is_opened = self.headers.get("sec-fetch-mode") == "navigate"
            return host in ("localhost", "127.0.0.1") and (is_opened or site in ("none", "same-origin"))

        def answer(self, body, suffix):
            self.send_response(200)
            self.send_header("content-type", f"{TYPES.get(suffix, 'application/octet-stream')}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("cross-origin-resource-policy", "same-origin")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://localhost:{server.server_port}/"


def state(stack):
    if not stack.simulator:
        return b"{}"
    with urllib.request.urlopen(f"{stack.simulator.base_url}/_simulator/state", timeout=10) as answer:
        return answer.read()
