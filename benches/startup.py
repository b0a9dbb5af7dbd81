#!/usr/bin/env python3
"""Start-up of the function beside that of a bare one.

Plays the Lambda runtime API and Secrets Manager on one loopback port, starts
the two binaries in turn, and measures each from exec until its first poll of
the runtime API, its memory at that moment, and the size of the file, plain and
zipped. Compare ratios: milliseconds differ from one machine to the next.

    benches/startup.py --bare PATH --function PATH --runs 40
"""

import argparse
import io
import json
import os
import re
import selectors
import signal
import socket
import statistics
import sys
import time
import zipfile

SECRET = {"access_token": "token", "write_keys": ["benches-server-write-key"]}
POLL = b"GET /2018-06-01/runtime/invocation/next "
WAIT = 10  # seconds for one start


def secret_answer():
    body = json.dumps(
        {
            "ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:segment-intercom",
            "Name": "segment-intercom",
            "VersionId": "00000000-0000-0000-0000-000000000000",
            "SecretString": json.dumps(SECRET),
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": 1700000000,
        }
    )
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def environment(port):
    """What Lambda sets, and the two URLs that lead here. Nothing of the caller's own."""
    return {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "segment-intercom",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/segment-intercom",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "SECRET_ID": "segment-intercom",
        "RETRY_QUEUE_URL": f"http://127.0.0.1:{port}/000000000000/retry.fifo",
        "WAITING_QUEUE_URL": f"http://127.0.0.1:{port}/000000000000/waiting",
        "DEAD_LETTER_QUEUE_URL": f"http://127.0.0.1:{port}/000000000000/dead",
    }


def complete(request):
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return end and len(body) >= (int(length[1]) if length else 0)


def memory(process):
    """Resident and peak memory in MB."""
    with open(f"/proc/{process}/status", encoding="ascii") as status:
        values = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status.read()))
    return int(values["VmRSS"]) / 1024, int(values["VmHWM"]) / 1024


def first_poll(listener, answer, requests):
    """Answers for the secret until the first poll, whose time it returns."""
    deadline = time.monotonic() + WAIT
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            for key, _ in selector.select(timeout=1):
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    requests[connection] = b""
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                connection = key.fileobj
                part = connection.recv(65536)
                now = time.perf_counter()
                requests[connection] += part
                request = requests[connection]
                if request.startswith(POLL):
                    return now
                if not part:
                    selector.unregister(connection)
                elif complete(request):
                    if b"secretsmanager.GetSecretValue" not in request:
                        sys.exit(f"unexpected request:\n{request.decode(errors='replace')}")
                    connection.sendall(answer)
                    requests[connection] = b""
    sys.exit(f"no poll of the runtime API within {WAIT} s")


def start(path, listener, answer):
    """Milliseconds until the first poll, then resident and peak memory in MB."""
    began = time.perf_counter()
    process = os.posix_spawn(path, [path], environment(listener.getsockname()[1]))
    requests = {}  # what came so far on each connection
    try:
        polled = first_poll(listener, answer, requests)
        used = memory(process)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        for connection in requests:
            connection.close()
    return (polled - began) * 1000, *used


def sizes(path):
    """Size in MB, plain and zipped as `bootstrap`."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.write(path, "bootstrap")
    return os.path.getsize(path) / 1e6, len(archive.getvalue()) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bare", required=True, metavar="PATH", help="binary of a bare function")
    parser.add_argument("--function", required=True, metavar="PATH", help="binary of this function")
    parser.add_argument("--runs", type=int, default=40, help="starts of each (default: 40)")
    arguments = parser.parse_args()

    paths = [os.path.abspath(arguments.bare), os.path.abspath(arguments.function)]
    runs = {path: [] for path in paths}
    answer = secret_answer()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for path in paths:
            start(path, listener, answer)  # into the page cache, not counted
        for _ in range(arguments.runs):
            for path in paths:
                runs[path].append(start(path, listener, answer))

    columns = []
    for path in paths:
        took, resident, peak = zip(*runs[path], strict=True)
        columns.append(
            [statistics.median(took), min(took), statistics.median(resident), statistics.median(peak), *sizes(path)]
        )
    labels = ["start, median, ms", "start, minimum, ms", "VmRSS, MB", "VmHWM, MB", "binary, MB", "zipped, MB"]
    print(f"{arguments.runs} starts of each, exec to first poll, in turn\n")
    print(f"{'':<20}{'bare':>8}{'function':>10}{'ratio':>8}")
    for label, bare, function in zip(labels, *columns, strict=True):
        print(f"{label:<20}{bare:>8.2f}{function:>10.2f}{function / bare:>8.2f}")


if __name__ == "__main__":
    main()
