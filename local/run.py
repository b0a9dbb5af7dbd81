"""`make run`: the stack on this machine, the sample events through it, and what they changed."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from urllib.parse import urlsplit

import containers
import page
import settings
from changes import changes
from environment import CREDENTIALS, LOGS, clean_environment
from follow import FUNCTION_LOG, follow
from processes import end_group, end_with_parent
from stack import STACK_NAME, Stack
from tools import ROOT, SAM, TOOLS, Failure, install_sdks, why_no_javascript

DELIVERY_SECONDS = 10
INTERCOM_IN_CONTAINERS = "intercom.localhost"
# For `sam local invoke` (samconfig.toml), as long as the stack is up.
FUNCTION_ENVIRONMENT = LOGS / "env.json"
# For `make dead-letters`, likewise.
STACK_FILE = LOGS / "stack.json"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--once", action="store_true", help="end after the table")
    once = arguments.parse_args().once
    try:
        run(once)
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


def run(once):
    token = os.environ.get("INTERCOM_ACCESS_TOKEN")
    app_id = os.environ.get("INTERCOM_APP_ID")
    delivery = os.environ.get("BROWSER_DELIVERY", "messenger")
    parameters = {} if token else {"Anonymous": "lead", "IntercomAppId": "local"}
    parameters |= settings.from_environment()
    samples = json.loads((ROOT / "local" / "samples.json").read_text())
    address = address_for_containers(token) if os.environ.get("CONTAINERS") else None
    guard = {"hosts": [address]} if address else None
    with Stack(port_from_environment(), parameters, access_token=token, guard=guard) as stack:
        print_table([(sample["title"], outcome(stack, sample)) for sample in samples], stack)
        if not once:
            stay_up(stack, address, demo_page(stack, delivery, app_id))


def address_for_containers(token):
    """Where containers reach this machine."""
    if token:
        raise Failure("CONTAINERS would let every container use the real workspace: leave INTERCOM_ACCESS_TOKEN out")
    address = containers.bridge_address()
    if not address:
        raise Failure("CONTAINERS needs Docker, which isn't running: start it first")
    return address


def demo_page(stack, delivery, app_id):
    """What to say of the page with the Messenger: its URL, or what it lacks."""
    if not (app_id or stack.simulator):
        return "set INTERCOM_APP_ID for a page with the Messenger"
    if why_no_javascript():
        return "install Node.js 20 or newer for a page with the Messenger"
    install_sdks()
    return page.serve(stack, delivery, is_real=bool(app_id))


def stay_up(stack, address, demo):
    if address:
        open_to_containers(stack, address)
    write_private(STACK_FILE, {"stack": STACK_NAME, "client": stack.client_arguments()})
    print_endpoint(stack, address, demo)
    follow(stack)
    console = start_console(demo)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()
    finally:
        end_group(console)
        FUNCTION_ENVIRONMENT.unlink(missing_ok=True)
        STACK_FILE.unlink(missing_ok=True)


def start_console(demo):
    """The console of this stack, which prints its link, and another whenever Enter is pressed here."""
    messenger = ["--messenger", demo] if demo.startswith("http") else []
    console = subprocess.Popen(
        [str(TOOLS / "console" / "bin" / "python"), str(ROOT / "local" / "console"), "--local", *messenger],
        env={name: value for name, value in clean_environment().items() if name != "PORT"}, stdin=subprocess.PIPE,
        start_new_session=True, preexec_fn=end_with_parent)

    def hand_on():
        for line in sys.stdin.buffer:
            console.stdin.write(line)
            console.stdin.flush()

    threading.Thread(target=hand_on, daemon=True).start()
    return console


def write_private(path, content):
    """Writes JSON that nobody else on this machine can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)


def open_to_containers(stack, address):
    """Lets `sam local invoke` use the stack."""
    variables = stack.function_environment()
    # The function sends the token without TLS only to this machine's own names.
    for name, host in (("AWS_ENDPOINT_URL", address), ("INTERCOM_BASE_URL", INTERCOM_IN_CONTAINERS)):
        url = urlsplit(variables[name])
        containers.Forwarder(address, url.port)
        variables[name] = url._replace(netloc=f"{host}:{url.port}").geturl()
    write_private(FUNCTION_ENVIRONMENT, {"Function": variables})


def port_from_environment():
    port = os.environ.get("PORT")
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise Failure(f"PORT={port} is not a port: use 1 to 65535, or leave it out for a free one")
    return int(port) if port else None


def outcome(stack, sample):
    """Sends a sample; returns the lines that say what became of it."""
    before = stack.simulator.state() if stack.simulator else None
    send = stack.send_webhook if sample["path"] == "/webhook" else stack.send
    answer = send(sample["path"], sample["body"])
    queued = not stack.settle(DELIVERY_SECONDS)
    if answer.status != 200 or not stack.simulator:
        lines = [f"{answer.status} {answer.body.decode(errors='replace')}"]
    else:
        lines = changes(before, stack.simulator.state()) or ["nothing"]
    return lines + (["still in the retry queue"] if queued else [])


def print_table(rows, stack):
    headline = "What changed in Intercom"
    if not stack.simulator:
        headline = "What the endpoint answered (a real workspace: see there)"
    left = max(len(title) for title, _ in rows)
    right = max(shutil.get_terminal_size((120, 40)).columns - left - 2, 40)
    print(f"\n{'Event':<{left}}  {headline}\n{'─' * left}  {'─' * len(headline)}")
    for title, lines in rows:
        wrapped = [part for line in lines for part in textwrap.wrap(line, right, subsequent_indent="  ")]
        for index, line in enumerate(wrapped):
            print(f"{title if index == 0 else '':<{left}}  {line}")


def print_endpoint(stack, address, demo):
    event = json.dumps({"userId": "segment-intercom-sample-1", "event": "Tried It", "properties": {"revenue": 9.5}})
    print(f"""
Endpoint   {stack.endpoint}
Write key  {stack.write_key}""")
    if stack.simulator:
        print(f"Simulator  {stack.simulator.base_url}/_simulator/state")
    print(f"Page       {demo}")
    print(f"""Retries    {stack.outputs["RetryQueueUrl"]}
Rejected   {stack.outputs["DeadLetterQueueUrl"]}    make dead-letters ARGS=list
Log        {FUNCTION_LOG.relative_to(ROOT)}
Insights   filter fields.message_id = "…" | sort @timestamp asc    (docs/runbook.md)""")
    if stack.simulator:
        print(f"""
Let Intercom fail, and end that:
curl {stack.simulator.base_url}/_simulator/faults -d '{{"kind": "status", "status": 503}}'
curl -X DELETE {stack.simulator.base_url}/_simulator/faults""")
    print(f"""
curl -u {stack.write_key}: -H 'content-type: application/json' \\
  -d '{event}' \\
  {stack.endpoint}/v1/track
""")
    if address:
        credentials = " ".join(f"{name}={value}" for name, value in CREDENTIALS.items())
        print(f"""{credentials} \\
  {SAM.relative_to(ROOT)}/sam local invoke --add-host {INTERCOM_IN_CONTAINERS}:{address} \\
  -e events/rest-identify.json
""")
    print("Ctrl-C ends all of it.", flush=True)


if __name__ == "__main__":
    main()
