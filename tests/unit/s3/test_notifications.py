"""Reads the messages that announce uploads, in the formats of all senders, and names the loads and
executions of uploads."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from ingestion.names import execution_name, forced_load_id, load_id, manual_execution_name
from ingestion.s3.notifications import Notification, Upload, read_notification

UPLOAD = Upload(
    bucket="uploads",
    key="store 12/a+b é.csv",
    version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
    etag="d41d8cd98f00b204e9800998ecf8427e",
    size=1024,
    uploader="AIDAJDPLRKLG7UEXAMPLE",
    sequencer="0055AED6DCD90281E5",
)
NAME = re.compile(r"[0-9A-Za-z_-]{1,74}")


def record(
    event: str = "ObjectCreated:Put", key: str = "store+12/a%2Bb+%C3%A9.csv", **stored: Any
) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": event,
        "userIdentity": {"principalId": UPLOAD.uploader},
        "s3": {
            "bucket": {"name": UPLOAD.bucket},
            "object": {
                "key": key,
                "size": UPLOAD.size,
                "eTag": UPLOAD.etag,
                "versionId": UPLOAD.version_id,
                "sequencer": UPLOAD.sequencer,
            }
            | stored,
        },
    }


def read(*records: Any) -> list[Any]:
    notification = read_notification(json.dumps({"Records": records}))
    assert notification.problems == ()
    return list(notification.uploads)


def from_sns(message: Any, **fields: Any) -> Any:
    """The body of an SQS message from SNS without raw message delivery."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:uploads",
            "Subject": "Amazon S3 Notification",
            "Message": message,
            "Timestamp": "2025-11-24T09:00:01.345Z",
            "SignatureVersion": "1",
        }
        | fields
    )


def event(detail_type: str = "Object Created", source: str = "aws.s3", **stored: Any) -> Any:
    """An EventBridge event, as the S3 User Guide shows it."""
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": detail_type,
            "source": source,
            "account": "123456789012",
            "time": "2025-11-24T09:00:01Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:s3:::{UPLOAD.bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": UPLOAD.bucket},
                "object": {
                    "key": UPLOAD.key,
                    "size": UPLOAD.size,
                    "etag": UPLOAD.etag,
                    "version-id": UPLOAD.version_id,
                    "sequencer": "55aed6dcd90281e5",
                }
                | stored,
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": "123456789012",
                "source-ip-address": "203.0.113.24",
                "reason": "PutObject",
            },
        }
    )


def test_an_upload_is_read_whole() -> None:
    assert read(record()) == [UPLOAD]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("plain.csv", "plain.csv"),
        ("a+b.csv", "a b.csv"),
        ("a%2Bb.csv", "a+b.csv"),
        ("a%20b.csv", "a b.csv"),
        ("dir/%C3%A9t%C3%A9.csv", "dir/été.csv"),
        ("100%25.csv", "100%.csv"),
        ("%252B.csv", "%2B.csv"),
    ],
)
def test_keys_are_decoded_once(encoded: str, key: str) -> None:
    assert [upload.key for upload in read(record(key=encoded))] == [key]


@pytest.mark.parametrize(
    "event",
    ["Put", "Post", "Copy", "CompleteMultipartUpload"],
)
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_every_way_to_create_an_object_is_an_upload(event: str, prefix: str) -> None:
    assert read(record(f"{prefix}ObjectCreated:{event}")) == [UPLOAD]


def test_other_events_are_none() -> None:
    assert read(
        record("ObjectRemoved:DeleteMarkerCreated"), record(), record("ObjectRestore:Post")
    ) == [UPLOAD]


def test_the_test_event_and_an_empty_list_have_no_uploads() -> None:
    test_event = '{"Service": "Amazon S3", "Event": "s3:TestEvent"}'
    assert read_notification(test_event) == Notification()
    assert read_notification(from_sns(test_event)) == Notification()
    assert read() == []


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_record_that_can_not_be_read_hides_none_of_the_others(wrapped: bool) -> None:
    first, last = record(), record(key="last.csv")
    broken = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}}}
    body = json.dumps({"Records": [first, broken, last]})
    notification = read_notification(from_sns(body) if wrapped else body)
    assert notification.uploads == (UPLOAD, replace(UPLOAD, key="last.csv"))
    [problem] = notification.problems
    assert problem.startswith("Record 2 of 3 ")


