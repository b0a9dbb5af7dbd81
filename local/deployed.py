"""A deployed stack on AWS. Runs on .tools/sam, with the credentials that the AWS CLI would use."""

import os
import re
import sys

import boto3
import tomlkit
from botocore.exceptions import BotoCoreError, ClientError

from stack_secret import StackSecret
from tools import ROOT, Failure

DEPLOYMENTS = ROOT / "deployments"
# EventBridge allows a rule's name, which is the stack's, 64 characters. The queues' names come next, at 69.
LONGEST_NAME = 64
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def check_name(name):
    """Raises Failure for a name that a stack, its queues or its EventBridge rule can't have."""
    if not NAME.fullmatch(name):
        raise Failure(f"STACK={name} is not a name for a stack: use letters, digits and -, with a letter first")
    if len(name) > LONGEST_NAME:
        raise Failure(f"STACK={name} has {len(name)} characters: {LONGEST_NAME} is the most that its EventBridge rule "
                      "and its queues leave room for")


def settings_path(name):
    """The file with a stack's settings."""
    check_name(name)
    return DEPLOYMENTS / f"{name}.toml"


def read_settings(name):
    """The settings file as a dict; None when there is none."""
    path = settings_path(name)
    if not path.is_file():
        return None
    try:
        return tomlkit.parse(path.read_text()).unwrap()
    except tomlkit.exceptions.TOMLKitError as error:
        raise Failure(f"{path.relative_to(ROOT)}: {error}") from None


def default_region():
    """The AWS CLI's region. Of its two variables boto3 reads only the second."""
    region = os.environ.get("AWS_REGION") or boto3.session.Session().region_name
    if not region:
        raise Failure("no AWS region is set: `export AWS_REGION=…` (or `aws configure`), then try again")
    return region


class Deployed:
    """A stack by its name, in the given region, else in the one that its settings file names, else in the AWS CLI's."""

    def __init__(self, name, region=None):
        self.name = name
        self.region = region or (read_settings(name) or {}).get("region") or default_region()

    def aws(self, service, config=None):
        """A boto3 client for the stack's region."""
        return boto3.client(service, region_name=self.region, config=config)

    def description(self):
        """What CloudFormation says of the stack; None when there is none."""
        try:
            return self.aws("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def outputs(self):
        """The stack's outputs by their names."""
        description = self.description()
        if description is None:
            raise Failure(f"there is no stack {self.name} in {self.region}: `make deploy STACK={self.name}` makes it")
        return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}

    def secret(self):
        """The stack's secret, to be read and changed."""
        return StackSecret(self.aws("secretsmanager"), self.outputs()["SecretArn"])

    def read_secret(self):
        """What the stack's secret holds."""
        return self.secret().read()

    def waiting_count(self):
        """How many messages are to be tried again."""
        return sum(self.message_count(name) for name in ("RetryQueueUrl", "WaitingQueueUrl"))

    def message_count(self, output):
        """How many messages are in the queue of this output, none if there is no such queue."""
        outputs = self.outputs()
        return message_count(self.aws("sqs"), outputs[output]) if output in outputs else 0


def is_filled(secret):
    """Whether a secret has what every stack needs."""
    return bool(secret.get("access_token") and secret.get("write_keys"))


def message_count(sqs, queue_url):
    """How many messages are in a queue, visible or not."""
    counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=[
        "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed"])["Attributes"]
    return sum(map(int, counts.values()))


def command(act, arguments):
    """Runs `act(*arguments)` as a command: what the user has to put right is one line on stderr."""
    try:
        act(*arguments)
    except (Failure, ClientError, BotoCoreError) as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
