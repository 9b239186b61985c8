"""Notifications are read as S3 writes them, and uploads are named once and for all."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingestion.errors import UnreadableNotification
from ingestion.names import execution_name, forced_load_id, load_id, manual_execution_name
from ingestion.s3.notifications import Upload, read_notification

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


def record(event="ObjectCreated:Put", key="store+12/a%2Bb+%C3%A9.csv", **stored):
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


def read(*records):
    return list(read_notification(json.dumps({"Records": records})))


def test_an_upload_is_read_whole():
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
def test_keys_are_decoded_once(encoded, key):
    assert [upload.key for upload in read(record(key=encoded))] == [key]


@pytest.mark.parametrize(
    "event",
    ["Put", "Post", "Copy", "CompleteMultipartUpload"],
)
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_every_way_to_create_an_object_is_an_upload(event, prefix):
    assert read(record(f"{prefix}ObjectCreated:{event}")) == [UPLOAD]


def test_other_events_are_none():
    assert read(
        record("ObjectRemoved:DeleteMarkerCreated"), record(), record("ObjectRestore:Post")
    ) == [UPLOAD]


def test_the_test_event_and_an_empty_list_have_no_uploads():
    assert list(read_notification('{"Service": "Amazon S3", "Event": "s3:TestEvent"}')) == []
    assert read() == []


@pytest.mark.parametrize("version", ["null", None])
def test_no_version_is_none(version):
    assert read(record(versionId=version)) == [replace(UPLOAD, version_id=None)]


def test_what_an_event_may_lack_is_none():
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
        json.dumps({"Records": [record(key=None)]}),
    ],
)
def test_anything_else_is_unreadable(body):
    with pytest.raises(UnreadableNotification):
        list(read_notification(body))


def test_the_input_has_all_but_the_sequencer():
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
def test_a_name_is_the_keys_readable_tail_and_a_hash(key, tail):
    name = execution_name("uploads", key, "v1")
    assert NAME.fullmatch(name)
    assert re.fullmatch(re.escape(tail) + "-[0-9a-f]{16}", name)


def test_a_name_leaves_room_for_the_suffix_of_a_replay():
    name = execution_name("uploads", "x" * 1024, "v1")
    assert len(name) == 74
    assert len(f"{name}-r9999") <= 80


def test_names_differ_by_bucket_key_and_version():
    names = {
        execution_name(bucket, key, version)
        for bucket in ("one", "two")
        for key in ("a/b.csv", "a-b.csv", "a+b.csv", "é.csv")
        for version in ("v1", "v2")
    }
    assert len(names) == 16


def test_with_a_version_neither_etag_nor_sequencer_matters():
    assert UPLOAD.execution_name == execution_name(UPLOAD.bucket, UPLOAD.key, UPLOAD.version_id)


def test_without_versions_both_do():
    names = {
        execution_name("uploads", "a.csv", None, etag, sequencer)
        for etag in ("e1", "e2", None)
        for sequencer in ("s1", "s2", None)
    }
    assert len(names) == 9


def test_a_load_is_named_as_the_execution_of_its_upload():
    assert UPLOAD.execution_name == load_id(UPLOAD.bucket, UPLOAD.key, UPLOAD.version_id)


def test_loads_of_other_contents_keys_and_buckets_have_other_names():
    ids = {
        load_id(bucket, key, identity)
        for bucket in ("uploads", "tills")
        for key in ("a.csv", "b.csv")
        for identity in ("v1", "v2")
    }
    assert len(ids) == 8


@pytest.mark.parametrize("key", ["a.csv", "x" * 500, "日本"])
def test_a_start_by_hand_is_named_readably_and_for_its_second(key):
    name = manual_execution_name("uploads", key, datetime(2025, 11, 24, 9, 0, 7, tzinfo=UTC))
    assert re.fullmatch(r"[0-9A-Za-z_-]+-[0-9a-f]{4}-20251124T090007Z", name)
    assert len(name) <= 80


def test_starts_by_hand_of_two_objects_with_one_readable_name_differ():
    now = datetime(2025, 11, 24, tzinfo=UTC)
    assert manual_execution_name("uploads", "a+b.csv", now) != manual_execution_name(
        "uploads", "a-b.csv", now
    )


def test_a_forced_load_is_another_one_for_each_execution_and_the_same_for_its_replays():
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
