"""Each action that a function's role allows is needed for a call, and sufficient for it.

The cases come from the transformed template: one for each action and resource of each statement.
The call is made under the role's own credentials, with the role as it is deployed, and with that
one action taken away for that one resource. A new statement is a new case by itself; a new action
needs its call in CALLS, or its case fails.

That the functions' code makes these calls, and fails without them, is shown in `test_roles.py`.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.deployed import as_list, deploy, statements
from tests.support.running_stack import RunningStack
from tickets.runs.stack import make_client

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRACING = "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"
# What no call under the role's credentials can show here. `tests/template` checks it statically.
WITHOUT_A_CALL = {
    "UseKey": "S3, SQS and DynamoDB use the key in the role's name; the engine encrypts nothing.",
    BASIC: "Lambda itself writes the logs; the engine does so outside IAM.",
    TRACING: "Lambda itself sends the traces; the engine makes none.",
}

OWNER = "permissions"  # of the ledger entries and items that these tests write


@dataclass(frozen=True)
class Case:
    function: str
    sid: str
    action: str
    # Which one of the statement's resources.
    place: int

    def __str__(self) -> str:
        return f"{self.function}-{self.sid}-{self.action}-{self.place}"


@dataclass(frozen=True)
class Caller:
    """Who makes the call (boto3 clients under one role) and who prepares it (the root's)."""

    role: Callable[[str], Any]
    root: RunningStack


def parts_of_roles() -> dict[str, list[str]]:
    """The parts of each function's role: Sids of its statements, ARNs of its managed policies."""
    stack = deploy(CustomerKey="true")
    return {
        name: [one["Sid"] for one in statements(stack, f"{name}Role")]
        + stack.properties(f"{name}Role")["ManagedPolicyArns"]
        for name in stack.of_type("AWS::Lambda::Function")
    }


def cases() -> list[Case]:
    stack = deploy(EmbeddedEngine="true")
    return [
        Case(name, statement["Sid"], action, place)
        for name in stack.of_type("AWS::Lambda::Function")
        for statement in statements(stack, f"{name}Role")
        for action in as_list(statement["Action"])
        for place in range(len(as_list(statement["Resource"])))
    ]


CASES = cases()


# --- one call for each action; `arn` is the resource that the statement names


def _get_object(caller: Caller, arn: str) -> None:
    place = _object(arn)
    caller.root.s3.put_object(**place, Body=b"x")
    caller.role("s3").get_object(**place)


def _get_object_version(caller: Caller, arn: str) -> None:
    place = _object(arn)
    version = caller.root.s3.put_object(**place, Body=b"x")["VersionId"]
    caller.role("s3").get_object(**place, VersionId=version)


def _abort_multipart_upload(caller: Caller, arn: str) -> None:
    place = _object(arn)
    upload = caller.root.s3.create_multipart_upload(**place)["UploadId"]
    caller.role("s3").abort_multipart_upload(**place, UploadId=upload)


def _delete_message(caller: Caller, arn: str) -> None:
    client, url = caller.role("sqs"), _queue_url(caller, arn)
    # A receipt handle of no message: the permission is checked first, and nothing is deleted.
    with contextlib.suppress(client.exceptions.ReceiptHandleIsInvalid):
        client.delete_message(QueueUrl=url, ReceiptHandle="none")


def _send_message(caller: Caller, arn: str) -> None:
    url, client = _queue_url(caller, arn), caller.root.sqs
    caller.role("sqs").send_message(QueueUrl=url, MessageBody=OWNER)
    received = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    for message in received.get("Messages", []):
        if message["Body"] == OWNER:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def _describe_execution(caller: Caller, arn: str) -> None:
    client = caller.role("stepfunctions")
    with contextlib.suppress(client.exceptions.ExecutionDoesNotExist):
        client.describe_execution(executionArn=arn.removesuffix("*") + "permissions")


def _get_execution_history(caller: Caller, arn: str) -> None:
    client = caller.role("stepfunctions")
    with contextlib.suppress(client.exceptions.ExecutionDoesNotExist):
        client.get_execution_history(executionArn=arn.removesuffix("*") + "permissions")


OF_LEDGER = {"load_id": {"S": OWNER}, "entry": {"S": "x"}}
ONE = {":one": {"N": "1"}}
OF_OWNER = {":owner": {"S": OWNER}}
PUT = {"PutRequest": {"Item": {"ticket_id": {"S": OWNER}, "product": {"S": "x"}}}}
NO_OBJECT = '{"bucket": "no-such-bucket", "key": "permissions"}'

Call = Callable[[Caller, str], object]
CALLS: dict[str, Call] = {
    "s3:GetObject": _get_object,
    "s3:GetObjectVersion": _get_object_version,
    "s3:PutObject": lambda by, arn: by.role("s3").put_object(**_object(arn), Body=b"x"),
    "s3:AbortMultipartUpload": _abort_multipart_upload,
    "s3:ListBucket": lambda by, arn: by.role("s3").list_objects_v2(Bucket=_bucket(arn), MaxKeys=1),
    "s3:ListBucketVersions": lambda by, arn: by.role("s3").list_object_versions(
        Bucket=_bucket(arn), MaxKeys=1
    ),
    "dynamodb:GetItem": lambda by, arn: by.role("dynamodb").get_item(
        TableName=_table(arn), Key=OF_LEDGER
    ),
    "dynamodb:BatchGetItem": lambda by, arn: by.role("dynamodb").batch_get_item(
        RequestItems={_table(arn): {"Keys": [OF_LEDGER]}}
    ),
    "dynamodb:PutItem": lambda by, arn: by.role("dynamodb").put_item(
        TableName=_table(arn), Item=OF_LEDGER
    ),
    "dynamodb:UpdateItem": lambda by, arn: by.role("dynamodb").update_item(
        TableName=_table(arn),
        Key=OF_LEDGER,
        UpdateExpression="SET seen = :one",
        ExpressionAttributeValues=ONE,
    ),
    "dynamodb:DeleteItem": lambda by, arn: by.role("dynamodb").delete_item(
        TableName=_table(arn), Key=OF_LEDGER
    ),
    "dynamodb:Query": lambda by, arn: by.role("dynamodb").query(
        TableName=_table(arn),
        KeyConditionExpression="load_id = :owner",
        ExpressionAttributeValues=OF_OWNER,
    ),
    "dynamodb:DescribeTable": lambda by, arn: by.role("dynamodb").describe_table(
        TableName=_table(arn)
    ),
    "dynamodb:BatchWriteItem": lambda by, arn: by.role("dynamodb").batch_write_item(
        RequestItems={_table(arn): [PUT]}
    ),
    "states:StartExecution": lambda by, arn: by.role("stepfunctions").start_execution(
        stateMachineArn=arn, input=NO_OBJECT
    ),
    "states:DescribeExecution": _describe_execution,
    "states:GetExecutionHistory": _get_execution_history,
    "sqs:ReceiveMessage": lambda by, arn: by.role("sqs").receive_message(
        QueueUrl=_queue_url(by, arn), VisibilityTimeout=0
    ),
    "sqs:DeleteMessage": _delete_message,
    "sqs:SendMessage": _send_message,
    "sqs:GetQueueAttributes": lambda by, arn: by.role("sqs").get_queue_attributes(
        QueueUrl=_queue_url(by, arn), AttributeNames=["QueueArn"]
    ),
}


def _object(arn: str) -> dict[str, str]:
    assert arn.endswith("/*"), f"{arn} is no prefix"
    bucket, _, prefix = arn.removeprefix("arn:aws:s3:::").removesuffix("*").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}permissions.txt"}  # no suffix that starts a load


