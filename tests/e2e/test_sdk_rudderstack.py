"""RudderStack's SDKs for Node.js and Python, with this function as their data plane."""

import pytest

from application import NODE_MODULES, SDKS, Application
from story import CALLS, assert_told, identify, in_one_object
from tools import TOOLS, why_no_javascript


def node(stack, **settings):
    if reason := why_no_javascript():
        pytest.skip(reason)
    return Application(stack, ["node", SDKS / "javascript" / "rudderstack.cjs"], {
        "writeKey": stack.write_key, "dataPlaneUrl": stack.endpoint, "path": "/v1/batch", "logLevel": "error",
        "retryCount": 0, **settings}, NODE_MODULES)


def python(stack, **settings):
    interpreter = TOOLS / "rudderstack-python" / "bin" / "python"
    settings = {"write_key" if name == "writeKey" else name: value for name, value in settings.items()}
    return Application(stack, [str(interpreter), str(SDKS / "python" / "rudderstack_app.py")], {
        "write_key": stack.write_key, "host": stack.endpoint, **settings})


@pytest.fixture(params=[node, python], ids=["node", "python"])
def start(stack, request):
    """Starts an application with one of the SDKs."""
    return lambda **settings: request.param(stack, **settings)


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "packed"])
def test_every_kind_of_call(stack, start, gzip):
    with start(gzip=gzip) as application:
        for call in CALLS:
            application.do(*in_one_object(call))
        application.end()
    assert set(application.statuses()) == {200}
    assert application.printed("gave_up") == []
    assert_told(stack)


def test_a_wrong_write_key_lets_nothing_in(stack, start):
    with start(writeKey="wrong") as application:
        application.do(*identify("u-1"))
        application.end()
    assert set(application.statuses()) == {401}
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0
