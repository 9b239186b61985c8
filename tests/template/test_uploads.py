"""Guarantees of the way in: the upload bucket, its queue, and what starts executions.

The embedded engine drops encryption, lifecycle and TLS policies, so this is where they are proved.
"""

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from ingestion.tasks.start_execution import MAX_RECEIVES
from tests.support.deployed import ACCOUNT, Stack, as_list, deploy, statements

FOURTEEN_DAYS = 14 * 24 * 60 * 60
BUCKETS = ["UploadBucket", "WorkBucket"]
QUEUES = [
    "UploadQueue",
    "UploadDeadLetterQueue",
    "FailedExecutionsQueue",
    "ReportPagesQueue",
    "ReportPagesDeadLetterQueue",
]
S3_READS = {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"}


def resource_policy(stack: Stack, name: str) -> list[dict[str, Any]]:
    """The statements of the policies of a bucket or queue."""
    found = []
    for kind, key in (("AWS::S3::BucketPolicy", "Bucket"), ("AWS::SQS::QueuePolicy", "Queues")):
        for policy in stack.of_type(kind).values():
            if stack.ref(name) in as_list(policy[key]):
                found += policy["PolicyDocument"]["Statement"]
    return found


def allowed(stack: Stack, name: str) -> list[dict[str, Any]]:
    return [one for one in resource_policy(stack, name) if one["Effect"] == "Allow"]


def test_there_are_no_other_buckets_and_queues(stack: Stack) -> None:
    """The tests below go through BUCKETS and QUEUES."""
    assert sorted(stack.of_type("AWS::S3::Bucket")) == sorted(BUCKETS)
    assert sorted(stack.of_type("AWS::SQS::Queue")) == sorted(QUEUES)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_private(stack: Stack, bucket: str) -> None:
    properties = stack.properties(bucket)
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert allowed(stack, bucket) == []


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_encrypted(stack: Stack, bucket: str) -> None:
    [rule] = stack.properties(bucket)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in {"AES256", "aws:kms"}


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_are_encrypted_with_a_key_that_s3_and_eventbridge_may_use(
    stack: Stack, queue: str
) -> None:
    properties = stack.properties(queue)
    assert properties["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" not in properties


@pytest.mark.parametrize("name", BUCKETS + QUEUES)
def test_requests_without_tls_are_refused(stack: Stack, name: str) -> None:
    service = "s3" if name in BUCKETS else "sqs"
    [denial] = [one for one in resource_policy(stack, name) if one["Effect"] == "Deny"]
    assert denial["Principal"] == "*"
    assert denial["Action"] == f"{service}:*"
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert stack.arn(name) in as_list(denial["Resource"])
    if name in BUCKETS:
        assert f"{stack.arn(name)}/*" in denial["Resource"]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_and_their_objects_outlive_the_stack(stack: Stack, bucket: str) -> None:
    assert stack.resources[bucket]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert stack.resources[bucket]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("bucket", BUCKETS)
def test_made_up_bucket_names_are_valid_and_differ_between_stacks(
    stack: Stack, bucket: str
) -> None:
    name = stack.ref(bucket)
    assert fnmatchcase(name, "ticket-*")
    assert name == name.lower()
    assert 3 <= len(name) <= 63
    other = "arn:aws:cloudformation:eu-central-1:123456789012:stack/Tickets-Prod/ffffffff-0000"
    assert deploy({"AWS::StackId": other}).ref(bucket) != name


def test_upload_bucket_is_versioned(stack: Stack) -> None:
    assert stack.properties("UploadBucket")["VersioningConfiguration"] == {"Status": "Enabled"}


def test_old_versions_of_uploads_expire_and_current_ones_do_not() -> None:
    rules = deploy(OldVersionDays=21).properties("UploadBucket")["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    assert [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules
        if "NoncurrentVersionExpiration" in rule and "Prefix" not in rule
    ] == [21]
    assert not [rule for rule in rules if "ExpirationInDays" in rule or "ExpirationDate" in rule]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_unfinished_multipart_uploads_are_removed(stack: Stack, bucket: str) -> None:
    rules = stack.properties(bucket)["LifecycleConfiguration"]["Rules"]
    assert [
        rule for rule in rules if "AbortIncompleteMultipartUpload" in rule and "Prefix" not in rule
    ]


def test_csv_in_either_case_and_packed_notifies_the_upload_queue_and_nothing_else_does(
    stack: Stack,
) -> None:
    notifications = stack.properties("UploadBucket")["NotificationConfiguration"]
    assert notifications.keys() == {"QueueConfigurations"}
    suffixes = []
    for one in notifications["QueueConfigurations"]:
        assert one["Event"] == "s3:ObjectCreated:*"
        assert one["Queue"] == stack.arn("UploadQueue")
        [rule] = one["Filter"]["S3Key"]["Rules"]
        assert rule["Name"] == "suffix"
        suffixes.append(rule["Value"])
    assert sorted(suffixes) == [".CSV", ".csv", ".csv.gz"]


@pytest.mark.parametrize("own_name", ["", "uploads-of-mine"])
def test_upload_queue_admits_exactly_the_upload_bucket_of_this_account(own_name: str) -> None:
    stack = deploy(UploadBucketName=own_name)
    [statement] = allowed(stack, "UploadQueue")
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == stack.arn("UploadQueue")
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": stack.arn("UploadBucket")},
    }


def test_the_queue_policy_is_there_before_s3_tries_the_queue(stack: Stack) -> None:
    assert "UploadQueuePolicy" in as_list(stack.resources["UploadBucket"]["DependsOn"])


def test_nobody_else_may_send_to_the_dead_letter_queue_of_uploads(stack: Stack) -> None:
    assert allowed(stack, "UploadDeadLetterQueue") == []


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_keep_messages_14_days(stack: Stack, queue: str) -> None:
    assert stack.properties(queue)["MessageRetentionPeriod"] == FOURTEEN_DAYS


def test_visibility_timeout_is_at_least_six_times_the_timeout_of_the_function(
    stack: Stack,
) -> None:
    visibility = stack.properties("UploadQueue")["VisibilityTimeout"]
    assert visibility >= 6 * stack.properties("StartExecution")["Timeout"]


def test_uploads_that_cannot_be_started_end_in_the_dead_letter_queue(stack: Stack) -> None:
    redrive = stack.properties("UploadQueue")["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == stack.arn("UploadDeadLetterQueue")
    # start_execution adds the reason when it receives a message for the last time.
    assert redrive["maxReceiveCount"] == MAX_RECEIVES == 20


def test_the_other_queues_are_ends_and_pass_nothing_on(stack: Stack) -> None:
    for queue in ("UploadDeadLetterQueue", "FailedExecutionsQueue", "ReportPagesDeadLetterQueue"):
        assert "RedrivePolicy" not in stack.properties(queue)


def test_only_the_upload_queue_may_use_the_dead_letter_queue_of_uploads_and_no_other_is_one(
    stack: Stack,
) -> None:
    allowed_by = {name: stack.properties(name)["RedriveAllowPolicy"] for name in QUEUES}
    assert allowed_by == {
        "UploadQueue": {"redrivePermission": "denyAll"},
        "UploadDeadLetterQueue": {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [stack.arn("UploadQueue")],
        },
        # The state machine and EventBridge send to it; no queue moves messages there.
        "FailedExecutionsQueue": {"redrivePermission": "denyAll"},
        "ReportPagesQueue": {"redrivePermission": "denyAll"},
        "ReportPagesDeadLetterQueue": {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [stack.arn("ReportPagesQueue")],
        },
    }


def test_the_upload_queues_name_is_valid_and_differs_between_stacks(stack: Stack) -> None:
    name = stack.properties("UploadQueue")["QueueName"]
    assert re.fullmatch(r"[a-z0-9_-]{1,80}", name)
    other = "arn:aws:cloudformation:eu-central-1:123456789012:stack/Tickets-Prod/ffffffff-0000"
    assert deploy({"AWS::StackId": other}).properties("UploadQueue")["QueueName"] != name


def test_start_execution_polls_the_upload_queue(stack: Stack) -> None:
    mapping = stack.properties("StartExecutionUploads")
    assert mapping["EventSourceArn"] == stack.arn("UploadQueue")
    assert mapping["FunctionName"] == "StartExecution"
    assert mapping.get("Enabled", True) is True


def test_no_other_function_polls_it(stack: Stack) -> None:
    polled = {
        name: one["EventSourceArn"]
        for name, one in stack.of_type("AWS::Lambda::EventSourceMapping").items()
    }
    assert polled == {
        "StartExecutionUploads": stack.arn("UploadQueue"),
        "WriteReportPageEndings": stack.arn("ReportPagesQueue"),
    }


def test_partial_batch_response_is_on(stack: Stack) -> None:
    mapping = stack.properties("StartExecutionUploads")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_work_bucket_notifies_nobody(stack: Stack) -> None:
    assert "NotificationConfiguration" not in stack.properties("WorkBucket")
    assert stack.ref("WorkBucket") != stack.ref("UploadBucket")


def test_no_role_may_write_to_the_upload_bucket(stack: Stack) -> None:
    """Together with the test above, this means that nothing that the loader writes can start it
    again."""
    upload = stack.arn("UploadBucket")
    for role in stack.of_type("AWS::IAM::Role"):
        for statement in statements(stack, role):
            covered = [
                pattern
                for pattern in as_list(statement["Resource"])
                if fnmatchcase(upload, pattern) or fnmatchcase(f"{upload}/a/b.csv", pattern)
            ]
            writes = {
                one for one in as_list(statement["Action"]) if one.startswith(("s3:", "*"))
            } - S3_READS
            assert not (covered and writes), f"{role} has {writes} on {covered}"


def test_the_embedded_engine_gets_the_same_stack_without_the_refusals_of_plain_http(
    stack: Stack,
) -> None:
    local = deploy(EmbeddedEngine="true")
    only_tls = {
        "UploadBucketPolicy",
        "WorkBucketPolicy",
        "UploadDeadLetterQueuePolicy",
        "ReportPagesDeadLetterQueuePolicy",
    }
    unknown_there = {"LoadLogQuery"}  # a saved query, see test_dashboard.py
    assert stack.resources.keys() - local.resources.keys() == only_tls | unknown_there
    for name in only_tls:
        assert {one["Sid"] for one in stack.properties(name)["PolicyDocument"]["Statement"]} == {
            "TlsOnly"
        }
    for name, resource in local.resources.items():
        expected = stack.resources[name]
        if resource["Type"] == "AWS::SQS::QueuePolicy":
            document = expected["Properties"]["PolicyDocument"]
            kept = [one for one in document["Statement"] if one["Sid"] != "TlsOnly"]
            assert resource["Properties"]["PolicyDocument"] == {**document, "Statement": kept}
        else:
            assert resource == expected
