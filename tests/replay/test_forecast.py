"""What is said before anything is sent: event names for which Intercom has no room."""

import contextlib
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from connection import NotTaken

from tools import ROOT

FOLDER = ROOT / "local" / "replay"


class Workspace:
    """The function's preview, and an Intercom in which users did events of these names."""

    name = "segment-intercom"

    def __init__(self, done=None):
        self.outputs = {"FunctionName": "function"}
        self.sent = False
        self.done = done or {}
        self.previews = 0
        self.fails_at = None

    def invoke(self, payload):
        asked = json.loads(payload)
        self.sent = self.sent or isinstance(asked, list)
        self.previews += 1
        if self.fails_at is not None and self.previews >= self.fails_at:
            raise NotTaken("the function timed out")
        return {"results": [
            {"status": "would_deliver", "actions": [
                {"action": "create_event", "event": {"event_name": event["event"], "created_at": 1}}]}
            for event in asked["preview"]]}

    def intercom(self):
        return self

    def attribute_names(self, _model):
        return set()

    def event_names(self, external_id):
        return self.done.get(external_id, set())


class Said(list):
    """What is said, without rich, which is only where SAM CLI is."""

    def say(self, text):
        self.append(text)

    def table(self, title, rows):
        self.extend(f"{title}: {number} {text}" for number, text in rows)

    @contextlib.contextmanager
    def progress(self, _what, _total):
        yield SimpleNamespace(advance=lambda *_: None)


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def dry_run(tmp_path, monkeypatch, said):
    """Gives what a dry run of these events reports."""
    monkeypatch.setitem(sys.modules, "screen", SimpleNamespace(Screen=Said))
    specification = importlib.util.spec_from_file_location("replay_command", FOLDER / "__main__.py")
    command = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(command)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _: None)

    def run(workspace, names, *options):
        monkeypatch.setattr(command, "Connection", lambda *_: workspace)
        tracks = ({"type": "track", "userId": f"user-{number % 7}", "event": name, "receivedAt": 1_767_600_000 + number}
                  for number, name in enumerate(names))
        text, archive = "".join(f"{json.dumps(track)}\n" for track in tracks), Path("archive.ndjson")
        # An archive that was written again is another one.
        if not archive.exists() or archive.read_text() != text:
            archive.write_text(text)
        arguments = command.parse(
            ["archive.ndjson", "--stack", "name", "--dry-run", "--report", "report.json", *options])
        assert command.replay(arguments, said) == 0
        assert not workspace.sent
        return json.loads(Path("report.json").read_text())["forecast"]

    return run


def names(count, prefix="Event"):
    return [f"{prefix} {number}" for number in range(count)]


def test_the_121st_event_name_is_named_before_it_happens(dry_run, said):
    assert dry_run(Workspace(), names(120))["event names over the limit"] == []
    assert not any("refuse:" in line for line in said)
    of = dry_run(Workspace(), [*names(120), "Event 3", "The Last Straw"])
    assert of["event names over the limit"] == ["The Last Straw"]
    assert any("It would refuse: The Last Straw." in line for line in said)


def test_names_that_intercom_has_already_take_their_room(dry_run):
    has = set(names(118))
    sent = ["Event 1", "New A", "event 2", "New B", "new a", "New C", "New.B", "New-B"]
    of = dry_run(Workspace({"user-2": has}), sent)
    assert of["new event names"] == ["New A", "New B", "New C", "New.B"]
    assert of["event names over the limit"] == ["New C", "New.B"]
    assert set(of["known event names"]) == has


def test_names_that_no_sampled_user_did_can_be_given_in_a_file(dry_run):
    Path("known.txt").write_text("\n".join(names(119, "Known")) + "\n\n")
    of = dry_run(Workspace({"user-0": {"Known 3"}}), ["Known 7", "First", "Second"], "--event-names", "known.txt")
    assert of["new event names"] == ["First", "Second"]
    assert of["event names over the limit"] == ["Second"]


def test_a_forecast_that_was_broken_off_counts_everything_the_next_time(dry_run):
    workspace = Workspace()
    workspace.fails_at = 5
    archive = [*names(5), *["Again"] * 1500]
    with pytest.raises(NotTaken):
        dry_run(workspace, archive)
    workspace.fails_at = None
    of = dry_run(workspace, archive)
    assert of["statuses"] == {"would_deliver": 1505}
    assert of["event names"] == [*names(5), "Again"]
