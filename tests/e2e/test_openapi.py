"""What we send to Intercom, and what the simulator answers, against Intercom's own description."""

import json
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from calls import call, visitor_call

DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "intercom" / "openapi-2.16.yaml"
HOST = "https://api.intercom.io"


class LoggedRequest:
    """A line of the simulator's log, as openapi-core wants a request."""

    def __init__(self, entry):
        self.host_url = HOST
        self.path = entry["path"]
        self.method = entry["method"].lower()
        self.content_type = entry["headers"].get("content-type", "")
        self.body = json.dumps(entry["request_body"]).encode() if entry["request_body"] is not None else None
        # The log keeps no token, only whether it was accepted.
        authorization = {"authorization": "Bearer token"} if entry["authorization"] == "accepted" else {}
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(entry["query"])),
            header=Headers({**entry["headers"], **authorization}),
        )


class LoggedResponse:
    """The answer in the same line."""

    def __init__(self, entry):
        self.status_code = entry["status"]
        self.headers = Headers(entry["response_headers"])
        self.content_type = entry["response_headers"].get("content-type", "")
        self.data = json.dumps(entry["response_body"]).encode() if entry["response_body"] is not None else b""


@pytest.fixture(scope="module")
def description():
    if not DESCRIPTION.is_file():
        pytest.skip("Intercom's OpenAPI description (../shared/intercom/openapi-2.16.yaml) is not on this machine")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(DESCRIPTION.read_text(), Loader=loader)
    add_what_is_only_in_the_documentation(document)
    # The file declares a path parameter too few, of an operation that isn't ours.
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def add_what_is_only_in_the_documentation(document):
    """Errors that the file leaves out of an operation are error lists like all others, and an
    event's metadata holds numbers, amounts and links as well as strings."""
    schema = {"$ref": "#/components/schemas/error"}
    error = {"description": "error", "content": {"application/json": {"schema": schema}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            if "responses" in operation:
                operation["responses"]["default"] = error
    event = document["components"]["schemas"]["create_data_event_request"]
    event["properties"]["metadata"]["additionalProperties"] = {"anyOf": [
        {"type": "string"},
        {"type": "number"},
        closed_object(amount={"type": "integer", "minimum": 1}, currency={"type": "string"}),
        closed_object(url={"type": "string"}, value={"type": "string"}),
    ]}


def closed_object(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def exercise(stack):
    """Makes the function send every request that it knows."""
    traits = {
        "email": "ada@example.com", "name": "Ada", "phone": "+442071234567", "createdAt": "2024-03-01T09:30:00Z",
        "seats": 12, "trial": True, "company": {"id": "acme", "name": "Acme", "plan": "Pro", "monthlySpend": 490},
    }
    stack.send("/v1/identify", visitor_call("identify", "visitor", traits={"seen": "Pricing"}))
    stack.send("/v1/identify", call("identify", "u-1", traits=traits))
    stack.send("/v1/identify", call("identify", "u-1", traits={"name": "Ada Lovelace"}))
    stack.send("/v1/group", call("group", "u-1", groupId="acme", traits={"employees": 48, "region": "North"}))
    stack.send("/v1/track", call("track", "u-1", event="Order Completed", properties={"total": 19.99, "plan": "Pro"}))
    stack.send("/v1/alias", call("alias", "u-1", previousId="visitor"))
    stack.send("/v1/identify", call("identify", "u-1", traits={"company": {"id": "acme", "remove": True}}))
    stack.send("/v1/track", call("track", "u-nobody", event="Lost"))
    stack.send_webhook("/webhook", call("delete", "u-1"))
    stack.send_webhook("/webhook", call("delete", "u-nobody"))
    assert stack.settle(60)
    return stack.simulator.requests()


def test_requests_and_answers_are_as_described(stack, description):
    entries = exercise(stack)
    assert entries
    problems = []
    for entry in entries:
        request = LoggedRequest(entry)
        checks = {
            "request": partial(description.validate_request, request),
            "answer": partial(description.validate_response, request, LoggedResponse(entry)),
        }
        for name, check in checks.items():
            try:
                check()
            except OpenAPIError as error:
                problems.append(f"{entry['method']} {entry['path']} {entry['status']}: {name}: {explained(error)}")
    assert not problems, "\n".join(dict.fromkeys(problems))


def test_requests_are_as_a_good_client_sends_them(stack):
    for entry in exercise(stack):
        assert entry["violations"] == []
        assert entry["authorization"] == "accepted"
        assert entry["headers"]["intercom-version"] == "2.16"


def explained(error):
    """An OpenAPI error with its causes."""
    causes = []
    while error:
        details = getattr(error, "schema_errors", None)
        causes.append(f"{error}" + (f" {[each.message for each in details]}" if details else ""))
        error = error.__cause__
    return " ← ".join(causes)