def test_sns_wraps_a_whole_notification() -> None:
    body = json.dumps({"Records": [record(), record("ObjectRemoved:Delete"), record(key="b.csv")]})
    assert read_notification(from_sns(body)) == read_notification(body)
    assert len(read_notification(body).uploads) == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_eventbridge_tells_the_same_upload_in_other_words(wrapped: bool) -> None:
    """Its key is not URL-encoded, and it names the account that uploaded."""
    body = from_sns(event()) if wrapped else event()
    assert read_notification(body) == Notification((replace(UPLOAD, uploader="123456789012"),))
    [upload] = read_notification(body).uploads
    assert upload.execution_name == read(record())[0].execution_name
    without_version: dict[str, Any] = {"version-id": None, "versionId": None}
    [unversioned] = read_notification(event(**without_version)).uploads
    assert unversioned.version_id is None
    assert unversioned.execution_name == read(record(versionId=None))[0].execution_name


@pytest.mark.parametrize("key", ["a+b.csv", "a%20b.csv", "q?versionId=x.csv", "%E9.csv"])
def test_a_key_from_eventbridge_stays_as_it_is(key: str) -> None:
    assert [upload.key for upload in read_notification(event(key=key)).uploads] == [key]


def test_what_else_happens_to_objects_is_passed_over() -> None:
    """Other event names of a notification are passed over, too."""
    for other in ("Object Deleted", "Object Tags Added", "Object Restore Completed"):
        assert read_notification(event(other)) == Notification()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (from_sns("", Type="SubscriptionConfirmation"), "waits to be confirmed"),
        (from_sns("", Type="UnsubscribeConfirmation"), "has been removed"),
        (from_sns("The nightly export is done."), "neither an S3 event notification"),
        (from_sns(None), "neither an S3 event notification"),
        (event(source="aws.ec2"), "not one of S3"),
        (event(source="aws.s3", key=None), "no bucket and key"),
        (from_sns(event(key="")), "no bucket and key"),
    ],
)
def test_other_messages_of_sns_and_eventbridge_are_problems(body: Any, words: str) -> None:
    notification = read_notification(body)
    assert notification.uploads == ()
    [problem] = notification.problems
    assert words in problem
    assert problem.endswith(".")


@pytest.mark.parametrize("version", ["null", None])
def test_no_version_is_none(version: str | None) -> None:
    assert read(record(versionId=version)) == [replace(UPLOAD, version_id=None)]


def test_what_an_event_may_lack_is_none() -> None:
    bare = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "uploads"}, "object": {"key": "a.csv"}},
    }
    assert read(bare) == [Upload("uploads", "a.csv", None, None, None, None, None)]
    assert read(bare | {"userIdentity": None})[0].uploader is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        '{"Records": [',
        "null",
        "[]",
        "7",
        "{}",
        '{"Records": null}',
        '{"Records": [null]}',
        '{"Records": [{}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"Records": [{"eventName": 7}]}',
        json.dumps({"Records": [record() | {"s3": {"bucket": {"name": "uploads"}}}]}),
        json.dumps({"Records": [record(key=cast(Any, None))]}),
        json.dumps({"Records": [record(key="")]}),
        "[" * 100_000,
    ],
)
def test_anything_else_is_unreadable(body: Any) -> None:
    notification = read_notification(body)
    assert notification.uploads == ()
    assert len(notification.problems) == 1


def test_the_input_has_all_but_the_sequencer() -> None:
    assert UPLOAD.execution_input == {
        "bucket": UPLOAD.bucket,
        "key": UPLOAD.key,
        "version_id": UPLOAD.version_id,
        "etag": UPLOAD.etag,
        "size": UPLOAD.size,
        "uploader": UPLOAD.uploader,
    }


