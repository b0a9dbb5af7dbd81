"""`make connect` and `make disconnect`: the connection, without a page."""

import getpass
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import stack_secret
from console.doors import CALLBACK
from intercom_account import STATE_SECONDS, States
from tools import Failure


def connect(stack, port, by_oauth):
    account = stack.intercom()
    token = token_by_oauth(account, port) if by_oauth else ask("Intercom's access token", True)
    workspace = account.checked(token)
    stack.secret().change(lambda secret: stack_secret.connect(
        secret, token, "oauth" if by_oauth else "token", workspace.app_id))
    print(f"Connected to {workspace.name} (App ID {workspace.app_id}, {workspace.region}). "
          "Running functions see it within 5 minutes.")


def disconnect(stack):
    secret = stack.secret()
    held = secret.read()
    if not held.get("access_token"):
        print("Nothing is connected.")
        return
    if stack_secret.connection(held).get("way") == "oauth":
        stack.intercom().revoke(held["access_token"])
        print("Revoked the token at Intercom.")
    secret.change(stack_secret.disconnect)
    print("Disconnected: the secret holds no token of Intercom's. Until one is there, new events are "
          "answered 503, so that senders keep them.")


def token_by_oauth(account, port):
    """A token for the operator's own OAuth app: prints the link to Intercom's page, and waits for its answer."""
    client_id, client_secret = ask("The app's client id"), ask("The app's client secret", True)
    states, answers = States(), []
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers.get("host") != f"127.0.0.1:{self.server.server_port}" or not self.path.startswith(CALLBACK):
                return self.send_error(404)
            values = {name: value[0] for name, value in parse_qs(urlsplit(self.path).query).items()}
            try:
                states.take(values.get("state", ""))
            except Failure as failure:
                return self.answer(str(failure))
            answers.append(values)
            done.set()
            return self.answer("Done: go back to the terminal, and close this page.")

        def answer(self, text):
            self.send_response(200)
            self.send_header("content-type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", port), Handler)
    redirect = f"http://127.0.0.1:{server.server_port}{CALLBACK}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        print(f"The app's redirect URL must be {redirect}. Open this page:\n\n"
              f"{account.authorize_url(client_id, states.make(None), redirect)}\n", flush=True)
        if not done.wait(STATE_SECONDS):
            raise Failure("nobody answered for ten minutes, so nothing was changed")
    finally:
        server.shutdown()
        server.server_close()
    if "code" not in answers[0]:
        raise Failure("access was denied at Intercom, so nothing was changed")
    return account.exchange(answers[0]["code"], client_id, client_secret)


def ask(what, is_secret=False):
    """A line; a secret one isn't shown, nor left in a shell's history or the list of processes."""
    prompt = f"{what}: "
    hidden = getpass.getpass if is_secret else input
    value = hidden(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise Failure("nothing was entered, so nothing was changed")
    return value.strip()
