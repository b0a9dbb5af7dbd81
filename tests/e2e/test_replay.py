"""`make replay` against the deployed stack."""

import json
import os
import signal
import subprocess
import time

import pytest

import history
from environment import LOGS, clean_environment
from stack import STACK_NAME
from tools import ROOT, SAM

USERS, EVENTS = 60, 12


def archive(folder, ids):
    """A folder with the same history under these ids, and how many of its lines are broken."""
    return folder / ids, history.write(folder / ids, USERS, EVENTS, ids=ids)


class Replay:
    """The command as an operator gives it, in a folder of its own."""

    def __init__(self, stack, folder):
        self.stack, self.folder = stack, folder

    def command(self, *words):
        return [str(SAM / "python"), str(ROOT / "local" / "replay"), "--stack", STACK_NAME, *map(str, words)]

    def environment(self):
        client = self.stack.client_arguments()
        return {
            **clean_environment(), "AWS_ENDPOINT_URL": client["endpoint_url"],
            "AWS_ACCESS_KEY_ID": client["aws_access_key_id"], "AWS_REGION": client["region_name"],
            "AWS_DEFAULT_REGION": client["region_name"], "AWS_SECRET_ACCESS_KEY": client["aws_secret_access_key"]}

    def run(self, *words, status=0):
        done = subprocess.run(
            self.command(*words), cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=300,
            stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, *words):
        with open(LOGS / "replay.log", "wb") as output:
            return subprocess.Popen(self.command(*words), cwd=self.folder, env=self.environment(), stdout=output,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)


@pytest.fixture
def replay(stack, tmp_path):
    # It pauses while one is on; other tests leave them on.
    cloudwatch = stack.aws("cloudwatch")
    for alarm in cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]:
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="another test's")
    return Replay(stack, tmp_path)


def workspace(stack):
    """What the simulated workspace holds, without its own ids and clock."""
    assert stack.settle(60)
    state = stack.simulator.state()
    contacts = {
        each["external_id"]: (each["email"], each["custom_attributes"], each["last_seen_at"], sorted(each["companies"]))
        for each in state["contacts"]}
    events = sorted((each["external_id"], each["name"], each["created_at"]) for each in state["events"])
    return contacts, events, sorted(each["company_id"] for each in state["companies"])


def test_an_archive_is_forecast_and_sent_and_killed_runs_are_resumed(stack, replay, tmp_path):
    folder, broken = archive(tmp_path, "once")
    report = tmp_path / "report.json"
    said = replay.run(folder, "--dry-run", "--report", report)
    forecast = json.loads(report.read_text())["forecast"]
    assert f"{broken} broken" in said
    assert len(list(tmp_path.glob("*.broken.ndjson"))) == 1
    assert sum(forecast["statuses"].values()) == USERS * EVENTS
    assert set(forecast["new attributes"]["contact"]) == {"plan", "seen"}
    assert set(forecast["event names"]) == set(history.EVENTS)
    assert stack.simulator.state()["contacts"] == []

    replay.run(folder, "--yes", "--restart", "--report", report)
    undisturbed = workspace(stack)
    assert json.loads(report.read_text())["sent"]["delivered"] > 0
    assert len(undisturbed[0]) == USERS
    assert len(stack.simulator.requests()) <= forecast["calls"] * 1.2

    stack.simulator.reset()
    folder, _ = archive(tmp_path, "killed")
    for patience in (2.5, 4, 6):
        process = replay.start(folder, "--yes", "--checkpoint", "killed.sqlite", "--share", "0.1")
        time.sleep(patience)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    replay.run(folder, "--yes", "--checkpoint", "killed.sqlite", "--share", "1")
    assert workspace(stack) == undisturbed
    sent = len(stack.simulator.requests())
    replay.run(folder, "--yes", "--checkpoint", "killed.sqlite")
    assert len(stack.simulator.requests()) == sent


def test_the_latest_state_takes_few_calls_and_compares_equal(stack, replay, tmp_path):
    folder, _ = archive(tmp_path, "latest")
    stack.aws("s3").create_bucket(Bucket="archive")
    for file in folder.rglob("*.gz"):
        stack.aws("s3").upload_file(str(file), "archive", f"logs/{file.relative_to(folder)}")
    replay.run("s3://archive/logs/", "--yes", "--latest", "--share", "1")
    contacts, events, _ = workspace(stack)
    assert len(contacts) == USERS
    writes = [each for each in stack.simulator.requests() if each["method"] != "GET"]
    tracks = len(events)
    assert len(writes) - tracks < USERS * 8
    replay.run(folder, "--latest", "--compare", "20")
    changed = stack.simulator.state()["contacts"][0]["external_id"]
    users = replay.folder / "users.txt"
    users.write_text(f"{changed}\n")
    said = replay.run(folder, "--compare", "5", "--users-from", users)
    assert "No difference." in said


def test_the_121st_event_name_is_named_before_intercom_refuses_it(stack, replay, tmp_path):
    tracks = [{"type": "track", "userId": "ada", "event": f"Event {number}", "messageId": f"name-{number}"}
              for number in range(122)]
    assert stack.send("/v1/identify", {"type": "identify", "userId": "ada", "messageId": "name-ada"}).status == 200
    for start in (0, 50):
        assert stack.send("/v1/batch", {"batch": tracks[start:start + 50]}).status == 200
    source, report = tmp_path / "names.ndjson", tmp_path / "report.json"
    source.write_text("".join(f"{json.dumps(each)}\n" for each in tracks[90:]))
    assert "It would refuse: Event 120, Event 121." in replay.run(source, "--dry-run", "--report", report)
    forecast = json.loads(report.read_text())["forecast"]
    assert len(forecast["known event names"]) == 100
    assert forecast["new event names"] == [f"Event {number}" for number in range(100, 122)]
    replay.run(source, "--yes", status=1)
    assert sorted(letter["body"]["event"]["event"] for letter in stack.dead_letters()) == ["Event 120", "Event 121"]


def test_a_broken_source_and_an_unanswered_question_send_nothing(stack, replay, tmp_path):
    folder, _ = archive(tmp_path, "never")
    assert "no such file" in replay.run(folder / "nowhere", status=1)
    assert "nothing was sent" in replay.run(folder, status=1)
    assert stack.simulator.state()["contacts"] == []
