"""`tickets doctor` finds each fault that is planted in a running stack, and nothing else.

The engine of this file has a topic for its alarms.
"""

import contextlib
import json
from collections.abc import Iterator

import boto3
import pytest

from tests.support import planted_faults as faults
from tests.support.planted_faults import TOPIC, Plant, queue_arn
from tests.support.running_stack import RunningStack, until
from tickets.doctor.deployment import Deployment
from tickets.doctor.diagnosis import CALLS, CHECKS, diagnose, run
from tickets.doctor.findings import FAILED, OK, UNDO, UNKNOWN, WARNING, Verdict
from tickets.local.deployment import local_stack
from tickets.runs.stack import Stack

UNCAUGHT = "UncaughtEndingsRule"
# What the engine doesn't implement; docs/emulator.md.
CANT_TELL = {"concurrency", "throughput", "encryption", "backups", "ringing alarms"}


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


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("check", "plant", "words", "next_step"),
    [
        (
            "definition",
            faults.definition_changed,
            "States.Write Chunks.MaxConcurrency",
            "sam build && sam deploy",
        ),
        (
            "code",
            faults.code(faults.file_edited),
            "Reconcile differs from this checkout in ingestion/errors.py",
            "sam",
        ),
        (
            "code",
            faults.code(faults.file_added),
            "ingestion/tasks/another.py",
            "sam build && sam deploy",
        ),
        (
            "code",
            faults.code(faults.file_removed),
            "handlers/reconcile.py",
            "sam build && sam deploy",
        ),
        (
            "functions",
            faults.variable_changed,
            "WriteChunk differs from template.yaml in MAX_ROWS_PER_SECOND",
            UNDO,
        ),
        (
            "functions",
            faults.timeout_changed,
            "WriteChunk differs from template.yaml in Timeout",
            UNDO,
        ),
        ("functions", faults.function_stopped, "StartExecution is stopped", UNDO),
        ("permissions", faults.action_missing, "is denied dynamodb:BatchWriteItem on", UNDO),
        ("permissions", faults.action_denied, "is denied sqs:SendMessage on", UNDO),
        (
            "upload notification",
            faults.notification(faults.gzip_left_out),
            "no event for .csv.gz to",
            UNDO,
        ),
        (
            "upload notification",
            faults.notification(faults.one_folder_only),
            ".csv, .CSV, .csv.gz to",
            UNDO,
        ),
        ("upload notification", faults.notification(dict.clear), ".csv, .CSV, .csv.gz to", UNDO),
        (
            "upload queue",
            faults.attribute("UploadQueueUrl", Policy=""),
            "policy doesn't let the upload bucket send",
            UNDO,
        ),
        (
            "upload queue",
            faults.attribute("UploadQueueUrl", RedrivePolicy=""),
            "has no dead-letter queue",
            UNDO,
        ),
        (
            "event source",
            faults.event_source(Enabled=False),
            "it is Disabled",
            "aws lambda update-event-source-mapping",
        ),
        (
            "event source",
            faults.event_source(FunctionResponseTypes=[]),
            "no ReportBatchItemFailures",
            UNDO,
        ),
        ("event source", faults.event_source(ScalingConfig={}), "no MaximumConcurrency", UNDO),
        ("uncaught endings", faults.rule_disabled(UNCAUGHT), "the rule is DISABLED", UNDO),
        (
            "uncaught endings",
            faults.rule_changed(UNCAUGHT),
            "pattern differs from template.yaml",
            UNDO,
        ),
        ("uncaught endings", faults.target_removed(UNCAUGHT), "is not the rule's target", UNDO),
        (
            "uncaught endings",
            faults.attribute("FailedExecutionsQueueUrl", Policy=""),
            "policy doesn't let the rule send",
            UNDO,
        ),
        ("report pages", faults.rule_disabled("EndingsRule"), "the rule is DISABLED", UNDO),
        (
            "report pages",
            faults.attribute("ReportPagesQueueUrl", Policy=""),
            "policy doesn't let the rule send",
            UNDO,
        ),
        (
            "report pages",
            faults.attribute("ReportPagesQueueUrl", RedrivePolicy=""),
            "the queue has no dead-letter queue",
            UNDO,
        ),
        (
            "report pages",
            faults.event_source("WriteReportPage", Enabled=False),
            "its event source is Disabled",
            "aws lambda update-event-source-mapping",
        ),
        (
            "report pages",
            faults.message("ReportPagesDeadLetterQueueUrl"),
            "could not be made: about 1",
            "docs/operations.md#report-pages-missing",
        ),
        (
            "backups",
            faults.versions_suspended,
            "keeps no versions",
            "aws s3api put-bucket-versioning",
        ),
        ("alarms", faults.alarm(faults.deleted), "LoadsFailedAlarm doesn't exist", UNDO),
        (
            "alarms",
            faults.alarm(faults.actions_disabled),
            "actions of LoadsFailedAlarm are disabled",
            UNDO,
        ),
        (
            "alarms",
            faults.alarm(faults.actions_removed),
            "LoadsFailedAlarm doesn't notify the topic",
            UNDO,
        ),
        ("alarm topic", faults.subscription_removed, "has no subscription", "aws sns subscribe"),
        (
            "ringing alarms",
            faults.alarm(faults.in_alarm),
            "LoadsFailedAlarm",
            "docs/operations.md#load-failed",
        ),
        (
            "dead letters",
            faults.message("FailedExecutionsQueueUrl"),
            "wait: about 1; uploads that started none: about 0",
            "tickets dead-letters",
        ),
        (
            "dead letters",
            faults.message("UploadDeadLetterQueueUrl"),
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
        "report pages": "allow sqs:GetQueueAttributes",
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
