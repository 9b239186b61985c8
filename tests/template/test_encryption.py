"""Guarantees of the optional customer key: everything stored uses it, and all who need it may.

The embedded engine drops encryption and evaluates no key policy, so this is where it is proved.
"""

import json
from typing import Any

import pytest

from tests.support.deployed import ACCOUNT, REGION, Stack, as_list, deploy, statements
from tests.template.test_permissions import all_statements

# AWS's managed policy for polling a queue; with a key the poller also has to decrypt.
POLLING = "AWSLambdaSQSQueueExecutionRole"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:uploads"
FOR_DATA = {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"}


@pytest.fixture(scope="module")
def locked() -> Stack:
    """The stack with a customer key."""
    return deploy(CustomerKey="true")


def policy(stack: Stack) -> dict[str, dict[str, Any]]:
    """The statements of the key's policy by their Sid."""
    document = stack.properties("Key")["KeyPolicy"]
    return {one["Sid"]: one for one in document["Statement"]}


def test_there_is_no_key_unless_it_is_asked_for(stack: Stack) -> None:
    assert not stack.of_type("AWS::KMS::Key")
    assert "kms:" not in json.dumps([one for _, one in all_statements(stack)])


def test_the_key_is_the_only_difference_that_the_parameter_makes(
    stack: Stack, locked: Stack
) -> None:
    assert locked.resources.keys() - stack.resources.keys() == {"Key"}
    assert stack.resources.keys() <= locked.resources.keys()


def test_the_key_is_rotated_and_outlives_the_stack_as_what_it_locks_does(locked: Stack) -> None:
    assert locked.properties("Key")["EnableKeyRotation"] is True
    assert locked.resources["Key"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert locked.resources["Key"]["UpdateReplacePolicy"] == "Retain"


def test_every_bucket_queue_table_and_log_is_locked_with_the_key(locked: Stack) -> None:
    key = locked.arn("Key")
    for name, one in locked.of_type("AWS::S3::Bucket").items():
        [rule] = one["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": key,
        }, name
        assert rule["BucketKeyEnabled"] is True, name  # or each object is a request to KMS
    for name, one in locked.of_type("AWS::SQS::Queue").items():
        assert one["KmsMasterKeyId"] == key, name
        assert "SqsManagedSseEnabled" not in one, name  # SQS takes one of them
    for name, one in locked.of_type("AWS::DynamoDB::Table").items():
        assert one["SSESpecification"] == {
            "SSEEnabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": key,
        }, name
    for name, one in locked.of_type("AWS::Logs::LogGroup").items():
        assert one["KmsKeyId"] == key, name


def test_without_the_key_nothing_names_one(stack: Stack) -> None:
    text = json.dumps(stack.resources)
    assert "KMSMasterKey" not in text
    assert "KmsMasterKey" not in text
    assert "KmsKeyId" not in text


def test_the_account_administers_the_key(locked: Stack) -> None:
    """Otherwise the policy could never be changed again."""
    statement = policy(locked)["Administration"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert statement["Action"] == "kms:*"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"s3", "events"}),
        ({"UploadTopicArn": TOPIC}, {"s3", "events", "sns"}),
        ({"ExistingUploadBucket": "till-files"}, {"events"}),
        (
            {"ExistingUploadBucket": "till-files", "UploadTopicArn": TOPIC},
            {"events", "sns"},
        ),
    ],
)
def test_services_that_send_to_the_queues_may_use_the_key(
    parameters: dict[str, str], expected: set[str]
) -> None:
    """Each service that a queue's policy admits; without that its messages are lost without an
    error."""
    locked = deploy(None, CustomerKey="true", **parameters)
    admitted = {
        statement["Principal"]["Service"]
        for one in locked.of_type("AWS::SQS::QueuePolicy").values()
        for statement in one["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    }
    assert admitted == {f"{service}.amazonaws.com" for service in expected}
    may = {
        one["Principal"]["Service"]
        for one in policy(locked).values()
        if set(as_list(one["Action"])) == {"kms:Decrypt", "kms:GenerateDataKey"}
    }
    assert may == admitted


def test_cloudwatch_logs_may_use_the_key_for_the_logs_of_this_stack_alone(locked: Stack) -> None:
    statement = policy(locked)["Logs"]
    assert statement["Principal"] == {"Service": f"logs.{REGION}.amazonaws.com"}
    [(operator, condition)] = statement["Condition"].items()
    assert operator == "ArnLike"
    patterns = condition["kms:EncryptionContext:aws:logs:arn"]
    prefix = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
    for name in locked.of_type("AWS::Logs::LogGroup"):
        arn = prefix + locked.ref(name)
        covering = [one for one in patterns if arn == one or arn.startswith(one.rstrip("*"))]
        assert len(covering) == 1, name
    assert all(one.startswith(prefix) and "Tickets-Prod" in one for one in patterns)


def test_nobody_else_is_in_the_keys_policy(locked: Stack) -> None:
    known = {"Administration", "UploadNotifications", "Rules", "Logs"}
    assert policy(locked).keys() == known
    for one in policy(locked).values():
        assert one["Effect"] == "Allow"
        assert one["Principal"] != "*"


def services_used(stack: Stack, role: str) -> set[str]:
    """The services with locked data that a role's other statements are for."""
    actions = {
        action
        for one in statements(stack, role)
        if one["Sid"] != "UseKey"
        for action in as_list(one["Action"])
        if not action.startswith("s3:List")  # reads no object
    }
    used = {action.split(":")[0] for action in actions} & {"s3", "dynamodb", "sqs"}
    managed = stack.properties(role)["ManagedPolicyArns"]
    return used | ({"sqs"} if any(POLLING in one for one in managed) else set())


ROLES = sorted(deploy().of_type("AWS::IAM::Role"))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_use_the_key_by_way_of_the_services_that_it_uses_and_no_other(
    locked: Stack, role: str
) -> None:
    [statement] = [one for one in statements(locked, role) if one["Sid"] == "UseKey"]
    assert statement["Resource"] == locked.arn("Key")
    [(operator, condition)] = statement["Condition"].items()
    assert (operator, list(condition)) == ("StringEquals", ["kms:ViaService"])
    used = {f"{service}.{REGION}.amazonaws.com" for service in services_used(locked, role)}
    assert set(condition["kms:ViaService"]) == used


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_with_the_key_what_its_services_ask_for(locked: Stack, role: str) -> None:
    [statement] = [one for one in statements(locked, role) if one["Sid"] == "UseKey"]
    actions = set(as_list(statement["Action"]))
    if "dynamodb" in services_used(locked, role):
        assert actions == FOR_DATA
    elif role == "StartExecutionRole":
        assert actions == {"kms:Decrypt", "kms:GenerateDataKey"}  # it takes and sends messages
    else:
        # "IAM policies for using Distributed Map states", Step Functions Developer Guide: to write
        # results to a bucket with a KMS key.
        assert role == "IngestRole"
        assert actions == {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}


def test_with_a_key_roles_may_do_the_same_otherwise(stack: Stack, locked: Stack) -> None:
    for role in ROLES:
        others = [one for one in statements(locked, role) if one["Sid"] != "UseKey"]
        assert others == list(statements(stack, role)), role


def test_the_key_works_where_names_of_services_end_otherwise() -> None:
    china = {"AWS::Partition": "aws-cn", "AWS::Region": "cn-north-1"}
    stack = deploy({**china, "AWS::URLSuffix": "amazonaws.com.cn"}, CustomerKey="true")
    assert policy(stack)["Logs"]["Principal"] == {"Service": "logs.cn-north-1.amazonaws.com.cn"}
    [use] = [one for one in statements(stack, "TakeTurnRole") if one["Sid"] == "UseKey"]
    via = use["Condition"]["StringEquals"]["kms:ViaService"]
    assert via == ["dynamodb.cn-north-1.amazonaws.com.cn"]
    assert "arn:aws:" not in json.dumps(stack.properties("Key"))
