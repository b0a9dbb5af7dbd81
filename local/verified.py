"""The stack that `make verify` tries: its ways in, its keys, its log."""

import base64
import functools
import json
import os
import time

from botocore.config import Config

import http_call
from deployed import Deployed, is_filled
from tools import Failure


class Verified(Deployed):
    """A deployed stack with a filled secret."""

    def __init__(self, name):
        super().__init__(name)
        # What an emulator lacks is left out rather than wrong.
        self.is_emulated = bool(os.environ.get("AWS_ENDPOINT_URL"))
        self.output = self.outputs()
        self.endpoint = self.output["EndpointUrl"]
        self.parameter = {each["ParameterKey"]: each["ParameterValue"] for each in self.description()["Parameters"]}
        self.secret = self._filled_secret()
        self.write_key = self.secret["write_keys"][0]
        self.unknown_user_seconds = int(self.parameter["UnknownUserSeconds"])
        self.started = int(time.time() * 1000)

    @functools.cache  # noqa: B019 (one stack for the whole run)
    def aws(self, service):
        """A boto3 client, which waits for as long as the function may take."""
        return super().aws(service, Config(read_timeout=60))

    def _filled_secret(self):
        secret = self.read_secret()
        if not is_filled(secret):
            raise Failure(f"the secret isn't filled: `make secret STACK={self.name}`")
        return secret

    def resource(self, name):
        """The physical id of what the template calls by this name."""
        return self.aws("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=name)["StackResourceDetail"]["PhysicalResourceId"]

    # Ways in

    def call(self, method, path, body=None, headers=None, write_key=None):
        """Calls the endpoint with the write key; returns an http_call.Answer."""
        key = base64.b64encode(f"{write_key or self.write_key}:".encode()).decode()
        headers = {"content-type": "application/json", "authorization": f"Basic {key}", **(headers or {})}
        return http_call.request(method, self.endpoint + path, body, headers)

    def send(self, event):
        """Sends a Segment call to its route; returns an http_call.Answer."""
        return self.call("POST", f"/v1/{event['type']}", json.dumps(event).encode())

    def invoke(self, payload):
        """Invokes the function; returns its answer and the error's type, if it failed."""
        answer = self.aws("lambda").invoke(
            FunctionName=self.output["FunctionName"], Payload=json.dumps(payload).encode())
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    # What became of it

    def log_lines(self, text):
        """The lines logged since the start that hold `text`, as JSON, the oldest first."""
        pages = self.aws("logs").get_paginator("filter_log_events").paginate(
            logGroupName=self.output["LogGroupName"], startTime=self.started, filterPattern=f'"{text}"')
        messages = [event["message"] for page in pages for event in page["events"]]
        return [json.loads(message) for message in messages if text in message and message.startswith("{")]

    def statuses(self, message_id):
        """What became of an event, one after the other, as the log has it."""
        return [line["fields"]["status"] for line in self.log_lines(message_id) if "status" in line.get("fields", {})]

    def wait_for(self, condition, seconds):
        """Waits until `condition()` gives something true, and returns it; None when the time is up."""
        deadline = time.monotonic() + seconds
        while True:
            if result := condition():
                return result
            if time.monotonic() > deadline:
                return None
            time.sleep(0.5 if self.is_emulated else 5)