def _bucket(arn: str) -> str:
    return arn.removeprefix("arn:aws:s3:::")


def _queue_url(caller: Caller, arn: str) -> str:
    return str(caller.root.sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"])


def _table(arn: str) -> str:
    return arn.rpartition(":table/")[2]


# --- the cases


class Roles:
    """boto3 clients under the functions' roles, each made once."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._engine = stack.local.engine
        self._sts = self._engine.client("sts")
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, function: str, service: str) -> Any:
        if (function, service) not in self._clients:
            issued = self._sts.assume_role(
                RoleArn=f"arn:aws:iam::000000000000:role/{self._stack.role_of(function)}",
                RoleSessionName="permissions",
            )["Credentials"]
            session = boto3.Session(
                issued["AccessKeyId"],
                issued["SecretAccessKey"],
                issued["SessionToken"],
                region_name=self._engine.region,
            )
            self._clients[function, service] = make_client(
                session, service, self._engine.endpoint_url
            )
        return self._clients[function, service]


@pytest.fixture(scope="module")
def roles(stack: RunningStack) -> Roles:
    return Roles(stack)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_call_passes_with_its_action_and_fails_without_it(
    stack: RunningStack, roles: Roles, case: Case
) -> None:
    assert case.action in CALLS, f"{case}: write down a call that needs it"
    call = CALLS[case.action]
    caller = Caller(lambda service: roles.client(case.function, service), stack)
    arn = stack.resource_of(case.function, case.sid, case.place)

    call(caller, arn)
    with (
        stack.without_action(case.function, case.sid, case.action, case.place) as role,
        pytest.raises(ClientError) as refused,
    ):
        call(caller, arn)
    call(caller, arn)

    assert refused.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    message = refused.value.response["Error"]["Message"]
    assert f":assumed-role/{role}/" in message
    assert f"no identity-based policy allows the {case.action} action" in message


def test_every_part_of_a_role_has_a_case_or_a_reason_for_none() -> None:
    """In a template with a customer key, which has every statement there is."""
    with_a_case = {(case.function, case.sid) for case in CASES}
    for function, parts in parts_of_roles().items():
        for part in parts:
            has_case = (function, part) in with_a_case
            assert has_case != (part in WITHOUT_A_CALL), f"{function}: {part}"


def test_no_reason_and_no_call_is_left_over() -> None:
    assert {part for parts in parts_of_roles().values() for part in parts} >= WITHOUT_A_CALL.keys()
    assert {case.action for case in CASES} == CALLS.keys()


def test_a_new_statement_is_a_new_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that the tests above find: a role gains a statement without a call for it."""
    import tests.support.deployed as deployed

    grown = deployed.transformed()
    [policy] = grown["Resources"]["TakeTurnRole"]["Properties"]["Policies"]
    policy["PolicyDocument"]["Statement"].append(
        {"Sid": "New", "Effect": "Allow", "Action": "sqs:PurgeQueue", "Resource": "arn:aws:sqs:q"}
    )
    monkeypatch.setattr(deployed, "_transformed", lambda: grown)
    [new] = set(cases()) - set(CASES)
    assert new == Case("TakeTurn", "New", "sqs:PurgeQueue", 0)
    assert new.action not in CALLS
