"""What a web page on the developer's machine can reach of the local stack: the guard of local/emulator.py."""

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "local"))

import http_call
import page
import run
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


@pytest.mark.parametrize("path", [
    f"{API}/v1/track", f"{API}/v1/import/", f"{API}/webhook", f"{API}/health", f"{API}/v1/projects/a key/settings",
    f"{API}/projects/k/settings", f"{API}/browser/1a2b/intercom.js", f"{API}/analytics-next/bundles/x.bundle.js",
])
def test_a_page_reaches_the_apis_own_routes(path):
    for origin in (None, "https://evil.example", "null"):
        assert passes(path, origin=origin, sec_fetch_site="cross-site")


@pytest.mark.parametrize("path", [
    "/", "/_ministack/health", "/_ministack/config", "/_ministack/sqs/messages", "/_ministack/reset", "/restapis",
    "/restapis/abc123", "/restapis/abc123/stages", "/restapis/abc123/prod", "/x/restapis/abc123/prod/_user_request_/",
    "/restapis/../prod/_user_request_/", "/2015-03-31/functions/f/invocations", "/_aws/execute-api/abc123/prod/v1/b",
    "/000000000000/retry.fifo", "/iceberg/v1/config", API, f"{API}/", f"{API}/v1", f"{API}/_ministack/reset",
    f"{API}/v1/../../_ministack/reset", "/prod/v1/track", "/health", "/v1/track",
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
    for made_up in ("NOBODY", "AKIA0123456789ABCDEF", "ASIA0123456789ABCDEFG", "asia0123456789abcdef"):
        assert not passes(authorization=SIGNED.replace(KEY, made_up))
    # The emulator's own routes look at no signature.
    for path in ("/_ministack/sqs/messages", "/_ministack/reset", "/_localstack/health", "/_aws/x"):
        assert not passes(path, authorization=SIGNED)
    assert not passes(authorization="Basic a2V5Og==")
    assert not passes(authorization="AWS4-HMAC-SHA256")


@pytest.mark.parametrize(("query", "headers"), [
    ("X-Amz-Target=x", {}), ("x-amz-credential=test/1", {}), ("X%2dAmz-Target=x", {}),
    ("", {"x_amz_target": "secretsmanager.GetSecretValue"}),
    ("", {"authorization": SIGNED.replace(KEY, "test")}),
])
def test_a_route_of_the_api_is_no_way_to_aws_itself(query, headers):
    assert not passes(f"{API}/v1/track", query=query, **headers)


@pytest.mark.parametrize("path", [
    "/_ministack/reset", "/_ministack/config", "/_ministack/sqs/messages", "/_localstack/health", "/health", "/",
    "/oauth2/authorize", "/iceberg/v1/config", "/restapis", "/prod", "/prod/", "/prod/v1/../_ministack/reset",
    "/_ministack/health", "/_ministack/v1/track", "/iceberg/v1/track", f"{API}/v1/track", "/000000000000/retry.fifo",
])
def test_the_apis_own_domain_leads_nowhere_else(path):
    host = "00000000.execute-api.localhost:4566"
    for headers in ({}, {"origin": "https://evil.example"}, {"authorization": SIGNED.replace(KEY, "NOBODY")}):
        assert not passes(path, host=host, **headers)
        assert passes("/prod/v1/track", host=host, origin="https://evil.example")


@pytest.mark.parametrize("host", [None, "", "evil.example", "evil.example:4566", "127.0.0.1.evil.example", "0.0.0.0"])
def test_a_name_that_was_given_this_machines_address_is_refused(host):
    assert not passes(f"{API}/v1/track", host=host)
    assert not passes(authorization=SIGNED, host=host)


def test_a_domain_of_the_api_is_as_open_as_the_api():
    assert passes("/v1/track", host="events.example.com", origin="https://evil.example")
    assert not passes("/_ministack/reset", host="events.example.com")
    assert not passes("/v1/track", host="events.example.com", x_amz_target="secretsmanager.GetSecretValue")


def test_websockets_are_closed():
    assert not passes(API, kind="websocket")


def test_the_demo_page_gives_its_key_to_no_other_page():
    stack = SimpleNamespace(public_write_key="a key", page_endpoint="http://x", simulator=None)
    url = page.serve(stack, "messenger", is_real=False)
    for path in ("settings.js", "state", ""):
        for headers in ({}, {"sec-fetch-site": "same-origin"}):
            answer = http_call.request("GET", url + path, headers=headers)
            assert (answer.status, answer.headers["cross-origin-resource-policy"]) == (200, "same-origin")
        for headers in (
            {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"host": "rebound.evil.example"},
        ):
            answer = http_call.request("GET", url + path, headers=headers)
            assert answer.status == 403, (path, headers)
            assert b"a key" not in answer.body


def test_what_has_credentials_is_nobody_elses_to_read(tmp_path):
    path = tmp_path / "env.json"
    path.write_text("of an earlier run")
    path.chmod(0o644)
    run.write_private(path, {"Function": {"AWS_SECRET_ACCESS_KEY": "a key"}})
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_running_stack_is_guarded(stack):
    url, page = stack.emulator_url, {"origin": "https://evil.example"}
    read_secret = {
        "x-amz-target": "secretsmanager.GetSecretValue", "content-type": "application/x-amz-json-1.1",
        "authorization": SIGNED.replace(KEY, "test"),
    }
    body = json.dumps({"SecretId": stack.outputs["SecretArn"]}).encode()
    for headers, status in (
        ({**read_secret, **page}, 403), (read_secret, 403), ({**read_secret, "authorization": SIGNED}, 403),
        # One that looks like a role's gets as far as the emulator, which knows its own.
        ({**read_secret, "authorization": SIGNED.replace(KEY, "ASIA0123456789ABCDEF")}, 400),
    ):
        answer = stack.request("POST", url, body, headers)
        assert answer.status == status
        assert b"access_token" not in answer.body
    # A page that gave its own name this machine's address, and one that uses the API's domain.
    api = stack.page_endpoint.split("/")[2]
    for host in ("rebound.evil.example", api, "00000000.execute-api.localhost", f"127.0.0.1:{stack.port}"):
        for method, path in (
            ("POST", "/_ministack/reset"), ("POST", "/_ministack/config"), ("GET", "/_ministack/sqs/messages"),
            ("GET", "/_localstack/health"),
        ):
            for signature in ({}, {"authorization": SIGNED.replace(KEY, "NOBODY")}):
                answer = stack.request(method, url + path, b"{}", {"host": host, **signature})
                assert answer.status == 403, (host, path)
                assert b"guard" in answer.body
    queue = {"authorization": SIGNED.replace(KEY, "NOBODY").replace("secretsmanager", "sqs"),
             "x-amz-target": "AmazonSQS.ReceiveMessage", "content-type": "application/x-amz-json-1.0"}
    body = json.dumps({"QueueUrl": stack.outputs["RetryQueueUrl"]}).encode()
    assert stack.request("POST", url, body, queue).status == 403
    assert stack.request("GET", f"{stack.page_endpoint}/health", headers={"host": api}).status == 200
    assert stack.request("OPTIONS", url, headers=page).status == 403
    assert stack.request("GET", f"{url}/_ministack/health", headers=page).status == 403
    health = stack.request("GET", f"{stack.endpoint}/health", headers=page)
    assert (health.status, health.json()["status"]) == (200, "ok")
    assert len(CREDENTIALS["AWS_ACCESS_KEY_ID"]) > 32
