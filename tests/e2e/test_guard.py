"""What a web page on the developer's machine can reach of the local stack: the guard of local/emulator.py."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "local"))

from emulator import Guard
from environment import CREDENTIALS

KEY = "LOCALKEY"
API = "/restapis/abc123/prod/_user_request_"
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20261124/us-east-1/secretsmanager/aws4_request, SignedHeaders=host"


def passes(path="/", query="", kind="http", **headers):
    """Whether the guard hands a request on."""
    passed, sent = [], []

    async def app(scope, receive, send):
        passed.append(scope)

    async def send(message):
        sent.append(message)

    headers = {"host": "127.0.0.1:4566", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"type": kind, "path": path, "query_string": query.encode(),
             "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value is not None]}
    asyncio.run(Guard(app, KEY, domains=["events.example.com"])(scope, None, send))
    assert bool(passed) != bool(sent)
    if sent and kind == "http":
        assert sent[0]["status"] == 403
        assert not any(name.startswith(b"access-control") for name, _ in sent[0]["headers"])
    return bool(passed)


@pytest.mark.parametrize("path", [API, f"{API}/", f"{API}/v1/track", f"{API}/webhook"])
def test_a_page_reaches_the_apis_own_routes(path):
    for origin in (None, "https://evil.example", "null"):
        assert passes(path, origin=origin, sec_fetch_site="cross-site")


@pytest.mark.parametrize("path", [
    "/", "/_ministack/health", "/_ministack/config", "/_ministack/sqs/messages", "/_ministack/reset", "/restapis",
    "/restapis/abc123", "/restapis/abc123/stages", "/restapis/abc123/prod", "/x/restapis/abc123/prod/_user_request_/",
    "/restapis/../prod/_user_request_/", "/2015-03-31/functions/f/invocations", "/_aws/execute-api/abc123/prod/v1/b",
    "/000000000000/retry.fifo", "/iceberg/v1/config",
])
def test_a_page_reaches_nothing_else(path):
    for headers in (
        {}, {"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"},
        {"x_amz_target": "secretsmanager.GetSecretValue"},
        {"authorization": SIGNED, "origin": "https://evil.example"},
        {"authorization": SIGNED, "sec_fetch_site": "same-site"},
    ):
        assert not passes(path, **headers), headers


@pytest.mark.parametrize("credential", ["", "test", "000000000000", "111122223333"])
def test_the_emulators_well_known_keys_open_nothing(credential):
    assert not passes(authorization=SIGNED.replace(KEY, credential))


def test_our_own_key_and_those_whose_signature_the_emulator_checks_pass():
    assert passes(authorization=SIGNED)
    assert passes(authorization=SIGNED.replace(KEY, "ASIA0123456789ABCDEF"))
    assert not passes(authorization="Basic a2V5Og==")
    assert not passes(authorization="AWS4-HMAC-SHA256")


@pytest.mark.parametrize(("query", "headers"), [
    ("X-Amz-Target=x", {}), ("x-amz-credential=test/1", {}), ("X%2dAmz-Target=x", {}),
    ("", {"x_amz_target": "secretsmanager.GetSecretValue"}),
    ("", {"authorization": SIGNED.replace(KEY, "test")}),
])
def test_a_route_of_the_api_is_no_way_to_aws_itself(query, headers):
    assert not passes(f"{API}/v1/track", query=query, **headers)


@pytest.mark.parametrize("host", [None, "", "evil.example", "evil.example:4566", "127.0.0.1.evil.example", "0.0.0.0"])
def test_a_name_that_was_given_this_machines_address_is_refused(host):
    assert not passes(f"{API}/v1/track", host=host)
    assert not passes(authorization=SIGNED, host=host)


def test_a_domain_of_the_api_is_as_open_as_the_api():
    assert passes("/v1/track", host="events.example.com", origin="https://evil.example")
    assert not passes("/v1/track", host="events.example.com", x_amz_target="secretsmanager.GetSecretValue")


def test_websockets_are_closed():
    assert not passes(API, kind="websocket")


def test_the_running_stack_is_guarded(stack):
    url, page = stack.emulator_url, {"origin": "https://evil.example"}
    read_secret = {
        "x-amz-target": "secretsmanager.GetSecretValue", "content-type": "application/x-amz-json-1.1",
        "authorization": SIGNED.replace(KEY, "test"),
    }
    body = json.dumps({"SecretId": stack.outputs["SecretArn"]}).encode()
    for headers, status in (
        ({**read_secret, **page}, 403), (read_secret, 403),
        # A key that isn't ours: this the emulator itself refuses.
        ({**read_secret, "authorization": SIGNED}, 400),
    ):
        answer = stack.request("POST", url, body, headers)
        assert answer.status == status
        assert b"access_token" not in answer.body
    assert stack.request("OPTIONS", url, headers=page).status == 403
    assert stack.request("GET", f"{url}/_ministack/health", headers=page).status == 403
    health = stack.request("GET", f"{stack.endpoint}/health", headers=page)
    assert (health.status, health.json()["status"]) == (200, "ok")
    assert len(CREDENTIALS["AWS_ACCESS_KEY_ID"]) > 32
