"""A stack for the end-to-end tests, and one in each process where several run them: template.yaml on the emulator, the
simulator as Intercom."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "local"))

import letters_tool
from build import build
from pages import Page, running_browser
from stack import Stack
from tools import Failure


def pytest_sessionstart(session):
    """Builds once what all processes deploy, where its progress is seen."""
    if "PYTEST_XDIST_WORKER" not in os.environ and not session.config.option.collectonly:
        try:
            os.environ["PACKAGE"] = str(build())
        except Failure as failure:
            pytest.exit(f"error: {failure}", returncode=1)


@pytest.fixture(scope="session")
def running_stack(request):
    """The stack, for the whole session."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    parameters = {
        "Anonymous": "lead",
        "RetryBaseSeconds": 1,
        "RetryMaxSeconds": 2,
        "UnknownUserSeconds": 3,
        "LogLevel": "DEBUG",
        "IntercomAppId": "abc123",
    }
    # A domain of the API's own, and the accounts of Segment and of a stranger (test_switches.py).
    guard = {"domains": ["events.example.com"], "keys": ["595280932656", "111122223333"]}
    stack = Stack(parameters=parameters, guard=guard)
    with capture.global_and_fixture_disabled():
        print()
        try:
            stack.__enter__()
        except Failure as failure:
            pytest.exit(f"error: {failure}", returncode=1)
    yield stack
    stack.close()


@pytest.fixture
def stack(running_stack):
    """The stack with an empty Intercom and empty queues."""
    running_stack.simulator.recover()
    assert running_stack.settle(30), "an earlier test left events in the retry queue"
    running_stack.purge_queues()
    running_stack.simulator.reset()
    return running_stack


@pytest.fixture
def dead_letters(stack):
    """Calls the operator's tool for dead letters; gives its output."""
    return lambda *words: letters_tool.output(stack, *words)


@pytest.fixture(scope="module")
def browser_of_pages(running_stack):
    """A browser for the whole module."""
    with running_browser(running_stack) as application:
        yield application


@pytest.fixture
def page(browser_of_pages, stack):
    """What a test opens pages with. Each is that of a new visitor, unless it says that the visit goes on."""
    browser_of_pages.forget()
    page = Page(browser_of_pages)
    yield page
    page.leave()
