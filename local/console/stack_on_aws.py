"""The stack as AWS shows it to these credentials, and what they may not do."""

import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from intercom_account import IntercomAccount
from stack_secret import StackSecret
from tools import Failure

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
# How long AWS's answers are cached.
FRESH_SECONDS = 30
ANSWER_SECONDS = 60
# Permissions whose boto3 method has another name.
METHODS = {"lambda:InvokeFunction": "invoke"}


class Denied(Failure):
    """The credentials lack a permission, whose name is `permission`."""

    def __init__(self, permission):
        super().__init__(f"your AWS credentials lack the permission {permission}")
        self.permission = permission


class StackOnAws:
    """The stack `name`. `client` are boto3's arguments for a client; `is_local` is the stack of `make run`."""

    def __init__(self, name, client, is_local=False):
        self.name, self.is_local = name, is_local
        self._arguments, self._clients, self._known, self._lock = client, {}, {}, threading.RLock()
        self.region = client.get("region_name", "")

    def client(self, service):
        with self._lock:
            if service not in self._clients:
                config = Config(read_timeout=ANSWER_SECONDS, connect_timeout=10,
                                max_pool_connections=16, retries={"mode": "standard", "total_max_attempts": 3})
                self._clients[service] = boto3.client(service, config=config, **self._arguments)
            return self._clients[service]

    def call(self, permission, **arguments):
        """Calls what a permission such as `sqs:GetQueueAttributes` allows. Raises Denied without it, and Failure."""
        service, _, action = permission.partition(":")
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")
        with translated(permission):
            return getattr(self.client(service), METHODS.get(permission, method))(**arguments)

    def fresh(self, name, make, seconds=FRESH_SECONDS):
        """The result of `make()`, cached for `seconds`."""
        with self._lock:
            known = self._known.get(name)
            if known and known[0] > time.monotonic():
                return known[1]
            value = make()
            self._known[name] = (time.monotonic() + seconds, value)
            return value

    def forget(self, *names):
        for name in names:
            self._known.pop(name, None)

    # What there is

    def description(self):
        def describe():
            try:
                return self.call("cloudformation:DescribeStacks", StackName=self.name)["Stacks"][0]
            except Failure as failure:
                if "does not exist" in str(failure):
                    raise Failure(f"there is no stack {self.name} in {self.region}") from None
                raise
        return self.fresh("stack", describe)

    def outputs(self):
        return {each["OutputKey"]: each["OutputValue"] for each in self.description().get("Outputs", [])}

    def parameters(self):
        return {each["ParameterKey"]: each["ParameterValue"] for each in self.description().get("Parameters", [])}

    def changed_parameters(self):
        """The parameters whose value isn't the template's default: name, value, default."""
        def compare():
            summary = self.call("cloudformation:GetTemplateSummary", StackName=self.name)
            defaults = {each["ParameterKey"]: each.get("DefaultValue") for each in summary["Parameters"]}
            return [(name, value, defaults.get(name)) for name, value in sorted(self.parameters().items())
                    if value != defaults.get(name)]
        return self.fresh("changed", compare)

    def variables(self):
        """The function's environment."""
        def read():
            configuration = self.call(
                "lambda:GetFunctionConfiguration", FunctionName=self.outputs()["FunctionName"])
            return configuration.get("Environment", {}).get("Variables", {})
        return self.fresh("variables", read)

    def intercom(self):
        return IntercomAccount(self.variables())

    def secret(self):
        return StackSecret(Translated(self), self.outputs()["SecretArn"])

    def token(self):
        """Intercom's token; None when the secret has none."""
        return self.secret().read().get("access_token") or None

    def messages(self, output):
        """How many messages are in the queue of this output: waiting to be received, and all."""
        counts = self.call("sqs:GetQueueAttributes", QueueUrl=self.outputs()[output], AttributeNames=[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed"])["Attributes"]
        return sum(map(int, counts.values()))

    def alarms(self):
        """The stack's alarms: name, state, description."""
        # Those of the stack, by the names that CloudFormation gave them.
        pages = self.call("cloudwatch:DescribeAlarms", AlarmNamePrefix=f"{self.name}-")
        return [(each["AlarmName"].removeprefix(f"{self.name}-"), each["StateValue"], each.get("AlarmDescription", ""))
                for each in pages.get("MetricAlarms", [])]

    # What may not be done

    def missing(self):
        """The permissions to change something that these credentials lack. Each is probed with a request that can't do
        anything: AWS checks the permission first."""
        def probe():
            outputs = self.outputs()
            # A FIFO queue takes no message without a group, and no receipt is "x".
            attempts = {
                "lambda:InvokeFunction": {"FunctionName": outputs["FunctionName"], "InvocationType": "DryRun"},
                "sqs:SendMessage": {"QueueUrl": outputs["RetryQueueUrl"], "MessageBody": "x"},
                "sqs:ReceiveMessage": {"QueueUrl": outputs["DeadLetterQueueUrl"], "MaxNumberOfMessages": 0},
                "sqs:DeleteMessage": {"QueueUrl": outputs["DeadLetterQueueUrl"], "ReceiptHandle": "x"},
            }
            missing = {permission for permission, arguments in attempts.items()
                       if self._is_denied(permission, arguments)}
            return frozenset(missing | self._missing_of_secret(outputs["SecretArn"]))
        return self.fresh("missing", probe, 600)

    def _missing_of_secret(self, arn):
        try:
            current = self.call("secretsmanager:GetSecretValue", SecretId=arn)
        except Denied as denied:
            return {denied.permission}
        except Failure:
            return set()
        # The version that there is, once more: AWS ignores it, and refuses it where it has changed meanwhile.
        same = {"SecretString": current["SecretString"], "ClientRequestToken": current["VersionId"]}
        denied = self._is_denied("secretsmanager:PutSecretValue", {"SecretId": arn, **same})
        return {"secretsmanager:PutSecretValue"} if denied else set()

    def _is_denied(self, permission, arguments):
        try:
            self.call(permission, **arguments)
        except Denied:
            return True
        except Failure:
            pass
        return False


class Translated:
    """Boto3's client of Secrets Manager, with our own errors."""

    def __init__(self, stack):
        self._stack = stack

    def get_secret_value(self, **arguments):
        return self._stack.call("secretsmanager:GetSecretValue", **arguments)

    def put_secret_value(self, **arguments):
        return self._stack.call("secretsmanager:PutSecretValue", **arguments)


class translated:
    """A context in which boto3's errors are Denied and Failure."""

    def __init__(self, permission):
        self.permission = permission

    def __enter__(self):
        return self

    def __exit__(self, _kind, error, _trace):
        if isinstance(error, ClientError):
            if error.response["Error"]["Code"] in DENIED:
                raise Denied(self.permission) from None
            raise Failure(f"AWS refused {self.permission}: {error.response['Error'].get('Message', '')}") from None
        if isinstance(error, BotoCoreError):
            raise Failure(f"AWS can't be reached for {self.permission}: {error}") from None
        return False
