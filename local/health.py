"""Whether a stack that was just deployed is well, and if not, why. Runs on .tools/sam."""

import json
import socket
import time
import urllib.error

from botocore.exceptions import ClientError

import http_call
from deployed import is_filled
from tools import Failure

# A new API answers 403 for some seconds.
PATIENCE_SECONDS = 30
UNKNOWN_HOST = "nothing, since DNS doesn't know its name"


def check(deployed):
    """Asks /health, and prints what it says and what is left to do.

    Raises Failure with the reason for a function that isn't well.
    """
    since = int(time.time() * 1000)
    outputs = deployed.outputs()
    url = outputs["EndpointUrl"] + "/health"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        version, seen = ask(url)
        if version:
            break
        if "DomainTarget" in outputs and seen == UNKNOWN_HOST:
            print(f"{url} is unknown to DNS yet: make a CNAME record that points to {outputs['DomainTarget']}")
            return
        if error := first_error(deployed, outputs["LogGroupName"], since):
            raise Failure(f"{url} answers {seen}, and the function says: {error}\nFix that in deployments/"
                          f"{deployed.name}.toml, then: make deploy STACK={deployed.name}")
        if time.monotonic() > deadline:
            raise Failure(f"{url} answers {seen}. There is no error in the function's log, {outputs['LogGroupName']}: "
                          "something in front of it answers, such as a web ACL")
        time.sleep(1)
    print(f"{url}: healthy, version {version}")
    if address := address_off(deployed):
        check_silent(address)
    if not has_keys(deployed):
        print(f"Its secret has no access token or no write key yet, so events wait with their senders: "
              f"make secret STACK={deployed.name}")


def address_off(deployed):
    """AWS's own address of the API where `AwsEndpoint` is off, else None."""
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in deployed.description()["Parameters"]}
    if parameters.get("AwsEndpoint") != "off":
        return None
    api = deployed.aws("cloudformation").describe_stack_resource(
        StackName=deployed.name, LogicalResourceId="Api")["StackResourceDetail"]["PhysicalResourceId"]
    return f"https://{api}.execute-api.{deployed.region}.amazonaws.com/{parameters['StageName']}"


def check_silent(address):
    """Raises Failure if the function answers there: what stands in front of the domain could be bypassed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ask(address + "/health")[0]:
        if time.monotonic() > deadline:
            raise Failure(f"{address} still answers although AwsEndpoint is off, so what protects the domain can be "
                          "bypassed: deploy the stage anew in API Gateway's console, then ask again")
        time.sleep(1)
    print(f"{address}: off")


def ask(url):
    """The version of a healthy function, or None; and what was seen instead."""
    try:
        answer = http_call.request("GET", url)
        said = json.loads(answer.body)
    except ValueError:  # no JSON
        return None, str(answer.status)
    except urllib.error.URLError as error:
        return None, UNKNOWN_HOST if isinstance(error.reason, socket.gaierror) else f"nothing ({error.reason})"
    except OSError as error:
        return None, f"nothing ({error})"
    if answer.status == 200 and said.get("status") == "ok":
        return said["version"], None
    return None, f"{answer.status} {said.get('message', '')}".strip()


def first_error(deployed, log_group, since):
    """The first line of level ERROR since then (Unix milliseconds); None when there is none."""
    found = deployed.aws("logs").filter_log_events(
        logGroupName=log_group, startTime=since, filterPattern='{ $.level = "ERROR" }')
    for event in found["events"]:
        # The emulator doesn't know such a pattern, and returns every line.
        line = json.loads(event["message"]) if event["message"].startswith("{") else {}
        if line.get("level") == "ERROR":
            return line.get("fields", line).get("message")
    return None


def has_keys(deployed):
    """Whether the secret is filled; True as well when these credentials mayn't read it."""
    try:
        return is_filled(deployed.read_secret())
    except ClientError:
        return True
