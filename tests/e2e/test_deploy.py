"""docs/deploy.md, word by word: its commands and settings in their order, the emulator as AWS."""

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

import package
import simulator
from build import ARCHITECTURE, BOOTSTRAP
from calls import call, contact
from environment import CREDENTIALS, POLL_OFTEN, REGION, clean_environment
from refusals import function_with
from stack import STACK_NAME
from tools import ROOT, SAM

PAGE = (ROOT / "docs" / "deploy.md").read_text()
NAME = "segment-intercom-docs"
SETTINGS = ROOT / "deployments" / f"{NAME}.toml"
FILTERS = SETTINGS.with_name(f"{NAME}.filters.json")
CERTIFICATE = f"arn:aws:acm:{REGION}:000000000000:certificate/0d6c3b1e"
CODE = f"{package.name()}-{ARCHITECTURE}.zip"
# What a command asks on the terminal.
ANSWERS = {
    "make deploy": "y",
    "make delete": "y\ny\ny",
    "make secret": simulator.TOKEN,
    "make verify": NAME,
}


class Reader:
    """Somebody who follows the page, with a stack of this test's own."""

    def __init__(self, stack):
        self.stack = stack
        self.blocks = iter(re.findall(r"^```(?:sh|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))

    def follow(self, expected, secret_arn=None):
        """Does what the next block says, of which the test expects these lines; gives what was printed."""
        lines = next(self.blocks).splitlines()
        assert lines == expected.splitlines()
        if " = " not in lines[0]:
            return self.run(lines)
        for line in lines:
            self.set(line.replace("SECRET_ARN", secret_arn or ""))
        return ""

    def follow_release(self, directory, expected):
        """Does what the next block says in a directory with a release, for this test's stack and this machine."""
        text = next(self.blocks).strip()
        assert text == expected
        for shown, meant in (("VERSION", package.version()), ("x86_64", ARCHITECTURE),
                             ("--stack-name segment-intercom", f"--stack-name {NAME} --region us-east-1")):
            text = text.replace(shown, meant)
        return self.run([text], cwd=directory)

    def set(self, line):
        """Puts a line in the place of the setting's own, commented out or not."""
        name = re.match(r"#?(\w+) = ", line)[1]
        text, count = re.subn(rf"^#?{name} = .*$", lambda _: line, SETTINGS.read_text(), flags=re.MULTILINE)
        assert count == 1, f"{name} stands {count} times in {SETTINGS}"
        SETTINGS.write_text(text)

    def run(self, lines, cwd=ROOT, status=0):
        """Runs commands in one shell, with the answers that they ask for; `status`: 0, or another for a failure."""
        script = "\n".join(
            f"{line} <<< {shlex.quote(ANSWERS[line])}" if line in ANSWERS else line
            for line in lines if line != "git pull")
        endpoint = self.endpoint() or ""
        ended = subprocess.run(
            ["bash", "-ec", script.replace("ENDPOINT_URL", endpoint)], cwd=cwd, text=True, timeout=600,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
                **clean_environment(), **POLL_OFTEN,
                **{key: CREDENTIALS[key] for key in CREDENTIALS if key != "AWS_DEFAULT_REGION"},
                "PATH": f"{os.environ['PATH']}{os.pathsep}{SAM}", "SAM_CLI_TELEMETRY": "0",
                "AWS_ENDPOINT_URL": self.stack.emulator_url, "ENDPOINT_URL": endpoint, "STACK": NAME})
        assert (ended.returncode == 0) == (status == 0), ended.stdout
        if "make deploy" in lines and status == 0:
            self.stack.allow_batches(NAME)
        return ended.stdout

    # What is there afterwards

    def deployed(self):
        """What CloudFormation says of the stack; None when there is none."""
        try:
            return self.stack.aws("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
        except ClientError:
            return None

    def endpoint(self):
        return self.outputs()["EndpointUrl"] if self.deployed() else None

    def parameter(self, name):
        parameters = self.deployed()["Parameters"]
        return next(each["ParameterValue"] for each in parameters if each["ParameterKey"] == name)

    def code(self):
        """The SHA-256 of the function's zip, as AWS has it."""
        function = self.stack.aws("lambda").get_function_configuration(FunctionName=self.outputs()["FunctionName"])
        return base64.b64decode(function["CodeSha256"])

    def outputs(self):
        return {each["OutputKey"]: each["OutputValue"] for each in self.deployed()["Outputs"]}

    def secret(self, arn=None):
        """The secret's version and what it holds."""
        value = self.stack.aws("secretsmanager").get_secret_value(SecretId=arn or self.outputs()["SecretArn"])
        return value["VersionId"], json.loads(value["SecretString"])

    def identify(self, user, write_key):
        authorization = base64.b64encode(f"{write_key}:".encode()).decode()
        return self.stack.request(
            "POST", self.endpoint() + "/v1/identify", json.dumps(call("identify", user)).encode(),
            {"content-type": "application/json", "authorization": f"Basic {authorization}"})


@pytest.fixture
def reader(stack):
    for file in (SETTINGS, FILTERS):
        file.unlink(missing_ok=True)
    reader = Reader(stack)
    yield reader
    for file in (SETTINGS, FILTERS):
        file.unlink(missing_ok=True)
    stack.aws("cloudformation").delete_stack(StackName=NAME)


def test_the_page_from_the_first_deployment_to_the_last(stack, reader, tmp_path):
    reader.follow("export AWS_REGION=us-east-1\nmake settings")
    assert 'region = "us-east-1"' in SETTINGS.read_text()
    # What an emulator needs, and what need not take a quarter of an hour.
    for line in (
        f'EmulatorUrl = "{stack.emulator_url}"', f'IntercomBaseUrl = "{stack.simulator.base_url}"',
        f'Architecture = "{ARCHITECTURE}"', "RetryBaseSeconds = 1", "RetryMaxSeconds = 2", "UnknownUserSeconds = 3",
    ):
        reader.set(line)

    printed = reader.follow("make deploy")
    assert all(f"{name} " in printed and value in printed for name, value in reader.outputs().items())
    assert f"{reader.endpoint()}/health: healthy, version {package.version()}" in printed
    assert f"make secret STACK={NAME}" in printed
    assert reader.identify("u-1", "any-key").json()["code"] == "not_configured"

    printed = reader.follow("make secret\ncurl --fail ENDPOINT_URL/health")
    write_key = re.search(r"^write_keys: (\w{64})$", printed, re.MULTILINE)[1]
    assert simulator.TOKEN not in printed
    assert '"status":"ok"' in printed
    # It reads the secret again at most every 10 s.
    stack.wait_for(lambda: reader.identify("u-1", write_key).status == 200, "the filled secret")
    assert contact(stack, "u-1")
    reader.follow("make secret KEY=public_write_keys\nmake secret KEY=webhook_secret")
    filled = reader.secret()
    assert filled[1].keys() == {"access_token", "write_keys", "public_write_keys", "webhook_secret"}
    assert filled[1]["write_keys"] == [write_key]

    assert "All of it is as it should be" in reader.follow("make verify")

    reader.follow('Anonymous = "lead"\nSegmentExternalIds = "workspace-1"')
    printed = reader.follow("make deploy")
    assert "healthy" in printed and "make secret" not in printed
    assert reader.parameter("Anonymous") == "lead"
    assert "SegmentRoleArn" in reader.outputs()
    reader.follow('#SegmentExternalIds = "workspace-1"')
    reader.follow("make deploy")
    assert reader.parameter("SegmentExternalIds") == ""
    assert reader.parameter("Anonymous") == "lead"
    assert "SegmentRoleArn" not in reader.outputs()

    code = reader.code()
    rule = {"title": "Only customers", "if": "userId = 'u-2'", "actions": [{"type": "DROP"}]}
    FILTERS.write_text(json.dumps({"filters": [{**rule, "if": "userId = "}]}))
    printed = reader.run(["make deploy"], status=1)
    assert FILTERS.name in printed and '"Only customers"' in printed
    assert reader.code() == code
    FILTERS.write_text(json.dumps({"filters": [rule]}))
    reader.follow("git pull\nmake deploy")
    assert reader.secret() == filled
    assert reader.code() != code
    assert reader.identify("u-2", write_key).status == reader.identify("u-3", write_key).status == 200
    stack.wait_for(lambda: contact(stack, "u-3"), "the user whom no filter drops")
    assert contact(stack, "u-2") is None
    FILTERS.unlink()

    outputs = reader.outputs()
    printed = reader.follow("make delete")
    assert reader.deployed() is None
    assert outputs["SecretArn"] in printed and outputs["DeadLetterQueueUrl"] in printed
    assert reader.secret(outputs["SecretArn"]) == filled
    stack.aws("sqs").get_queue_attributes(QueueUrl=outputs["DeadLetterQueueUrl"])

    reader.follow("make deploy")
    assert reader.secret()[1] == {}
    reader.follow('SecretArn = "SECRET_ARN"', outputs["SecretArn"])
    reader.follow("make deploy")
    # Nothing is sent: the emulator gave the new secret the old one's name, and with it its place. AWS makes another.
    assert reader.outputs()["SecretArn"] == outputs["SecretArn"]

    release = download(tmp_path, stack)
    reader.follow_release(
        release, "sha256sum --check --quiet SHA256SUMS\ncd segment-intercom-VERSION\n"
        "sam deploy --template-file template-x86_64.yaml --stack-name segment-intercom --resolve-s3 \\\n"
        "  --capabilities CAPABILITY_IAM --parameter-overrides IntercomRegion=eu")
    assert reader.code() == hashlib.sha256((release / package.name() / CODE).read_bytes()).digest()
    assert (reader.parameter("IntercomRegion"), reader.parameter("EmulatorUrl")) == ("eu", stack.emulator_url)
    assert stack.request("GET", reader.endpoint() + "/health").json()["version"] == package.version()
    assert next(reader.blocks, None) is None


def download(directory, stack):
    """What somebody has who has unpacked a release there; of the binary that all tests run on."""
    folder = directory / package.name()
    shutil.copytree(stack.folder, folder)
    package.finish(folder)
    return directory


# Run on SAM's Python, as `make deploy` does at its end.
CHECK_HEALTH = """
import sys
import deployed, health
health.PATIENCE_SECONDS = 1
deployed.command(lambda name: health.check(deployed.Deployed(name)), sys.argv[1:])
"""


def check_health(stack):
    """What the end of `make deploy` says of a stack that is up already: its exit status and what it prints."""
    ended = subprocess.run(
        [SAM / "python", "-c", CHECK_HEALTH, STACK_NAME], cwd=ROOT / "local", text=True, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**clean_environment(), **CREDENTIALS, "AWS_ENDPOINT_URL": stack.emulator_url})
    return ended.returncode, ended.stdout


def test_a_function_that_cannot_start_fails_the_deployment_with_its_own_words(stack):
    unusable = "https://["  # an address to CloudFormation's pattern, and no URL
    with function_with(stack, INTERCOM_BASE_URL=unusable):
        status, printed = check_health(stack)
        assert status == 1
        assert printed.startswith(f"error: {stack.endpoint}/health answers 50"), printed
        # Where it isn't the function, the log has nothing. The emulator keeps what a function says that can't start.
        assert "no error in the function's log" in printed
        log_as_lambda_does(stack, bootstrap_output(stack))
        status, printed = check_health(stack)
    assert status == 1
    assert f'the function says: INTERCOM_BASE_URL="{unusable}" is not allowed: use a URL with https://' in printed
    assert f"make deploy STACK={STACK_NAME}" in printed


def bootstrap_output(stack):
    """What the deployed binary prints with the function's variables when it can't start."""
    ended = subprocess.run(
        [BOOTSTRAP], env=stack.function_environment(), text=True, stdout=subprocess.PIPE, timeout=10)
    assert ended.returncode != 0
    return ended.stdout


def log_as_lambda_does(stack, text):
    """Puts lines into the function's log, a little after now, as if they were of the next request."""
    logs, stream = stack.aws("logs"), {"logGroupName": stack.outputs["LogGroupName"], "logStreamName": "start"}
    logs.create_log_stream(**stream)
    at = int(time.time() * 1000) + 5_000
    logs.put_log_events(**stream, logEvents=[{"timestamp": at, "message": line} for line in text.splitlines()])


@pytest.mark.parametrize(("address", "status", "said"), [
    (None, 1, "still answers although AwsEndpoint is off"), ("http://127.0.0.1:9", 0, "off")])
def test_awss_own_address_that_still_answers_fails_the_deployment(stack, address, status, said):
    script = ("import deployed, health, sys; health.PATIENCE_SECONDS = 1; "
              "deployed.command(health.check_silent, sys.argv[1:])")
    ended = subprocess.run([SAM / "python", "-c", script, address or stack.endpoint], cwd=ROOT / "local", text=True,
                           timeout=60, capture_output=True, env=clean_environment())
    assert ended.returncode == status and said in ended.stdout + ended.stderr


def test_a_domain_that_dns_does_not_know_yet_is_the_next_step(stack):
    stack.update(DomainName="events.invalid", CertificateArn=CERTIFICATE)
    try:
        status, printed = check_health(stack)
        assert status == 0
        assert "events.invalid/health is unknown to DNS yet" in printed
        assert stack.outputs["DomainTarget"] in printed
    finally:
        stack.update(DomainName="", CertificateArn="")


def test_lambda_takes_the_retries_for_no_endless_loop(stack):
    """The emulator ignores it, so this looks at what CloudFormation is given; `make verify` asks Lambda."""
    template = stack.aws("cloudformation").get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
    assert template["Resources"]["Function"]["Properties"]["RecursiveLoop"] == "Allow"
    assert template["Resources"]["Function"]["Properties"]["LoggingConfig"]["ApplicationLogLevel"] == "TRACE"
