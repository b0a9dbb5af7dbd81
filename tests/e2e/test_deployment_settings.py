"""deployments/STACK.toml: what is refused before anything is built, and what `sam` is given."""

import json
import subprocess

import pytest

import tools
from environment import CREDENTIALS, clean_environment
from tools import ROOT, SAM

NAME = "segment-intercom-settings"
SETTINGS = ROOT / "deployments" / f"{NAME}.toml"
# Runs on SAM's Python, as the commands do: the commands that `make deploy` would run, and the parameters in their file.
DEPLOY = """
import json, sys, types
import deployed, deployment
class Stack(deployed.Deployed):
    def aws(self, service):
        arn = f"arn:{partition}:iam::123456789012:user/owner"
        return types.SimpleNamespace(get_caller_identity=lambda: {"Arn": arn})
    def description(self):
        return None
name, partition = sys.argv[1:]
commands = []
deployment.Deployed = Stack
deployment.run = lambda arguments, failure: commands.append(arguments)
deployed.command(deployment.deploy, [name])
files = {argument for command in commands for argument in command if argument.startswith("file://")}
print(json.dumps([commands, [json.load(open(file[7:])) for file in files]]))
"""


def run(*arguments, **environment):
    return subprocess.run(
        [SAM / "python", *arguments], cwd=ROOT / "local", capture_output=True, text=True, timeout=60,
        env={**clean_environment(), **CREDENTIALS, **environment})


def deploy(settings, name=NAME, partition="aws"):
    """Gives `sam`'s commands and the parameters that they are given; or the error."""
    SETTINGS.parent.mkdir(exist_ok=True)
    SETTINGS.write_text(settings)
    try:
        ended = run("-c", DEPLOY, name, partition)
    finally:
        SETTINGS.unlink()
    return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr.strip()


def test_every_parameter_is_in_the_file_and_given_with_its_default():
    SETTINGS.unlink(missing_ok=True)
    written = run("deployment.py", "settings", NAME, AWS_REGION="eu-west-1")
    assert written.returncode == 0, written.stderr
    settings = SETTINGS.read_text()
    _, (defaults,) = deploy(settings)
    named = {line[1:].split(" = ")[0] for line in settings.splitlines() if line.startswith("#") and line[1:2].isupper()}
    assert named == defaults.keys()
    # What stands there commented out is what is given.
    taken = "\n".join(line[1:] if line[1:2].isupper() else line for line in settings.splitlines())
    assert deploy(taken)[1] == [defaults]


def test_the_architecture_is_said_once_for_build_and_deployment():
    commands, (parameters,) = deploy('region = "eu-west-1"\n[parameters]\nArchitecture = "arm64"\n')
    (build,) = (command for command in commands if command[1:2] == ["build"])
    (deployment,) = (command for command in commands if command[1:2] == ["deploy"])
    assert parameters["Architecture"] == "arm64"
    assert tools.command_for_target("arm64") in commands
    for command in (build, deployment):
        assert command[command.index("--parameter-overrides") + 1].endswith(f"{NAME}.yaml")
    assert deployment[deployment.index("--region") + 1] == "eu-west-1"


@pytest.mark.parametrize(("settings", "refusal"), [
    ("[parameters]\n", "names no AWS region"),
    ('region = "eu-west-1"\nAnonymous = "lead"\n', "Anonymous belongs under [parameters]"),
    ('region = "eu-west-1"\n[parameters]\nAnonymus = "lead"\n', "no parameter Anonymus: did you mean Anonymous?"),
    ('region = "eu-west-1"\n[parameters]\nIntercomVersion = 2.16\n', "IntercomVersion must be text in quotes"),
    ('region = "eu-west-1"\n[parameters]\nReservedConcurrency = 5\n', "must be more than RetryConcurrency=5"),
    ('region = "eu-west-1"\n[parameters\n', f"deployments/{NAME}.toml: "),
])
def test_settings_that_cannot_work_are_refused(settings, refusal):
    error = deploy(settings)
    assert error.startswith("error: ") and refusal in error and "\n" not in error


def test_values_of_every_kind_arrive_as_they_are():
    settings = 'region = "eu-west-1"\n[parameters]\nRequireUserHash = true\nRetryHours = 24\n' \
        "EventFilter = 'Order Completed,50% \"off\" \\ *, x=y'\n"
    _, (parameters,) = deploy(settings)
    assert (parameters["RequireUserHash"], parameters["RetryHours"]) == ("true", "24")
    assert parameters["EventFilter"] == 'Order Completed,50% "off" \\ *, x=y'


@pytest.mark.parametrize(("name", "refusal"), [
    ("a" * 65, "has 65 characters: 64 is the most"), ("1st", "is not a name for a stack"), ("../x", "is not a name"),
    ("nobody-knows-it", "deployments/nobody-knows-it.toml is missing: `make settings STACK=nobody-knows-it`"),
])
def test_a_name_that_cannot_work_is_refused(name, refusal):
    assert refusal in deploy('region = "eu-west-1"\n', name=name)


def test_what_a_failed_first_deployment_leaves_can_be_deleted():
    script = """
import deployed, deployment, sys
deployment.Deployed.description = lambda self: {"StackStatus": "ROLLBACK_COMPLETE"}
deployment.run = lambda arguments, failure: print(*arguments[1:])
deployed.command(deployment.delete, sys.argv[1:])
"""
    ended = run("-c", script, NAME, AWS_REGION="eu-west-1")
    assert ended.stdout == f"delete --stack-name {NAME} --region eu-west-1\n", ended.stderr


def test_other_partitions_are_refused():
    assert "the partition aws-us-gov" in deploy('region = "us-gov-west-1"\n', partition="aws-us-gov")