@pytest.mark.parametrize(
    ("key", "tail"),
    [
        ("store-12/tickets.csv", "store-12-tickets-csv"),
        ("été/café.csv", "t-caf-csv"),
        ("...", "object"),
        ("日本", "object"),
        ("x" * 500 + "/tail.csv", "x" * 48 + "-tail-csv"),
    ],
)
def test_a_name_is_the_keys_readable_tail_and_a_hash(key: str, tail: str) -> None:
    name = execution_name("uploads", key, "v1")
    assert NAME.fullmatch(name)
    assert re.fullmatch(re.escape(tail) + "-[0-9a-f]{16}", name)


def test_a_name_leaves_room_for_the_suffix_of_a_replay() -> None:
    name = execution_name("uploads", "x" * 1024, "v1")
    assert len(name) == 74
    assert len(f"{name}-r9999") <= 80


def test_names_differ_by_bucket_key_and_version() -> None:
    names = {
        execution_name(bucket, key, version)
        for bucket in ("one", "two")
        for key in ("a/b.csv", "a-b.csv", "a+b.csv", "é.csv")
        for version in ("v1", "v2")
    }
    assert len(names) == 16


def test_with_a_version_neither_etag_nor_sequencer_matters() -> None:
    assert UPLOAD.execution_name == execution_name(
        UPLOAD.bucket, UPLOAD.key, str(UPLOAD.version_id)
    )


def test_without_versions_both_do() -> None:
    names = {
        execution_name("uploads", "a.csv", None, etag, sequencer)
        for etag in ("e1", "e2", None)
        for sequencer in ("s1", "s2", None)
    }
    assert len(names) == 9


def test_a_load_is_named_as_the_execution_of_its_upload() -> None:
    assert UPLOAD.execution_name == load_id(UPLOAD.bucket, UPLOAD.key, str(UPLOAD.version_id))


def test_loads_of_other_contents_keys_and_buckets_have_other_names() -> None:
    ids = {
        load_id(bucket, key, identity)
        for bucket in ("uploads", "tills")
        for key in ("a.csv", "b.csv")
        for identity in ("v1", "v2")
    }
    assert len(ids) == 8


@pytest.mark.parametrize("key", ["a.csv", "x" * 500, "日本"])
def test_a_start_by_hand_is_named_readably_and_for_its_second(key: str) -> None:
    name = manual_execution_name("uploads", key, datetime(2025, 11, 24, 9, 0, 7, tzinfo=UTC))
    assert re.fullmatch(r"[0-9A-Za-z_-]+-[0-9a-f]{4}-20251124T090007Z", name)
    assert len(name) <= 80


def test_starts_by_hand_of_two_objects_with_one_readable_name_differ() -> None:
    now = datetime(2025, 11, 24, tzinfo=UTC)
    assert manual_execution_name("uploads", "a+b.csv", now) != manual_execution_name(
        "uploads", "a-b.csv", now
    )


def test_a_forced_load_is_another_one_for_each_execution_and_the_same_for_its_replays() -> None:
    load = load_id("uploads", "a.csv", "v1")
    first = forced_load_id(load, "a-csv-0a1b-20251124T090007Z")
    assert first == forced_load_id(load, "a-csv-0a1b-20251124T090007Z")
    assert first == forced_load_id(load, "a-csv-0a1b-20251124T090007Z-r1")
    assert first == forced_load_id(load, "a-csv-0a1b-20251124T090007Z-r1-r12")
    others = {load, forced_load_id(load, "a-csv-0a1b-20251124T090008Z")}
    others.add(forced_load_id(load_id("uploads", "a.csv", "v2"), "a-csv-0a1b-20251124T090007Z"))
    assert len(others | {first}) == 4
    assert first.startswith(f"{load}-")
    assert forced_load_id(load, "my-run1") != forced_load_id(load, "my")  # no replay's ending
