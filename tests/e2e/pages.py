"""Pages with Segment's SDK in Chromium, and a stand-in for Intercom's widget that keeps what it is told."""

import contextlib
import json

import pytest

from application import NODE_MODULES, SDKS, Application
from tools import Failure, browser, why_no_javascript

APP = {"app_id": "abc123", "api_base": "https://api-iam.intercom.io"}


class Page:
    """A page with the SDK, and what the Messenger in it is told."""

    def __init__(self, application):
        self.application = application

    def _ask(self, *command):
        count = len(self.application.printed("answer"))
        self.application.do(*command)
        answer = self.application.wait_for(lambda: self.application.printed("answer")[count:], command[0])[0]
        assert not (isinstance(answer, dict) and "failed" in answer), answer
        return answer

    def visit(self, **page):
        self._ask("visit", page)
        return self

    def leave(self):
        """Closes the page, with whatever it still sends."""
        self._ask("leave")

    def run(self, code):
        """Runs code in the page; gives what it returns."""
        return self._ask("run", code)

    def call(self, method, *arguments):
        """Calls the SDK and waits until it is done with that."""
        self.run(f"await analytics.{method}(...{json.dumps(arguments)})")

    def told(self):
        """The Messenger's calls so far."""
        return self.run("return window.told ?? []")

    def wait_for_told(self, *methods):
        """Waits for these calls, and gives what they said."""
        told = []

        def are_told():
            told[:] = self.told()[-len(methods):]
            return [call[0] for call in told] == list(methods)

        try:
            self.application.wait_for(are_told, "the Messenger's calls")
        except Failure as failure:
            raise AssertionError(f"{methods}, not {told}") from failure
        return [call[1] if len(call) == 2 else call[1:] for call in told]

    def wait_until_up(self):
        """Waits until a plugin with device delivery has the widget, its rules, and an answer of the Messenger's API."""
        self.run("""
            const isAsked = () => performance.getEntriesByType("resource").some(({ name }) => /api-iam/.test(name))
            for (let i = 0; i < 1000 && (!window.told || !isAsked()); i++)
                await new Promise((resolve) => setTimeout(resolve, 10))
            await new Promise((resolve) => setTimeout(resolve, 20))""")

    def sent(self):
        """The events that went to the function."""
        return self.application.printed("sent")

    def asked(self):
        """What the page asked of other hosts."""
        return self.application.printed("asked")


@contextlib.contextmanager
def running_browser(stack):
    """A browser, for pages of one visitor after the other."""
    if reason := why_no_javascript():
        pytest.skip(reason)
    if not browser():
        pytest.skip("Chromium is missing: install it (Debian: `apt install chromium`, which `make test` does as root)")
    settings = {
        "executablePath": browser(), "endpoint": stack.page_endpoint, "writeKey": stack.public_write_key}
    command = ["node", SDKS / "javascript" / "messenger.cjs"]
    with Application(stack, command, settings, NODE_MODULES) as application:
        yield application
