"""How the deployed function is brought to refuse events with answers of its own."""

import json
from contextlib import contextmanager

# In an event's properties or traits: more than the function can queue in `nowhere_to_put_events`.
PADDING = "x" * 2048


@contextmanager
def nowhere_to_put_events(stack):
    """Intercom takes no events, and the retry queue no message over 1 KB: what has PADDING is answered 503."""
    stack.simulator.fail(kind="status", status=503, match={"path_prefix": "/events"})
    limit_messages(stack, 1024)
    try:
        yield
    finally:
        stack.simulator.recover()
        limit_messages(stack, 1024 * 1024)


@contextmanager
def no_queueing(stack):
    """Takes the function's permission to queue."""
    iam, role = stack.aws("iam"), {"RoleName": stack.resources()["FunctionRole"], "PolicyName": "no-queueing"}
    denial = {"Effect": "Deny", "Action": "sqs:SendMessage*", "Resource": "*"}
    iam.put_role_policy(**role, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denial]}))
    try:
        yield
    finally:
        iam.delete_role_policy(**role)


def limit_messages(stack, size):
    stack.aws("sqs").set_queue_attributes(
        QueueUrl=stack.outputs["RetryQueueUrl"], Attributes={"MaximumMessageSize": str(size)})


@contextmanager
def without_write_keys(stack):
    """Deployed, but the secret isn't filled yet: every call is answered 503 `not_configured`."""
    put_secret(stack, {**stack.secret, "write_keys": [], "public_write_keys": []})
    try:
        yield
    finally:
        put_secret(stack, stack.secret)


def put_secret(stack, secret):
    stack.aws("secretsmanager").put_secret_value(
        SecretId=stack.outputs["SecretArn"], SecretString=json.dumps(secret))
    set_variables(stack, stack.function_environment())


@contextmanager
def function_with(stack, **changed):
    """Other variables of the function."""
    variables = stack.function_environment()
    set_variables(stack, {**variables, **changed})
    try:
        yield
        # An instance that is ended in the middle of a batch leaves its messages hidden for minutes.
        stack.settle(30)
    finally:
        set_variables(stack, variables)


def set_variables(stack, variables):
    """Ends the function's instances. New ones have these variables and read the secret anew."""
    function = {"FunctionName": stack.outputs["FunctionName"]}
    client = stack.aws("lambda")
    client.update_function_configuration(**function, Environment={"Variables": variables})
    client.get_waiter("function_updated_v2").wait(**function, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
