#!/usr/bin/env python3
"""What one request may cost, by who sends it.

Starts the function for each request, plays the Lambda runtime API, Secrets Manager and SQS, with the simulator as
Intercom, and prints: bytes sent, CPU time beyond that of `GET /health`, bytes of log, messages to the retry queues,
dead letters, calls to Intercom.

    benches/spending.py --function PATH --simulator PATH
"""

import argparse
import base64
import gzip
import hmac
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
from hashlib import md5, sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import startup

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "local"))
import simulator

KEYS = {"server": "benches-server-write-key", "public": "benches-public-write-key"}
WEBHOOK_SECRET = "benches-webhook-secret"
SECRET = {
    "access_token": simulator.TOKEN, "write_keys": [KEYS["server"]], "public_write_keys": [KEYS["public"]],
    "webhook_secret": WEBHOOK_SECRET,
}
BODY = 500 * 1024
MOST_EVENTS = 2_500
WAIT_SECONDS = 60


class Surroundings(ThreadingHTTPServer):
    """The AWS of one invocation."""

    daemon_threads = True

    def __init__(self, payload):
        super().__init__(("127.0.0.1", 0), Handler)
        self.payloads = queue.Queue()
        self.payloads.put(payload)
        self.answers = queue.Queue()
        self.sent = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        # Its invocation is over, and the function killed.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        payload = self.server.payloads.get()  # for ever, the second time
        self.answer(payload, {
            "Lambda-Runtime-Aws-Request-Id": "r", "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        target = self.headers["x-amz-target"]
        if not target:
            self.server.answers.put(body)
            self.answer({})
        elif target == "secretsmanager.GetSecretValue":
            self.answer({"SecretString": json.dumps(SECRET)})
        else:
            entries = body["Entries"]
            self.server.sent += [body["QueueUrl"].rsplit("/", 1)[1]] * len(entries)
            self.answer({"Failed": [], "Successful": [
                {"Id": each["Id"], "MessageId": "m", "MD5OfMessageBody": md5(
                    each["MessageBody"].encode()).hexdigest()} for each in entries]})

    def answer(self, body, headers=None):
        text = json.dumps(body).encode()
        self.send_response(200)
        for name, value in {"content-length": len(text), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def request(path, body=b"", key=None, headers=None, method="POST"):
    """What API Gateway hands over."""
    headers = {**(headers or {})}
    if key:
        headers["authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    return {
        "httpMethod": method, "path": path, "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {"httpMethod": method}, "body": base64.b64encode(body).decode(), "isBase64Encoded": True,
    }


def packed(text):
    return gzip.compress(text.encode(), mtime=0)


def batch(events, **shared):
    return json.dumps({"batch": events, **shared}, separators=(",", ":"))


def many(size, event):
    """As many of `event(n)` as fit."""
    events, length = [], 20
    while len(events) < MOST_EVENTS:
        length += len(json.dumps(event(len(events)), separators=(",", ":"))) + 1
        if length > size:
            break
        events.append(event(len(events)))
    return events


def requests():
    """Who sends it, what, and the bytes of the body with the invocation."""
    empty = batch([{}] * 2_400, context=[[]] * 150_000)
    identify = {"type": "identify", "userId": "u"}

    def with_companies(n):
        return {**identify, "userId": f"u{n}", "traits": {"companies": [f"c{n}-{each}" for each in range(50)]}}

    def track(n):
        return {"type": "track", "userId": "u", "event": f"e{n}", "messageId": f"m{n}"}

    of_types = batch([{"type": f"type {n}", "userId": "u"} for n in range(MOST_EVENTS)])
    rejected = batch([{"type": "track", "userId": "u"}] * MOST_EVENTS)
    for who in ("nobody", "public", "server"):
        key = KEYS.get(who)
        for what, text in (
            ("a context shared by 2,400 empty events", empty),
            ("2,500 made-up types", of_types),
            ("2,500 tracks without a name", rejected),
            ("2,500 tracks of an unknown user", batch(many(BODY, track))),
            ("50 companies for each of as many users as fit", batch(many(BODY, with_companies))),
            ("16 tracks with arrays of arrays", batch([{**track(n), "properties": {"x": [[]] * 10_000}}
                                                       for n in range(16)])),
        ):
            if who == "nobody" and text != empty:
                continue
            body = packed(text)
            yield who, what, body, request("/v1/batch", body, key)
    body = json.dumps([{**track(n), "properties": {"x": "y" * 750}} for n in range(4_900)]).encode()
    signature = hmac.new(WEBHOOK_SECRET.encode(), body, sha1).hexdigest()
    signed = request("/webhook", body, headers={"x-signature": signature})
    yield "webhook", "4,900 tracks of an unknown user", body, signed


def cpu_millis(process):
    """CPU time of a process, in ms (proc(5): utime and stime)."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def spent(function, intercom, payload):
    """The answer's status; CPU milliseconds, bytes of log, messages by queue, calls to Intercom."""
    intercom.reset()
    aws = Surroundings(payload)
    environment = {**startup.environment(aws.server_port), "INTERCOM_BASE_URL": intercom.base_url}
    process = subprocess.Popen([function], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log = []
    reading = threading.Thread(target=lambda: log.append(process.stdout.read()))
    reading.start()
    try:
        answer = aws.answers.get(timeout=WAIT_SECONDS)
        millis = cpu_millis(process)
    finally:
        process.kill()
        process.wait()
        reading.join()
        aws.shutdown()
    dead = aws.sent.count("dead")
    return answer.get("statusCode"), millis, len(log[0]), len(aws.sent) - dead, dead, len(intercom.requests())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--function", required=True, metavar="PATH", help="binary of this function")
    parser.add_argument("--simulator", required=True, metavar="PATH", help="binary of the simulator")
    arguments = parser.parse_args()
    process = subprocess.Popen(
        [arguments.simulator, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        intercom = simulator.Simulator(next(
            found[1] for line in process.stdout if (found := simulator.ANNOUNCEMENT.search(line))))
        threading.Thread(target=process.stdout.read, daemon=True).start()
        idle = spent(arguments.function, intercom, request("/health", method="GET"))[1]
        print(f"{'sender':<8}{'request':<48}{'bytes':>9}{'answer':>8}{'CPU ms':>8}{'log KB':>8}{'queued':>8}"
              f"{'dead':>6}{'calls':>7}")
        for who, what, body, payload in requests():
            status, millis, log, queued, dead, calls = spent(arguments.function, intercom, payload)
            print(f"{who:<8}{what:<48}{len(body):>9,}{status:>8}{millis - idle:>8.0f}{log / 1024:>8.0f}{queued:>8}"
                  f"{dead:>6}{calls:>7}", flush=True)
    finally:
        process.kill()


if __name__ == "__main__":
    main()
