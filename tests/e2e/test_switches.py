"""What the template makes only when asked: the ways in for Segment's AWS destinations, a domain, a web ACL, and what
the rules of a company ask for."""

import json
import uuid
from functools import partial

import boto3
import pytest
from botocore.exceptions import ClientError

from calls import SUCCESS, call, contact, events_of
from environment import CREDENTIALS, REGION
from refusals import no_queueing
from stack import STACK_NAME
from tools import ROOT

EVENT = json.loads((ROOT / "events" / "eventbridge-track.json").read_text())
EVENT_SOURCE = EVENT["source"]
DOMAIN = {
    "DomainName": "events.example.com",
    "CertificateArn": f"arn:aws:acm:{REGION}:000000000000:certificate/0d6c3b1e",
}
OFF = {
    "SegmentEventSource": "", "SegmentExternalIds": "", "DomainName": "", "CertificateArn": "", "AlarmEmail": "",
    "AccessLog": "off",
}
DEFAULTS = {
    **OFF, "ThrottlingRateLimit": "500", "ThrottlingBurstLimit": "1000", "MemorySize": "256", "Tracing": "off",
    "PermissionsBoundaryArn": "", "RolePath": "/", "KmsKeyArn": "", "AwsEndpoint": "on",
}
SEGMENT_ACCOUNT = "595280932656"


def event_of_eventbridge():
    """The sample, as one that wasn't there before: what comes again is skipped."""
    return {**EVENT, "detail": {**EVENT["detail"], "messageId": str(uuid.uuid4())}}


@pytest.fixture
def switch(stack):
    """Changes parameters for one test."""
    values = {}

    def change(**parameters):
        stack.update(**parameters)
        values.update(parameters)

    yield change
    failed = stack.outputs.get("FailedInvocationQueueUrl")
    changed = {name: DEFAULTS[name] for name, value in values.items() if value != DEFAULTS[name]}
    if changed:
        stack.update(**changed)
    if failed:
        stack.aws("sqs").delete_queue(QueueUrl=failed)


@pytest.fixture
def event_bus(stack):
    """What the console's "Associate with event bus" makes."""
    events = stack.aws("events")
    events.create_event_bus(Name=EVENT_SOURCE, EventSourceName=EVENT_SOURCE)
    yield EVENT_SOURCE
    events.delete_event_bus(Name=EVENT_SOURCE)


def test_nothing_of_it_is_there_unasked(stack, switch, event_bus):
    template = stack.aws("cloudformation").get_template(StackName=STACK_NAME, TemplateStage="Processed")
    conditional = {
        name for name, resource in template["TemplateBody"]["Resources"].items() if "Condition" in resource
    } - {"Secret", "StackDashboard", "IdleQueueAlarm"}
    assert {"EventBridgeRule", "SegmentRole", "Domain", "WebAclAssociation"} <= conditional
    before, outputs = stack.resources(), stack.outputs
    assert not conditional & before.keys()

    switch(SegmentEventSource=event_bus, SegmentExternalIds="workspace-1", AlarmEmail="on-call@example.com",
           AccessLog="on", **DOMAIN)
    # The emulator has no AWS::WAFv2::WebACLAssociation.
    assert stack.resources().keys() - before.keys() == conditional - {"WebAclAssociation"}
    failed = stack.outputs["FailedInvocationQueueUrl"]
    assert stack.outputs.keys() - outputs.keys() == {"FailedInvocationQueueUrl", "SegmentRoleArn", "DomainTarget"}

    switch(**OFF)
    assert (stack.resources(), stack.outputs) == (before, outputs)
    # It may hold the only copy of an event.
    stack.aws("sqs").delete_queue(QueueUrl=failed)


# Amazon EventBridge


