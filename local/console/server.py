"""The console's server: routes, pages, and the link that opens it."""

import contextlib
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from console import connection, dead_letters, events, overview, try_out
from console.doors import Doors, Guard
from console.event_log import EventLog
from console.pages import render
from console.stack_on_aws import Denied
from tools import Failure

STATIC = Path(__file__).parent / "static"
MOST_BODY_BYTES = 4 * 1024 * 1024


class Console:
    """What the pages share."""

    def __init__(self, stack, doors, messenger=None):
        self.stack, self.doors, self.messenger = stack, doors, messenger
        self.log = EventLog(stack)
        self.letters = dead_letters.Letters(stack)
        self.states = connection.States()

    def missing(self):
        """The permissions that these credentials lack; none known where AWS can't be asked."""
        try:
            return self.stack.missing()
        except Failure:
            return frozenset()


class Asked:
    """A request, as the pages take it: `query`, `form`, `path` parameters."""

    def __init__(self, request, body):
        self.query, self.path = dict(request.query_params), request.path_params
        self.pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        self.form = dict(self.pairs)
        self.is_part = request.headers.get("hx-request") == "true"


def application(console):
    """The ASGI application."""

    def page(make):
        async def answer(request):
            body = bytearray()
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY_BYTES:
                    return PlainTextResponse("the request is too large\n", 413)
            return await run_in_threadpool(answered, make, request, bytes(body))
        return answer

    def answered(make, request, body):
        asked = Asked(request, body)
        try:
            made = make(console, asked)
        except Denied as denied:
            console.stack.forget("missing")
            made = ("problem.html", {"problem": str(denied), "permission": denied.permission})
        except Failure as failure:
            made = ("problem.html", {"problem": str(failure), "permission": None})
        if isinstance(made, Response):
            return made
        template, values = made[:2]
        html = render(template, console=console, asked=asked, proof=request.scope["console_proof"], **values)
        return HTMLResponse(html, headers=made[2] if len(made) > 2 else None)

    async def static(request):
        name = request.path_params["name"]
        file = htmx_file() if name == "htmx.js" else STATIC / name
        if name not in ("htmx.js", *(each.name for each in STATIC.iterdir())):
            return PlainTextResponse("not found\n", 404)
        return FileResponse(file)

    routes = [
        Route("/", lambda _request: RedirectResponse("/overview", 303)),
        Route("/static/{name}", static),
        *(Route(path, page(make), methods=[method]) for module in (
            overview, try_out, events, dead_letters, connection) for method, path, make in module.ROUTES),
        Route("/messenger", page(messenger)),
    ]

    async def not_found(_request, _error):
        return PlainTextResponse("not found\n", 404)

    def locked(was_used):
        return HTMLResponse(render("locked.html", was_used=was_used), 403)

    return Guard(Starlette(routes=routes, exception_handlers={404: not_found}), console.doors, locked)


def messenger(console, _asked):
    return ("messenger.html", {"tab": "messenger", "url": console.messenger})


def htmx_file():
    import django_htmx

    return Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"


def serve(stack, port, messenger_url=None):
    """Serves until Ctrl-C, and prints the link."""
    stack.description()  # a wrong name is said now
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
        print(f"Port {port} is taken: using another. OAuth needs the one that Intercom knows.", file=sys.stderr)
    # The link is printed before the server runs: a browser that opens it at once waits, and isn't refused.
    listener.listen()
    port = listener.getsockname()[1]
    frames = "{0.scheme}://{0.netloc}".format(urlsplit(messenger_url)) if messenger_url else "'none'"
    console = Console(stack, Doors(port, frames), messenger_url)
    configuration = uvicorn.Config(application(console), log_level="warning", access_log=False, server_header=False,
                                   date_header=False, lifespan="off")
    link = console.doors.link()
    print(f"Console    {link}", flush=True)
    if sys.stdin.isatty():
        print("The link works once. Enter prints a new one, Ctrl-C ends the console.", flush=True)
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(link)
    threading.Thread(target=more_links, args=(console.doors,), daemon=True).start()
    server = uvicorn.Server(configuration)
    server.run(sockets=[listener])


def more_links(doors):
    """A new link for each line on standard input."""
    with contextlib.suppress(OSError, ValueError):
        for _ in sys.stdin:
            print(f"Console    {doors.link()}", flush=True)
