import json
from typing import Any

import pytest

from tests.support.stubbed_deployment import StubbedDeployment
from tickets.doctor.events import admits, upload_notification, upload_queue
from tickets.doctor.findings import FAILED, OK, CantTell

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:uploads"
BUCKET = "arn:aws:s3:::uploads"
ALLOW = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": QUEUE,
}
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": QUEUE,
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def source(operator: str, value: object) -> dict[str, Any]:
    return {**ALLOW, "Condition": {operator: {"aws:SourceArn": value}}}


def account(value: str) -> dict[str, Any]:
    return {**ALLOW, "Condition": {"StringEquals": {"AWS:SourceAccount": value}}}


def admitted(*statements: dict[str, Any]) -> bool:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return admits(policy, "s3.amazonaws.com", QUEUE, BUCKET, "123456789012")


@pytest.mark.parametrize(
    "statements",
    [
        [ALLOW],
        [ALLOW, TLS_ONLY],
        [{**ALLOW, "Principal": {"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]}}],
        [{**ALLOW, "Principal": "*"}],
        [{**ALLOW, "Action": ["sqs:GetQueueUrl", "SQS:Send*"]}],
        [{**ALLOW, "Resource": "*"}],
        [source("ArnEquals", BUCKET)],
        [source("ArnLike", "arn:aws:s3:*:*:uploads")],
        [source("StringEquals", ["arn:aws:s3:::other", BUCKET])],
        [account("123456789012")],
        [account("111111111111"), ALLOW],
    ],
)
def test_a_policy_that_admits_the_bucket(statements: list[dict[str, Any]]) -> None:
    assert admitted(*statements)


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [TLS_ONLY],
        [{**ALLOW, "Principal": {"Service": "sns.amazonaws.com"}}],
        [{**ALLOW, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}],
        [{**ALLOW, "Action": "sqs:ReceiveMessage"}],
        [{**ALLOW, "Resource": f"{QUEUE}-2"}],
        [source("ArnEquals", "arn:aws:s3:::uploads-2")],
        [source("StringEquals", "arn:aws:s3:::*")],
        [account("111111111111")],
        [ALLOW, {**ALLOW, "Effect": "Deny"}],
    ],
)
def test_a_policy_that_does_not(statements: list[dict[str, Any]]) -> None:
    assert not admitted(*statements)


def test_no_policy_admits_nobody() -> None:
    assert not admits(None, "s3.amazonaws.com", QUEUE, BUCKET, "123456789012")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({**ALLOW, "Condition": {"IpAddress": {"aws:SourceArn": "10.0.0.0/8"}}}, "IpAddress"),
        (
            {**ALLOW, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o"}}},
            "aws:PrincipalOrgID",
        ),
        ({**ALLOW, "NotPrincipal": "*"}, "NotPrincipal"),
    ],
)
def test_what_is_not_evaluated_is_not_judged(statement: dict[str, Any], words: str) -> None:
    with pytest.raises(CantTell, match=words):
        admitted(statement)


# --- senders other than the upload bucket


TOPIC = "arn:aws:sns:eu-central-1:123456789012:uploads"


@pytest.mark.parametrize("left_out", [None, "ExistingBucketRule", "UploadTopic"])
def test_the_queue_has_to_admit_the_rule_and_the_topic(left_out: str | None) -> None:
    stubbed = StubbedDeployment(ExistingUploadBucket="till-files", UploadTopicArn=TOPIC)
    document = stubbed.resolved.properties("UploadQueuePolicy")["PolicyDocument"]
    kept = [one for one in document["Statement"] if one["Sid"] != left_out]
    dead_letters = {"deadLetterTargetArn": stubbed.resolved.arn("UploadDeadLetterQueue")}
    attributes = {
        "Policy": json.dumps({**document, "Statement": kept}),
        "RedrivePolicy": json.dumps(dead_letters),
    }
    stubbed.answer("sqs", "get_queue_attributes", {"Attributes": attributes})
    found = upload_queue(stubbed.deployment)
    name = {None: "", "ExistingBucketRule": "the rule", "UploadTopic": "the topic"}[left_out]
    if left_out:
        assert (found.status, found.detail) == (FAILED, f"its policy doesn't let {name} send")
    else:
        assert found.status == OK
        assert found.detail == "admits the rule and the topic, and has its dead-letter queue"


def test_events_may_come_through_the_topic_alone() -> None:
    stubbed = StubbedDeployment(ExistingUploadBucket="till-files", UploadTopicArn=TOPIC)
    stubbed.answer("s3", "get_bucket_notification_configuration", {})
    rule = stubbed.resolved.properties("ExistingBucketRule")
    pattern = json.dumps(rule["EventPattern"])
    stubbed.answer("events", "describe_rule", {"State": "ENABLED", "EventPattern": pattern})
    stubbed.answer("events", "list_targets_by_rule", {"Targets": rule["Targets"]})
    with pytest.raises(CantTell, match="UploadTopicArn"):
        upload_notification(stubbed.deployment)
