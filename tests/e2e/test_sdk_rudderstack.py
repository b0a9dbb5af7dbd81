"""RudderStack's SDKs for Node.js and Python, with this function as their data plane."""

import pytest

from application import NODE_MODULES, SDKS, Application, python_application
from story import assert_told, identify, tell
from tools import why_no_javascript


def node(stack, **settings):
    if reason := why_no_javascript():
        pytest.skip(reason)
    return Application(stack, ["node", SDKS / "javascript" / "rudderstack.cjs"], {
        "writeKey": stack.write_key, "dataPlaneUrl": stack.endpoint, "path": "/v1/batch", "logLevel": "error",
        "retryCount": 0, **settings}, NODE_MODULES)


def python(stack, **settings):
    settings = {"write_key" if name == "writeKey" else name: value for name, value in settings.items()}
    return python_application(stack, "rudderstack-python", "rudderstack.analytics", settings)


@pytest.fixture(params=[node, python], ids=["node", "python"])
def start(stack, request):
    """Starts an application with one of the SDKs."""
    return lambda **settings: request.param(stack, **settings)


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "packed"])
def test_every_kind_of_call(stack, start, gzip):
    with start(gzip=gzip) as application:
        tell(application)
    assert_told(stack)


def test_a_wrong_write_key_lets_nothing_in(stack, start):
    with start(writeKey="wrong") as application:
        application.do(*identify("u-1"))
        application.end()
    assert set(application.statuses()) == {401}
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0
