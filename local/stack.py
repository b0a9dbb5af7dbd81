"""The whole stack on this machine: template.yaml on an AWS emulator, Intercom's simulator beside it.

Used by `make run` and by the end-to-end tests. Runs on .tools/emulator (see tools.py).
"""

import base64
import contextlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time

import boto3

import http_call
import simulator
from build import ARCHITECTURE, build
from environment import CREDENTIALS, LOGS, REGION, clean_environment, sam_environment
from processes import Service, progress, run_step
from simulator import Simulator
from tools import EMULATOR, ROOT, SAM, Failure

STACK_NAME = "segment-intercom"
# The keys in the files of events/.
SAMPLE_KEYS = {
    "api_secret": "local-api-secret", "webhook_secret": "local-webhook-secret",
    "write_keys": ["local-server-write-key"], "public_write_keys": ["local-public-write-key"],
}


class Stack:
    """A context manager: up inside of `with`, without a trace after it.

    `parameters` are parameters of template.yaml. With an `access_token` the stack talks to that
    real workspace, `simulator` is None, and nobody can guess the keys. The emulator checks
    credentials and policies, as AWS does; `guard` opens it further (see emulator.py): `hosts`,
    `domains` and `keys`, each a list.
    """

    def __init__(self, port=None, parameters=None, access_token=None, guard=None):
        self.port = port
        self.guard = guard or {}
        self.parameters = dict(parameters or {})
        self.access_token = access_token
        keys = random_keys() if access_token else SAMPLE_KEYS
        self.secret = {"access_token": access_token or simulator.TOKEN, **keys}
        self.write_key = self.secret["write_keys"][0]
        self.public_write_key = self.secret["public_write_keys"][0]
        self.simulator = None
        self.emulator_url = None
        self.endpoint = None
        self.page_endpoint = None
        self.folder = None  # of the package that is deployed
        self.outputs = {}
        self._services = []
        self._handlers = {}
        self._directory = None

    # Up and down

    def __enter__(self):
        self._end_on_signals()
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends every process and removes what they wrote."""
        # A second Ctrl-C must not interrupt this.
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        while self._services:
            self._services.pop().stop()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _end_on_signals(self):
        def end(number, _frame):
            raise SystemExit(128 + number)

        self._handlers = {
            # A shell's background jobs ignore it.
            signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
            signal.SIGTERM: signal.signal(signal.SIGTERM, end),
            signal.SIGHUP: signal.signal(signal.SIGHUP, end),
        }

    def _start(self):
        self.port = choose_port(self.port)
        self.emulator_url = f"http://127.0.0.1:{self.port}"
        self._directory = tempfile.mkdtemp(prefix="segment-intercom-")
        self.folder = build(with_simulator=not self.access_token)
        if not self.access_token:
            self._start_simulator()
            self.parameters["IntercomBaseUrl"] = self.simulator.base_url
        self._start_emulator()
        self._deploy()
        self.aws("secretsmanager").put_secret_value(
            SecretId=self.outputs["SecretArn"], SecretString=json.dumps(self.secret))

    def _start_simulator(self):
        progress("starting the Intercom simulator")
        service = Service(
            "the Intercom simulator", [str(ROOT / "target/debug/intercom-simulator"), "--port", "0"],
            env=clean_environment(), cwd=ROOT, log=LOGS / "simulator.log")
        self._services.append(service)
        announced = service.wait_until(lambda: simulator.ANNOUNCEMENT.search(service.log.read_text()), 10)
        self.simulator = Simulator(announced.group(1))

    def _start_emulator(self):
        progress(f"starting the AWS emulator on port {self.port}")
        environment = {
            **clean_environment(), **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.emulator_url,  # handed on to the functions
            "AUTH": "true",
            **{f"GUARD_{name.upper()}": " ".join(values) for name, values in self.guard.items()},
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "TMPDIR": self._directory,
            "STATE_DIR": os.path.join(self._directory, "state"),
            "S3_DATA_DIR": os.path.join(self._directory, "s3"),
            # Listeners on fixed ports that nothing here uses.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        service = Service(
            "the AWS emulator", [str(EMULATOR / "python"), str(ROOT / "local" / "emulator.py")],
            env=environment, cwd=self._directory, log=LOGS / "emulator.log")
        self._services.append(service)
        service.wait_until(self._emulator_is_healthy, 60)

    def _emulator_is_healthy(self):
        try:
            # A 403 shows that the guard is up: it refuses this route.
            return self.request("GET", f"{self.emulator_url}/_ministack/health").status == 403
        except OSError:
            return False

    def _deploy(self):
        progress("deploying template.yaml")
        template = self.folder / f"template-{ARCHITECTURE}.yaml"
        parameters = {**self.parameters, "Architecture": ARCHITECTURE, "EmulatorUrl": self.emulator_url}
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        run_step(
            [str(SAM / "sam"), "deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local",
             "--template-file", str(template), "--parameter-overrides", *overrides],
            env={**sam_environment(), "AWS_ENDPOINT_URL": self.emulator_url}, cwd=ROOT,
            failure="sam deploy failed", log=LOGS / "deploy.log")
        self._read_outputs()
        self.allow_batches()

    def allow_batches(self, stack_name=STACK_NAME):
        """Whoever may `sqs:SendMessage` may SendMessageBatch as well; the emulator wants both allowed."""
        iam, role = self.aws("iam"), self.resources(stack_name)["FunctionRole"]
        policy = iam.get_role_policy(RoleName=role, PolicyName="segment-intercom")["PolicyDocument"]
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [f"{action}Batch" for action in actions]
        iam.put_role_policy(RoleName=role, PolicyName="batches", PolicyDocument=json.dumps(policy))

    def update(self, **parameters):
        """Gives some of the template's parameters other values; the rest keep theirs."""
        cloudformation = self.aws("cloudformation")
        known = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["Parameters"]
        cloudformation.update_stack(
            StackName=STACK_NAME, UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                {"ParameterKey": name, "ParameterValue": parameters[name]} if name in parameters
                else {"ParameterKey": name, "UsePreviousValue": True}
                for name in (parameter["ParameterKey"] for parameter in known)
            ])
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName=STACK_NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
        self._read_outputs()
        self.allow_batches()  # a role that was replaced lost it

    def _read_outputs(self):
        outputs = self.aws("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]["Outputs"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        # The API's own address, also with DomainName. The emulator replaces the API where AWS updates it.
        api = self.resources()["Api"]
        self.endpoint = f"{self.emulator_url}/restapis/{api}/prod/_user_request_"
        # As a page calls it: by the API's own domain, which a browser takes for this machine.
        self.page_endpoint = f"http://{api}.execute-api.localhost:{self.port}/prod"

    def resources(self, stack_name=STACK_NAME):
        """The physical ids of what is deployed, by its names in the template."""
        resources = self.aws("cloudformation").describe_stack_resources(StackName=stack_name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    # Ways in

    def aws(self, service, config=None):
        """A boto3 client of the emulator."""
        return boto3.client(service, config=config, **self.client_arguments())

    def client_arguments(self):
        """What leads a boto3 client to the emulator."""
        return {
            "endpoint_url": self.emulator_url, "region_name": REGION,
            "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }

    def request(self, method, url, body=None, headers=None):
        """Sends bytes to a URL; returns an http_call.Answer."""
        return http_call.request(method, url, body, headers)

    def authorization(self, write_key=None):
        """The header that Segment's SDKs send."""
        key = base64.b64encode(f"{write_key or self.write_key}:".encode()).decode()
        return {"authorization": f"Basic {key}"}

    def send(self, path, event):
        """Posts a Segment call with the write key."""
        headers = {"content-type": "application/json", **self.authorization()}
        return self.request("POST", self.endpoint + path, json.dumps(event).encode(), headers)

    def send_webhook(self, path, event):
        """Posts an event, or an array of events, signed as Segment's webhooks are."""
        body = json.dumps(event).encode()
        signature = hmac.new(self.secret["webhook_secret"].encode(), body, "sha1").hexdigest()
        headers = {"content-type": "application/json", "x-signature": signature}
        return self.request("POST", self.endpoint + path, body, headers)

    def function_environment(self):
        """The function's variables, with the one that leads its AWS calls to the emulator."""
        configuration = self.aws("lambda").get_function_configuration(FunctionName=self.outputs["FunctionName"])
        return {**configuration["Environment"]["Variables"], "AWS_ENDPOINT_URL": self.emulator_url}

    def invoke(self, payload):
        """Invokes the function directly; returns its answer and the error's type, if it failed."""
        answer = self.aws("lambda").invoke(
            FunctionName=self.outputs["FunctionName"], Payload=json.dumps(payload).encode())
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    # What became of it

    def waiting(self):
        """How many messages are to be tried again."""
        return self._message_count("RetryQueueUrl") + self._message_count("WaitingQueueUrl")

    def dead_letter_count(self):
        """How many events are in the dead-letter queue."""
        return self._message_count("DeadLetterQueueUrl")

    def dead_letters(self):
        """Takes all messages out of the dead-letter queue: dicts of `body`, `attributes`."""
        sqs, url, letters = self.aws("sqs"), self.outputs["DeadLetterQueueUrl"], []
        while True:
            messages = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])
            if not messages:
                return letters
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                letters.append({
                    "body": json.loads(message["Body"]),
                    "attributes": {name: value["StringValue"] for name, value in attributes.items()},
                })
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def purge_queues(self):
        """Empties the queues."""
        for name in ("RetryQueueUrl", "WaitingQueueUrl", "DeadLetterQueueUrl", "MovedBySqsQueueUrl"):
            self.aws("sqs").purge_queue(QueueUrl=self.outputs[name])

    def log_events(self, since=0):
        """Every line that the function has logged since then (Unix milliseconds), the oldest first."""
        found = {}
        while True:
            # The emulator gives at most 10,000, no token for the rest, and no ids.
            events = self.aws("logs").filter_log_events(
                logGroupName=self.outputs["LogGroupName"], startTime=since)["events"]
            count = len(found)
            found.update({(event["timestamp"], event["message"]): event for event in events})
            if len(found) == count:
                return list(found.values())
            since = events[-1]["timestamp"]

    def settle(self, seconds):
        """Waits until nothing is left to be tried again; False when that takes too long."""
        with contextlib.suppress(Failure):
            return self.wait_for(lambda: not self.waiting(), "no message left", seconds)
        return False

    def wait_for(self, condition, what, seconds=60):
        """Waits until `condition()` gives something true, and returns it."""
        deadline, pause = time.monotonic() + seconds, 0.005
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(pause)
            pause = min(2 * pause, 0.1)
        raise Failure(f"{what}: not within {seconds} s")

    def _message_count(self, output):
        counts = self.aws("sqs").get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed"])["Attributes"]
        return sum(int(count) for count in counts.values())


def random_keys():
    """Keys of the entry points, for a secret."""
    return {
        "api_secret": secrets.token_hex(16), "webhook_secret": secrets.token_hex(16),
        "write_keys": [secrets.token_hex(16)], "public_write_keys": [secrets.token_hex(16)],
    }


def choose_port(wanted):
    """The wanted port if it is free, or any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except (OSError, OverflowError):
            raise Failure(f"port {wanted} can't be used: free it, or choose another with PORT=…") from None
        return probe.getsockname()[1]