def test_an_event_of_the_partner_event_source_is_delivered(stack, switch, event_bus):
    switch(SegmentEventSource=event_bus)
    events = stack.aws("events")
    rule = {"Name": STACK_NAME, "EventBusName": event_bus}
    pattern = events.describe_rule(**rule)["EventPattern"]
    for source, matches in ((EVENT_SOURCE, True), ("aws.partner/segment.com/other", False), ("mine", False)):
        event = json.dumps({**EVENT, "source": source})
        assert events.test_event_pattern(EventPattern=pattern, Event=event)["Result"] == matches, source

    # Only partners may send as `aws.partner/…`, so the rule lets another source in for once.
    events.put_rule(**rule, EventPattern='{"source": ["partner"]}')
    stack.send("/v1/identify", call("identify", "user-1"))
    sent = events.put_events(Entries=[{
        "EventBusName": event_bus, "Source": "partner", "DetailType": EVENT["detail-type"],
        "Detail": json.dumps(event_of_eventbridge()["detail"]),
    }])
    assert sent["FailedEntryCount"] == 0
    stack.wait_for(lambda: events_of(stack, "user-1") == ["Subscription Renewed"], "the event of the bus")


def test_the_rule_alone_may_invoke_the_function_and_fill_its_queue(stack, switch, event_bus):
    switch(SegmentEventSource=event_bus)
    events = stack.aws("events")
    rule = events.describe_rule(Name=STACK_NAME, EventBusName=event_bus)["Arn"]
    (target,) = events.list_targets_by_rule(Rule=STACK_NAME, EventBusName=event_bus)["Targets"]
    attributes = stack.aws("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["FailedInvocationQueueUrl"], AttributeNames=["QueueArn", "Policy"])["Attributes"]
    assert target["Arn"] == stack.outputs["FunctionArn"]
    assert target["DeadLetterConfig"]["Arn"] == attributes["QueueArn"]

    function_policy = stack.aws("lambda").get_policy(FunctionName=stack.outputs["FunctionName"])["Policy"]
    for policy, action, resource in (
        (function_policy, "lambda:InvokeFunction", stack.outputs["FunctionArn"]),
        (attributes["Policy"], "sqs:SendMessage", attributes["QueueArn"]),
    ):
        (statement,) = (
            each for each in json.loads(policy)["Statement"]
            if each["Principal"] == {"Service": "events.amazonaws.com"}
        )
        assert (statement["Action"], statement["Resource"]) == (action, resource)
        (condition,) = statement["Condition"].values()
        assert list(condition.values()) == [rule]


def test_an_event_that_nobody_would_keep_is_kept_for_another_try(stack, switch, event_bus):
    switch(SegmentEventSource=event_bus)
    stack.send("/v1/identify", call("identify", "user-1"))
    stack.simulator.fail(kind="status", status=503)
    event = event_of_eventbridge()
    with no_queueing(stack):
        # As EventBridge does: without waiting for the answer.
        stack.aws("lambda").invoke(
            FunctionName=stack.outputs["FunctionName"], InvocationType="Event", Payload=json.dumps(event).encode())
        message = stack.wait_for(lambda: receive(stack), "the failed invocation")
    stack.simulator.recover()
    record = json.loads(message["Body"])
    assert record["responsePayload"]["errorType"] == "EventsLost"
    assert record["requestPayload"] == event
    _, error = stack.invoke(record["requestPayload"])
    assert error is None
    assert events_of(stack, "user-1") == ["Subscription Renewed"]


def test_the_function_may_write_that_record(stack, switch, event_bus):
    switch(SegmentEventSource=event_bus)
    queue = stack.aws("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["FailedInvocationQueueUrl"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert decisions(stack, queue, "sqs:SendMessage", "sqs:PurgeQueue", "sqs:DeleteQueue") == {
        "sqs:SendMessage": "allowed", "sqs:PurgeQueue": "implicitDeny", "sqs:DeleteQueue": "implicitDeny"}


def receive(stack):
    answer = stack.aws("sqs").receive_message(QueueUrl=stack.outputs["FailedInvocationQueueUrl"])
    return next(iter(answer.get("Messages", [])), None)


# Amazon Lambda destination


def test_segment_invokes_the_function_with_its_external_id_and_does_nothing_else(stack, switch):
    switch(SegmentExternalIds="workspace-1,workspace-2")
    for external_id in ({}, {"ExternalId": "workspace-3"}, {"ExternalId": "workspace-1,workspace-2"}):
        assert refused(partial(assume_role, stack, SEGMENT_ACCOUNT, **external_id)), external_id
    assert refused(lambda: assume_role(stack, "111122223333", ExternalId="workspace-1"))

    for external_id in ("workspace-1", "workspace-2"):
        segment = assume_role(stack, SEGMENT_ACCOUNT, ExternalId=external_id)
        payload = json.dumps(call("identify", external_id)).encode()
        answer = segment("lambda").invoke(FunctionName=stack.outputs["FunctionArn"], Payload=payload)
        assert "FunctionError" not in answer
        assert contact(stack, external_id)

    for attempt in (
        lambda: segment("lambda").get_function(FunctionName=stack.outputs["FunctionArn"]),
        lambda: segment("lambda").invoke(FunctionName=f"{stack.outputs['FunctionArn']}-other"),
        lambda: segment("secretsmanager").get_secret_value(SecretId=stack.outputs["SecretArn"]),
        lambda: segment("sqs").receive_message(QueueUrl=stack.outputs["DeadLetterQueueUrl"]),
    ):
        assert refused(attempt)


def assume_role(stack, account, **external_id):
    """Takes Segment's role from an account. Gives a maker of clients that act in the role."""
    # The emulator takes an account's number as the access key of its root.
    sts = client(stack, "sts", account, CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    role = sts.assume_role(RoleArn=stack.outputs["SegmentRoleArn"], RoleSessionName="segment", **external_id)
    key, secret, token = (role["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    return lambda service: client(stack, service, key, secret, token)


def client(stack, service, key, secret, token=None):
    return boto3.client(
        service, endpoint_url=stack.emulator_url, region_name=REGION,
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token)


def refused(attempt):
    """Whether AWS says that somebody may not do this."""
    try:
        attempt()
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), error
        return True
    return False


# The API


def test_a_domain_needs_no_stage(stack, switch):
    switch(**DOMAIN)
    assert stack.outputs["EndpointUrl"] == "https://events.example.com"
    headers = {"host": DOMAIN["DomainName"], **stack.authorization()}
    body = json.dumps({"batch": [call("identify", "u-1")]}).encode()
    answer = stack.request("POST", f"{stack.emulator_url}/v1/batch", body, headers)
    assert (answer.status, answer.json()) == (200, SUCCESS)
    assert contact(stack, "u-1")


@pytest.mark.parametrize(("parameters", "named"), [
    ({"DomainName": "events.example.com"}, "CertificateArn"),
    ({"AwsEndpoint": "off"}, "DomainName"),
    ({"IntercomBaseUrl": "http://intercom.example.com"}, "IntercomBaseUrl"),
    ({"IntercomVersion": "2.12"}, "IntercomVersion"),
    ({"SegmentEventSource": "aws.partner/example.com/1"}, "SegmentEventSource"),
    ({"SegmentExternalIds": "workspace-1,,workspace-2"}, "SegmentExternalIds"),
    ({"SegmentExternalIds": "workspace-1", "SegmentPrincipalArn": "*"}, "SegmentPrincipalArn"),
    ({"WebAclArn": "arn:aws:wafv2:us-east-1:000000000000:global/webacl/mine/1"}, "WebAclArn"),
    ({"MemorySize": "128"}, "MemorySize"),
    ({"PermissionsBoundaryArn": "boundary"}, "PermissionsBoundaryArn"),
    ({"RolePath": "/segment"}, "RolePath"),
    ({"KmsKeyArn": f"arn:aws:kms:{REGION}:000000000000:alias/mine"}, "KmsKeyArn"),
])
def test_a_parameter_that_cannot_work_is_refused_before_anything_changes(stack, parameters, named):
    with pytest.raises(ClientError, match=named):
        stack.update(**parameters)


def test_awss_own_address_is_turned_off_by_a_change_of_the_stage(stack, switch):
    """Of the API alone it has no effect until its stage or deployment changes."""
    def stage():
        return stack.aws("apigateway").get_stage(restApiId=stack.resources()["Api"], stageName="prod")

    (transformed,) = (each["Properties"] for each in processed(stack).values()
                      if each["Type"] == "AWS::ApiGateway::Stage")
    assert transformed["Variables"] == {"AwsEndpoint": {"Ref": "AwsEndpoint"}}
    before = stage()
    switch(AwsEndpoint="off", **DOMAIN)
    assert stage().get("variables") != before.get("variables")


def test_more_requests_than_allowed_are_told_to_wait(stack, switch):
    switch(ThrottlingRateLimit="1", ThrottlingBurstLimit="1")
    statuses = [stack.request("GET", stack.endpoint + "/health").status for _ in range(10)]
    assert statuses[0] == 200
    assert 429 in statuses


# What a company's rules ask for


def test_a_key_of_ones_own_encrypts_what_holds_events_and_tokens(stack, switch, event_bus):
    key = stack.aws("kms").create_key()["KeyMetadata"]["Arn"]
    assert allowed(stack, key, "kms:Decrypt", "kms:GenerateDataKey") == []
    switch(KmsKeyArn=key, SegmentEventSource=event_bus)
    queues = ("RetryQueueUrl", "WaitingQueueUrl", "DeadLetterQueueUrl", "MovedBySqsQueueUrl",
              "FailedInvocationQueueUrl")
    for queue in queues:
        attributes = stack.aws("sqs").get_queue_attributes(
            QueueUrl=stack.outputs[queue], AttributeNames=["All"])["Attributes"]
        assert attributes["KmsMasterKeyId"] == key, queue
    secret = stack.aws("secretsmanager").describe_secret(SecretId=stack.outputs["SecretArn"])
    assert secret["KmsKeyId"] == key
    assert allowed(stack, key, "kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:ScheduleKeyDeletion") == [
        "kms:Decrypt", "kms:GenerateDataKey"]


def test_every_role_has_the_path_and_the_boundary(stack, switch):
    switch(RolePath="/events/segment/", SegmentExternalIds="workspace-1")
    for name in ("FunctionRole", "SegmentRole"):
        assert stack.aws("iam").get_role(RoleName=stack.resources()[name])["Role"]["Path"] == "/events/segment/", name
    # The emulator's CloudFormation leaves boundaries out.
    roles = [each["Properties"] for each in processed(stack).values() if each["Type"] == "AWS::IAM::Role"]
    boundary = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    assert [role["PermissionsBoundary"] for role in roles] == [boundary] * 2


def test_memory_tracing_and_access_log_are_as_asked(stack, switch):
    actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    function = partial(
        stack.aws("lambda").get_function_configuration, FunctionName=stack.outputs["FunctionName"])
    stage = partial(stack.aws("apigateway").get_stage, restApiId=stack.resources()["Api"], stageName="prod")
    assert (function()["MemorySize"], function()["TracingConfig"]["Mode"]) == (256, "PassThrough")
    assert not stage().get("tracingEnabled")
    assert allowed(stack, "*", *actions) == []

    switch(MemorySize="512", Tracing="on", AccessLog="on")
    assert (function()["MemorySize"], function()["TracingConfig"]["Mode"]) == (512, "Active")
    assert stage()["tracingEnabled"]
    # The emulator's CloudFormation leaves the stage's log out.
    (api,) = (each for each in processed(stack).values() if each["Type"] == "AWS::ApiGateway::Stage")
    condition, log, _ = api["Properties"]["AccessLogSetting"]["Fn::If"]
    assert (condition, log["DestinationArn"]) == ("LogsAccess", {"Fn::GetAtt": ["AccessLogGroup", "Arn"]})
    # The path of the settings holds a write key.
    assert "status" in json.loads(log["Format"]) and "ath" not in log["Format"]
    assert allowed(stack, "*", *actions) == actions


def allowed(stack, resource, *actions):
    """Which of the actions the function's role may do."""
    return sorted(
        action for action, decision in decisions(stack, resource, *actions).items() if decision == "allowed")


def decisions(stack, resource, *actions):
    """What IAM says of each of the actions by the function's role."""
    iam = stack.aws("iam")
    role = iam.get_role(RoleName=stack.resources()["FunctionRole"])["Role"]["Arn"]
    answers = iam.simulate_principal_policy(PolicySourceArn=role, ResourceArns=[resource], ActionNames=actions)
    return {answer["EvalActionName"]: answer["EvalDecision"] for answer in answers["EvaluationResults"]}


def processed(stack):
    """The template's resources, after the SAM transform."""
    template = stack.aws("cloudformation").get_template(StackName=STACK_NAME, TemplateStage="Processed")
    return template["TemplateBody"]["Resources"]
