"""`make verify` on the deployed stack, as far as the emulator goes."""

import re
import signal
import subprocess

from environment import CREDENTIALS, clean_environment
from refusals import without_write_keys
from stack import STACK_NAME
from tools import ROOT, SAM

LEFT_OUT_HERE = {
    "recursion", "as the SDK for csharp sends", "that answer", "its alarm goes off", "the alarm ends",
    "events dropped as recursive",
}


# Runs on SAM's Python: `make verify` with no more than what is read off the deployed stack.
SETTINGS_ALONE = """
import sys
import deployed, verify
verify.verify_api.verify = verify.verify_delivery.verify = lambda stack, table: None
deployed.command(verify.verify, sys.argv[1:])
"""


def start(stack, script=("verify.py",)):
    """Starts it, as on AWS but for where that is."""
    return subprocess.Popen(
        [SAM / "python", *script, STACK_NAME], cwd=ROOT / "local", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={
            **clean_environment(), **CREDENTIALS, "AWS_ENDPOINT_URL": stack.emulator_url, "YES": "1"})


def verify(stack, *script):
    """Runs it; gives its exit status, its rows as (mark, what), and all that it printed."""
    process = start(stack, *script)
    printed, _ = process.communicate(timeout=300)
    return process.returncode, re.findall(r"^(ok|WRONG|left out) +(\S.*?)  ", printed, re.MULTILINE), printed


def contents(stack):
    """All that it says it puts back."""
    state = stack.simulator.state()
    stage = stack.aws("apigateway").get_stage(restApiId=stack.resources()["Api"], stageName="prod")
    return (
        state["contacts"], state["companies"], stack.waiting(), stack.dead_letter_count(),
        secret_version(stack),
        stack.aws("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]["Parameters"],
        stage["methodSettings"]["*/*"],
    )


def secret_version(stack):
    return stack.aws("secretsmanager").get_secret_value(SecretId=stack.outputs["SecretArn"])["VersionId"]


def test_a_stack_that_works(stack):
    before = contents(stack)
    status, rows, printed = verify(stack)
    assert status == 0, printed
    assert len(rows) > 30, printed
    assert {mark for mark, _ in rows} == {"ok", "left out"}
    assert {what for mark, what in rows if mark == "left out"} == LEFT_OUT_HERE
    assert contents(stack) == before


def test_a_stack_that_was_changed_by_hand(stack):
    client = stack.aws("lambda")
    sources = client.list_event_source_mappings(FunctionName=stack.outputs["FunctionName"])["EventSourceMappings"]
    (source,) = (each for each in sources if each["EventSourceArn"].endswith("-retry.fifo"))
    client.update_event_source_mapping(UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": 3})
    try:
        status, rows, printed = verify(stack, ["-c", SETTINGS_ALONE])
    finally:
        client.update_event_source_mapping(UUID=source["UUID"], ScalingConfig=source["ScalingConfig"])
    assert status == 1
    assert [what for mark, what in rows if mark == "WRONG"] == ["retries at once"], printed
    assert "error: 1 thing is" in printed


def test_what_it_changes_is_put_back_when_it_is_interrupted(stack):
    before = contents(stack)
    process = start(stack)
    stack.wait_for(lambda: secret_version(stack) != before[4], "the wrong token")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    # It says that the event of the unknown user is left to be rejected.
    assert stack.settle(30)
    (letter,) = stack.dead_letters()
    assert letter["body"]["event"]["event"] == "Segment Intercom Verify"
    assert contents(stack) == before


def test_a_secret_that_nobody_has_filled(stack):
    with without_write_keys(stack):
        status, rows, printed = verify(stack)
    assert (status, rows) == (1, [])
    assert "error: the secret isn't filled: `make secret STACK=segment-intercom`" in printed
