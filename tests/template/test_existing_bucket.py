"""Guarantees of the parameters for buckets that the stack doesn't create: who may send to the
upload queue, and what the functions may read.
"""

import json
import re
from typing import Any

import pytest
from moto.events.models import EventPattern

from tests.support.deployed import ACCOUNT, REGION, Stack, deploy, source
from tests.template.test_alarms import alarms, dimension
from tests.template.test_dashboard import widgets
from tests.template.test_permissions import FUNCTIONS, UPLOADS, WORK, Grants, grants
from tests.template.test_uploads import allowed

EXISTING = "till-files"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:uploads"
KEYS = [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1f", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/2f"]
READERS = ("ValidateFile", "SplitFile", "WriteChunk", "SettleEqualKeys")


@pytest.fixture(scope="module")
def existing() -> Stack:
    return deploy(ExistingUploadBucket=EXISTING)


def test_nothing_is_made_for_an_existing_bucket_but_a_rule_and_its_alarm(
    stack: Stack, existing: Stack
) -> None:
    assert existing.resources.keys() - stack.resources.keys() == {
        "ExistingBucketRule",
        "UploadsNotSentAlarm",
    }
    assert stack.resources.keys() - existing.resources.keys() == {
        "UploadBucket",
        "UploadBucketPolicy",
    }
    assert existing.outputs["UploadBucketName"]["Value"] == EXISTING
    assert "ticket-uploads-123456789012" not in json.dumps(existing.resources)


def test_the_existing_bucket_goes_before_a_name_for_a_new_one() -> None:
    both = deploy(ExistingUploadBucket=EXISTING, UploadBucketName="uploads-of-mine")
    assert "uploads-of-mine" not in json.dumps([both.resources, both.outputs])


def test_only_the_rule_sends_from_an_existing_bucket(existing: Stack) -> None:
    [statement] = allowed(existing, "UploadQueue")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == existing.arn("UploadQueue")
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": existing.arn("ExistingBucketRule")}
    }
    [target] = existing.properties("ExistingBucketRule")["Targets"]
    assert target["Arn"] == existing.arn("UploadQueue")
    # The event as it is, which start_execution reads.
    assert target.keys() == {"Id", "Arn"}


@pytest.mark.parametrize("bucket", ["", EXISTING])
def test_a_topic_may_send_beside_the_bucket(bucket: str) -> None:
    without = allowed(deploy(ExistingUploadBucket=bucket), "UploadQueue")
    topic = deploy(ExistingUploadBucket=bucket, UploadTopicArn=TOPIC)
    *others, statement = allowed(topic, "UploadQueue")
    assert others == without
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == topic.arn("UploadQueue")
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": TOPIC}}


