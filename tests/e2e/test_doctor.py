"""`tickets doctor` finds each fault that is planted in a running stack, and nothing else.

The engine of this file has a topic for its alarms.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import boto3
import pytest

from tests.support.running_stack import RunningStack, until
from tickets.doctor.deployment import Deployment
from tickets.doctor.diagnosis import CALLS, CHECKS, diagnose, run
from tickets.doctor.findings import FAILED, OK, UNDO, UNKNOWN, WARNING, Verdict
from tickets.local.deployment import local_stack
from tickets.runs.stack import Stack

TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
# What the engine doesn't implement; docs/emulator.md.
CANT_TELL = {"concurrency", "throughput", "encryption", "backups", "ringing alarms"}

Plant = Callable[[RunningStack], AbstractContextManager[object]]


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with local_stack(parameters={"AlarmTopicArn": TOPIC}) as local:
        stack = RunningStack(local)
        sns = local.stack.client("sns")
        assert sns.create_topic(Name="alarms")["TopicArn"] == TOPIC
        queue = queue_arn(stack, stack.names.upload_dead_letter_queue_url)
        sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=queue)
        yield stack


def findings(stack: Stack) -> dict[str, Verdict]:
    """The verdict of each check."""
    return {one.check: Verdict(one.status, one.detail, one.next) for one in diagnose(lambda: stack)}


@pytest.fixture(scope="module")
def healthy(stack: RunningStack) -> dict[str, Verdict]:
    return findings(stack.names)


@pytest.fixture(scope="module")
def deployment(stack: RunningStack) -> Deployment:
    """Read once, because no fault changes the names of resources."""
    return Deployment.read(stack.names)


def test_a_healthy_stack_has_no_fault_and_the_engines_gaps_are_named(
    healthy: dict[str, Verdict],
) -> None:
    assert list(healthy) == list(CHECKS)
    assert {name for name, one in healthy.items() if one.status == UNKNOWN} == CANT_TELL
    assert {one.status for name, one in healthy.items() if name not in CANT_TELL} == {OK}
    assert all("engine" in healthy[name].detail for name in CANT_TELL)


# --- faults


def physical(stack: RunningStack, name: str) -> str:
    answer = stack.names.client("cloudformation").describe_stack_resource(
        StackName=stack.names.name, LogicalResourceId=name
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def queue_arn(stack: RunningStack, url: str) -> str:
    answer = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def definition(stack: RunningStack) -> AbstractContextManager[None]:
    def change(definition: dict[str, Any]) -> None:
        definition["States"]["Write Chunks"]["MaxConcurrency"] = 7

    return stack.definition_changed(change)


def code(change: Callable[[dict[str, bytes]], None]) -> Plant:
    """Other files in the deployed code of Reconcile."""

    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        name = stack.names.outputs["ReconcileFunctionName"]
        before = stack.local.engine.client("s3").list_objects_v2(
            Bucket="tickets-local-artifacts", Prefix="functions/"
        )
        [key] = [one["Key"] for one in before["Contents"]]
        location = {"S3Bucket": "tickets-local-artifacts", "S3Key": key}
        body = stack.s3.get_object(Bucket=location["S3Bucket"], Key=key)["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = {one: archive.read(one) for one in archive.namelist()}
        change(files)
        changed = io.BytesIO()
        with zipfile.ZipFile(changed, "w") as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        stack.functions.update_function_code(FunctionName=name, ZipFile=changed.getvalue())
        try:
            yield
        finally:
            stack.functions.update_function_code(FunctionName=name, **location)

    return plant


def edited(files: dict[str, bytes]) -> None:
    files["ingestion/errors.py"] += b"\n"


def added(files: dict[str, bytes]) -> None:
    files["ingestion/tasks/another.py"] = b""


def removed(files: dict[str, bytes]) -> None:
    del files["handlers/reconcile.py"]


def variable(stack: RunningStack) -> AbstractContextManager[None]:
    variables = {"MAX_ROWS_PER_SECOND": "9"}
    return stack.function_changed("WriteChunk", Environment={"Variables": variables})


def timeout(stack: RunningStack) -> AbstractContextManager[None]:
    return stack.function_changed("WriteChunk", Timeout=30)


@contextlib.contextmanager
def stopped(stack: RunningStack) -> Iterator[None]:
    name = stack.names.outputs["StartExecutionFunctionName"]
    stack.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        stack.functions.delete_function_concurrency(FunctionName=name)


def action(stack: RunningStack) -> AbstractContextManager[str]:
    return stack.without_action("WriteChunk", "WriteItems", "dynamodb:BatchWriteItem", 0)


@contextlib.contextmanager
def deny(stack: RunningStack) -> Iterator[None]:
    role = physical(stack, "IngestRole")
    statement = {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stack.iam.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=document)
    try:
        yield
    finally:
        stack.iam.delete_role_policy(RoleName=role, PolicyName="deny")


def notification(change: Callable[[dict[str, Any]], None]) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        def put(configuration: dict[str, Any]) -> None:
            stack.s3.put_bucket_notification_configuration(
                Bucket=stack.names.upload_bucket,
                NotificationConfiguration=configuration,
                SkipDestinationValidation=True,
            )

        answer = stack.s3.get_bucket_notification_configuration(Bucket=stack.names.upload_bucket)
        before = {"QueueConfigurations": answer["QueueConfigurations"]}
        changed: dict[str, Any] = json.loads(json.dumps(before))
        change(changed)
        put(changed)
        try:
            yield
        finally:
            put(before)

    return plant


def no_gzip(configuration: dict[str, Any]) -> None:
    configuration["QueueConfigurations"] = [
        one
        for one in configuration["QueueConfigurations"]
        if one["Filter"]["Key"]["FilterRules"][0]["Value"] != ".csv.gz"
    ]


def one_folder(configuration: dict[str, Any]) -> None:
    for one in configuration["QueueConfigurations"]:
        one["Filter"]["Key"]["FilterRules"].append({"Name": "prefix", "Value": "shops/"})


def attribute(queue: str, **attributes: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        url = stack.names.outputs[queue]
        answer = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes))
        stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        try:
            yield
        finally:
            stack.sqs.set_queue_attributes(QueueUrl=url, Attributes=answer["Attributes"])

    return plant


def event_source(**changes: Any) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        [found] = stack.functions.list_event_source_mappings()["EventSourceMappings"]
        good = {
            "Enabled": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 2},
        }
        stack.functions.update_event_source_mapping(UUID=found["UUID"], **changes)
        try:
            yield
        finally:
            before = {setting: good[setting] for setting in changes}
            stack.functions.update_event_source_mapping(UUID=found["UUID"], **before)

    return plant


@contextlib.contextmanager
def rule_disabled(stack: RunningStack) -> Iterator[None]:
    events, rule = stack.names.client("events"), physical(stack, "UncaughtEndingsRule")
    events.disable_rule(Name=rule)
    try:
        yield
    finally:
        events.enable_rule(Name=rule)


@contextlib.contextmanager
def rule_changed(stack: RunningStack) -> Iterator[None]:
    events, rule = stack.names.client("events"), physical(stack, "UncaughtEndingsRule")
    before = events.describe_rule(Name=rule)["EventPattern"]
    events.put_rule(Name=rule, EventPattern='{"source": ["aws.states"]}')
    try:
        yield
    finally:
        events.put_rule(Name=rule, EventPattern=before)


@contextlib.contextmanager
def no_target(stack: RunningStack) -> Iterator[None]:
    events, rule = stack.names.client("events"), physical(stack, "UncaughtEndingsRule")
    targets = events.list_targets_by_rule(Rule=rule)["Targets"]
    events.remove_targets(Rule=rule, Ids=[one["Id"] for one in targets])
    try:
        yield
    finally:
        events.put_targets(Rule=rule, Targets=targets)


@contextlib.contextmanager
def versions_suspended(stack: RunningStack) -> Iterator[None]:
    def put(status: str) -> None:
        stack.s3.put_bucket_versioning(
            Bucket=stack.names.upload_bucket, VersioningConfiguration={"Status": status}
        )

    put("Suspended")
    try:
        yield
    finally:
        put("Enabled")


def alarm(change: Callable[[Any, dict[str, Any]], None]) -> Plant:
    """Another LoadsFailedAlarm."""

    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        cloudwatch, name = stack.names.client("cloudwatch"), physical(stack, "LoadsFailedAlarm")
        [before] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        accepted = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape
        kept = {setting: before[setting] for setting in accepted.members if setting in before}
        change(cloudwatch, dict(kept))
        try:
            yield
        finally:
            cloudwatch.put_metric_alarm(**kept)
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="test")

    return plant


def delete(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.delete_alarms(AlarmNames=[found["AlarmName"]])


def disable(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.disable_alarm_actions(AlarmNames=[found["AlarmName"]])


def without_actions(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.put_metric_alarm(**{**found, "AlarmActions": []})


def ring(cloudwatch: Any, found: dict[str, Any]) -> None:
    cloudwatch.set_alarm_state(AlarmName=found["AlarmName"], StateValue="ALARM", StateReason="test")


@contextlib.contextmanager
def unsubscribed(stack: RunningStack) -> Iterator[None]:
    sns = stack.names.client("sns")
    [found] = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
    try:
        yield
    finally:
        sns.subscribe(TopicArn=TOPIC, Protocol=found["Protocol"], Endpoint=found["Endpoint"])


def message(queue: str) -> Plant:
    @contextlib.contextmanager
    def plant(stack: RunningStack) -> Iterator[None]:
        url = stack.names.outputs[queue]
        stack.sqs.send_message(QueueUrl=url, MessageBody="{}")
        try:
            yield
        finally:
            stack.received(url, 1)

    return plant


@pytest.mark.parametrize(
    ("check", "plant", "words", "next_step"),
    [
        ("definition", definition, "States.Write Chunks.MaxConcurrency", "sam build && sam deploy"),
        (
            "code",
            code(edited),
            "Reconcile differs from this checkout in ingestion/errors.py",
            "sam",
        ),
        ("code", code(added), "ingestion/tasks/another.py", "sam build && sam deploy"),
        ("code", code(removed), "handlers/reconcile.py", "sam build && sam deploy"),
        ("functions", variable, "WriteChunk has another MAX_ROWS_PER_SECOND", UNDO),
        ("functions", timeout, "WriteChunk has another Timeout", UNDO),
        ("functions", stopped, "StartExecution is stopped", UNDO),
        ("permissions", action, "is denied dynamodb:BatchWriteItem on", UNDO),
        ("permissions", deny, "is denied sqs:SendMessage on", UNDO),
        ("upload notification", notification(no_gzip), "no event for .csv.gz to", UNDO),
        ("upload notification", notification(one_folder), ".csv, .CSV, .csv.gz to", UNDO),
        ("upload notification", notification(dict.clear), ".csv, .CSV, .csv.gz to", UNDO),
        (
            "upload queue",
            attribute("UploadQueueUrl", Policy=""),
            "policy doesn't let the upload bucket send",
            UNDO,
        ),
        (
            "upload queue",
            attribute("UploadQueueUrl", RedrivePolicy=""),
            "has no dead-letter queue",
            UNDO,
        ),
        (
            "event source",
            event_source(Enabled=False),
            "it is Disabled",
            "aws lambda update-event-source-mapping",
        ),
        (
            "event source",
            event_source(FunctionResponseTypes=[]),
            "no ReportBatchItemFailures",
            UNDO,
        ),
        ("event source", event_source(ScalingConfig={}), "no MaximumConcurrency", UNDO),
        ("uncaught endings", rule_disabled, "the rule is DISABLED", UNDO),
        ("uncaught endings", rule_changed, "another pattern", UNDO),
        ("uncaught endings", no_target, "is not the rule's target", UNDO),
        (
            "uncaught endings",
            attribute("FailedExecutionsQueueUrl", Policy=""),
            "policy doesn't let the rule send",
            UNDO,
        ),
        ("backups", versions_suspended, "keeps no versions", "aws s3api put-bucket-versioning"),
        ("alarms", alarm(delete), "LoadsFailedAlarm doesn't exist", UNDO),
        ("alarms", alarm(disable), "actions of LoadsFailedAlarm are disabled", UNDO),
        ("alarms", alarm(without_actions), "LoadsFailedAlarm doesn't notify the topic", UNDO),
        ("alarm topic", unsubscribed, "has no subscription", "aws sns subscribe"),
        ("ringing alarms", alarm(ring), "LoadsFailedAlarm", "docs/operations.md#load-failed"),
        (
            "dead letters",
            message("FailedExecutionsQueueUrl"),
            "wait: about 1; uploads that started none: about 0",
            "tickets dead-letters",
        ),
        (
            "dead letters",
            message("UploadDeadLetterQueueUrl"),
            "wait: about 0; uploads that started none: about 1",
            "tickets dead-letters",
        ),
    ],
)
def test_a_planted_fault_is_found(
    stack: RunningStack,
    deployment: Deployment,
    healthy: dict[str, Verdict],
    check: str,
    plant: Plant,
    words: str,
    next_step: str,
) -> None:
    with plant(stack):
        wait_for_updates(deployment)
        found = {name: run(one, deployment) for name, one in CHECKS.items()}
    assert found[check].status == FAILED
    assert words in found[check].detail
    assert next_step in (found[check].next or "")
    assert {**found, check: None} == {**healthy, check: None}, "no other check is affected"
    wait_for_updates(deployment)
    assert run(CHECKS[check], deployment).status == healthy[check].status


def wait_for_updates(deployment: Deployment) -> None:
    """Lambda changes functions in the background."""
    functions = CHECKS["functions"]
    until(lambda: run(functions, deployment).status != WARNING, "the end of all updates", 20)


# --- permissions of the user


@contextlib.contextmanager
def user(stack: RunningStack, permissions: list[str]) -> Iterator[Stack]:
    """The stack as it is seen by a user who has these permissions only."""
    iam = stack.iam
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": permissions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="reader", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    try:
        session = boto3.Session(
            key["AccessKeyId"], key["SecretAccessKey"], region_name=stack.names.region
        )
        yield Stack.find(stack.names.name, stack.names.endpoint_url, stack.names.region, session)
    finally:
        iam.delete_access_key(UserName="reader", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="reader", PolicyName="reader")
        iam.delete_user(UserName="reader")


def test_the_documented_permissions_suffice(
    stack: RunningStack, healthy: dict[str, Verdict]
) -> None:
    with user(stack, sorted(CALLS.values())) as names:
        assert findings(names) == healthy


def test_a_missing_permission_is_named_and_fails_nothing(
    stack: RunningStack, healthy: dict[str, Verdict]
) -> None:
    with user(stack, ["cloudformation:DescribeStacks", "cloudformation:ListStackResources"]) as it:
        found = findings(it)
    assert FAILED not in {one.status for one in found.values()}
    denied = {name: one.next for name, one in found.items() if "your credentials" in one.detail}
    assert denied == {
        "definition": "allow states:DescribeStateMachine",
        "code": "allow lambda:GetFunction",
        "functions": "allow lambda:GetFunction",
        "permissions": "allow iam:SimulatePrincipalPolicy",
        "upload notification": "allow s3:GetBucketNotification",
        "upload queue": "allow sqs:GetQueueAttributes",
        "event source": "allow lambda:ListEventSourceMappings",
        "uncaught endings": "allow events:DescribeRule",
        "table": "allow dynamodb:DescribeTable",
        "ledger": "allow dynamodb:DescribeTable",
        "backups": "allow s3:GetBucketVersioning",
        "alarms": "allow cloudwatch:DescribeAlarms",
        "alarm topic": "allow sns:ListSubscriptionsByTopic",
        "ringing alarms": "allow cloudwatch:DescribeAlarms",
        "dead letters": "allow sqs:GetQueueAttributes",
    }
    assert healthy.keys() == found.keys()


def test_without_a_stack_the_only_finding_is_that(stack: RunningStack) -> None:
    names = stack.names

    def find() -> Stack:
        return Stack.find("another", names.endpoint_url, names.region, names.session)

    found = list(diagnose(find))
    assert [(one.check, one.status) for one in found] == [("clock", OK), ("stack", FAILED)]
    assert "There is no stack another" in found[1].detail
