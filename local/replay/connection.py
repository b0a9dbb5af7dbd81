"""The stack that a replay goes to, with the operator's own AWS credentials."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from intercom_account import IntercomAccount

LOCAL_STACK = Path(__file__).resolve().parents[2] / "target" / "local" / "stack.json"


class Failure(Exception):
    """Something that the user has to put right; its text is one line that says how."""


class Throttled(Exception):
    """Lambda has no instance left for this."""


class NotTaken(Exception):
    """An invocation failed: AWS or the function may be well again soon. Its text says why."""


class TooLarge(Exception):
    """What was sent, or its answer, is over a limit of Lambda: half of it may fit."""


class Connection:
    """A deployed stack by its name, or the one that `make run` keeps up."""

    def __init__(self, stack=None, profile=None, region=None, local=False):
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise Failure("boto3 is missing: use the Python that has aws-sam-cli (pip install aws-sam-cli)") from None
        self.errors = (BotoCoreError, ClientError)
        self._client_error = ClientError
        found = local_stack() if local else {}
        self.name = found.get("stack", stack)
        self._session = boto3.Session(profile_name=profile, region_name=region)
        self._clients = found.get("client", {})
        self.outputs = self._outputs()
        self.function = self._configuration()
        # A try of boto3's own would run beside the first one, which the function is still busy with.
        patience = self.function["Timeout"] + 30
        config = Config(read_timeout=patience, retries={"total_max_attempts": 1}, max_pool_connections=64)
        self._lambda = self.aws("lambda", config)
        self._sqs = self.aws("sqs")
        self._cloudwatch = self.aws("cloudwatch")

    @property
    def queues_in_order(self):
        """Whether all events go through the retry queue, which keeps each user's in order."""
        return self.variables().get("DELIVERY_MODE") == "queue"

    def variables(self):
        """The function's environment variables."""
        return self.function.get("Environment", {}).get("Variables", {})

    def aws(self, service, config=None):
        """A boto3 client for the stack's region."""
        return self._session.client(service, config=config, **self._clients)

    def _outputs(self):
        try:
            stack = self.aws("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        except self.errors as error:
            raise Failure(f"{error}. Is the stack {self.name} in this region and account?") from None
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if "RetryQueueUrl" not in outputs or "FunctionName" not in outputs:
            raise Failure(f"the stack {self.name} is none of segment-intercom: it has no RetryQueueUrl")
        return outputs

    def _configuration(self):
        try:
            return self.aws("lambda").get_function_configuration(FunctionName=self.outputs["FunctionName"])
        except self.errors as error:
            raise Failure(error) from None

    def invoke(self, payload):
        """The function's answer to a payload, both as JSON.

        Raises Throttled, TooLarge, NotTaken for what the caller can try again, Failure for what it can't.
        """
        try:
            answer = self._lambda.invoke(FunctionName=self.outputs["FunctionName"], Payload=payload.encode())
            body = json.loads(answer["Payload"].read())
        except self._client_error as error:
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
            if code == "TooManyRequestsException" or status == 429:
                raise Throttled from None
            if code == "RequestTooLargeException" or status == 413:
                raise TooLarge from None
            if status >= 500:
                raise NotTaken(error) from None
            raise Failure(error) from None
        except (*self.errors, OSError, ValueError) as error:
            raise NotTaken(error) from None
        if not answer.get("FunctionError"):
            return body
        message = body.get("errorMessage", "") if isinstance(body, dict) else str(body)
        if "too large" in message.lower() or "exceeded maximum allowed payload size" in message:
            raise TooLarge
        raise NotTaken(message)

    def retry_queue_depth(self):
        """How many messages are in the retry queue, visible or not."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.outputs["RetryQueueUrl"], AttributeNames=[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed"])["Attributes"]
        return sum(map(int, attributes.values()))

    def alarms(self):
        """The names of the stack's alarms that are on."""
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=f"{self.name}-", StateValue="ALARM", AlarmTypes=["MetricAlarm"])
        return [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]

    def intercom(self):
        """A reader of the stack's Intercom workspace, with the token in its secret."""
        try:
            secret = self.aws("secretsmanager").get_secret_value(SecretId=self.outputs["SecretArn"])["SecretString"]
        except self.errors as error:
            raise Failure(f"{error}: reading the secret takes secretsmanager:GetSecretValue") from None
        account = IntercomAccount(self.variables())
        return Intercom(account.api, json.loads(secret).get("access_token"), account.version)


class Intercom:
    """Reads from Intercom, and writes nothing."""

    def __init__(self, base, token, version):
        self._base = base.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}", "Accept": "application/json", "Intercom-Version": version}

    def contact(self, external_id):
        """The user with this id; None where there is none."""
        return self._get(f"/contacts/find_by_external_id/{urllib.parse.quote(external_id, safe='')}")

    def attribute_names(self, model):
        """Names of the custom attributes of `contact` or `company`."""
        answer = self._get(f"/data_attributes?model={model}")
        return {each["name"] for each in answer["data"] if each.get("custom")}

    def event_names(self, external_id):
        """Names of the events that this user did; none where there is no such user."""
        answer = self._get(f"/events?type=user&summary=true&user_id={urllib.parse.quote(external_id, safe='')}")
        return {each["name"] for each in answer["events"]} if answer else set()

    def _get(self, path):
        for attempt in range(5):
            request = urllib.request.Request(self._base + path, headers=self._headers)
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code in (404, 410):
                    return None
                if error.code != 429 and error.code < 500:
                    raise Failure(f"Intercom answers {error.code} to GET {path.partition('?')[0]}") from None
            except OSError as error:
                if attempt == 4:
                    raise Failure(f"Intercom can't be reached: {error}") from None
            time.sleep(2 ** attempt)
        raise Failure("Intercom goes on refusing reads: try again later")


def local_stack():
    try:
        return json.loads(LOCAL_STACK.read_text())
    except FileNotFoundError:
        raise Failure("no local stack is up: start it with `make run` in another terminal") from None