def event(**changes: Any) -> Any:
    """As in "EventBridge event message structure", S3 User Guide."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2026-11-12T00:00:00Z",
        "region": REGION,
        "resources": [f"arn:aws:s3:::{EXISTING}"],
        "detail": {
            "version": "0",
            "bucket": {"name": changes.get("bucket", EXISTING)},
            "object": {"key": changes["key"], "size": 5, "etag": "b1", "sequencer": "0062"},
            "reason": "PutObject",
        },
        **changes.get("top", {}),
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event(key="shops/lyon/week 47.csv"), True),
        (event(key="WEEK-47.CSV"), True),
        (event(key="week-47.Csv.GZ"), True),
        (event(key="week-47.csv.gz"), True),
        (event(key="week-47.csv.txt"), False),
        (event(key="week-47.gz"), False),
        (event(key="week-47.csv", bucket="till-files-2"), False),
        (event(key="week-47.csv", top={"detail-type": "Object Deleted"}), False),
        (event(key="week-47.csv", top={"source": "till"}), False),
    ],
)
def test_the_rule_selects_new_csv_files_of_the_bucket_whatever_their_case(
    existing: Stack, given: Any, expected: bool
) -> None:
    pattern = existing.properties("ExistingBucketRule")["EventPattern"]
    assert EventPattern(json.dumps(pattern), pattern).matches_event(given) is expected


# ---------------------------------------------------------------- Permissions


def moved(grants: Grants) -> Grants:
    """The same permissions for the existing bucket in place of the stack's own."""
    return {
        (action, resource.replace(UPLOADS, f"arn:aws:s3:::{EXISTING}"))
        for action, resource in grants
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_the_same_with_an_existing_bucket(existing: Stack, function: str) -> None:
    assert grants(existing, f"{function}Role") == moved(FUNCTIONS[function])


def readable(*buckets: str) -> dict[str, Grants]:
    objects = {
        (action, f"arn:*:s3:::{bucket}/*")
        for action in ("s3:GetObject", "s3:GetObjectVersion")
        for bucket in buckets
    }
    listed = {("s3:ListBucket", f"arn:*:s3:::{bucket}") for bucket in buckets}
    ordered = {("s3:ListBucketVersions", f"arn:*:s3:::{bucket}") for bucket in buckets}
    return {
        "ValidateFile": objects | listed | ordered,
        "SplitFile": objects | listed,
        "TakeTurn": ordered,
        "WriteChunk": objects | listed,
        "SettleEqualKeys": objects | listed,
    }


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("archive-2025", ["archive-2025"]),
        ("archive-2025,archive.2026,a1b", ["archive-2025", "archive.2026", "a1b"]),
    ],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_reader_may_read_the_readable_buckets(
    function: str, given: str, names: list[str]
) -> None:
    stack = deploy(ReadableBuckets=given)
    expected = FUNCTIONS[function] | readable(*names).get(function, set())
    assert grants(stack, f"{function}Role") == expected


def test_the_keys_may_be_used_by_way_of_s3_only(stack: Stack) -> None:
    with_keys = deploy(ReadableKeyArns=",".join(KEYS))
    added = with_keys.resources.keys() - stack.resources.keys()
    assert added == {"ReadOtherKeysPolicy"}
    policy = with_keys.properties("ReadOtherKeysPolicy")
    assert policy["Roles"] == [f"{function}Role" for function in READERS]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "kms:Decrypt"
    assert statement["Resource"] == KEYS
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    }


def test_without_the_lists_there_is_no_policy(stack: Stack) -> None:
    assert not [name for name in stack.of_type("AWS::IAM::Policy") if "Other" in name]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ReadableBuckets", "archive-2025,archive.2026", True),
        ("ReadableBuckets", "archive-2025,", False),
        ("ReadableBuckets", "archive-2025, archive.2026", False),
        ("ReadableBuckets", "arn:aws:s3:::archive-2025", False),
        ("ReadableBuckets", "*", False),
        ("ReadableKeyArns", ",".join(KEYS), True),
        ("ReadableKeyArns", f"{KEYS[0]},*", False),
        ("ReadableKeyArns", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/till", False),
    ],
)
def test_a_list_holds_whole_names_only(name: str, value: str, expected: bool) -> None:
    pattern = source()["Parameters"][name]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) is expected


def test_nothing_may_write_to_these_buckets() -> None:
    stack = deploy(ExistingUploadBucket=EXISTING, ReadableBuckets="archive-2025")
    reads = {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"}
    for role in stack.of_type("AWS::IAM::Role"):
        for action, resource in grants(stack, role):
            if action.startswith("s3:") and not resource.startswith(WORK):
                assert action in reads, f"{role} may {action} on {resource}"


# ---------------------------------------------------------------- Alarm


def test_an_event_that_is_not_sent_rings_at_once(existing: Stack) -> None:
    alarm = alarms(existing)["UploadsNotSentAlarm"]
    assert dimension(alarm) == ("RuleName", "ExistingBucketRule")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (alarm["Statistic"], alarm["EvaluationPeriods"]) == ("Sum", 1)
    shown = widgets(existing)["Alarms"]["properties"]["alarms"]
    assert sorted(shown) == sorted(existing.arn(name) for name in alarms(existing))
