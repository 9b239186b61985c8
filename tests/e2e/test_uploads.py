"""What comes between an upload and its execution: doubled, broken, odd and overtaking events."""

import json
from datetime import UTC, datetime

import pytest

from ingestion.names import manual_execution_name
from tests.support.load_assertions import assert_loaded
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile


def test_a_poison_message_ends_in_its_queue_and_holds_nothing_up(stack: RunningStack) -> None:
    files = [TicketFile(f"poison{number}").rows(20) for number in range(3)]
    poison = ["This is no JSON.", json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]})]
    url = stack.names.upload_queue_url
    with stack.failed_uploads_return_after(seconds=1):
        with stack.uploads_held():
            for body in poison:
                stack.sqs.send_message(QueueUrl=url, MessageBody=body)
            uploads = [stack.upload(f"uploads/{file.name}.csv", file.body) for file in files]
        for upload, file in zip(uploads, files, strict=True):
            assert_loaded(stack, stack.ended(stack.execution_of(upload)), file)
        until(lambda: stack.queue_is_empty(url), "an empty upload queue")
    dead = stack.receive(stack.names.upload_dead_letter_queue_url)
    assert sorted(dead) == sorted(poison)
    for upload in uploads:
        assert len(stack.executions(upload.key)) == 1


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("odd-key", "uploads/odd key/50% + ünï=&;,@#ticket's (1).csv"),
        pytest.param("capitals", "uploads/CAPITALS.CSV", marks=pytest.mark.exhaustive),
        pytest.param("long-key", "uploads/" + "é/" * 300 + ".csv", marks=pytest.mark.exhaustive),
    ],
)
def test_any_key_of_the_suffix_is_loaded(stack: RunningStack, name: str, key: str) -> None:
    file = TicketFile(name).rows(10)
    report = assert_loaded(stack, stack.load(key, file.body), file)
    assert report["key"] == key


@pytest.mark.exhaustive
def test_an_object_without_the_suffix_starts_nothing(stack: RunningStack) -> None:
    ignored = TicketFile("ignored").rows(5)
    for key in ("uploads/ignored.txt", "uploads/ignored.gz", "uploads/ignored.Csv"):
        stack.upload(key, ignored.body)
    # S3 and the queue work in order here: when a later upload is loaded, these were passed over.
    later = TicketFile("later").rows(5)
    assert_loaded(stack, stack.load("uploads/later.csv", later.body), later)
    for key in ("uploads/ignored.txt", "uploads/ignored.gz", "uploads/ignored.Csv"):
        assert stack.executions(key) == []
    assert stack.items_of("ignored") == {}
    assert stack.queue_is_empty(stack.names.upload_queue_url)


def test_an_execution_started_by_hand_needs_bucket_and_key_only(stack: RunningStack) -> None:
    # Without the suffix, so nothing else loads it.
    key = "uploads/by hand.txt"
    file = TicketFile("by-hand").rows(200)
    upload = stack.upload(key, file.body)
    name = manual_execution_name(upload.bucket, key, datetime.now(UTC))
    execution = stack.ended(stack.start(name, {"bucket": upload.bucket, "key": key}))
    report = assert_loaded(stack, execution, file)
    assert report["version_id"] == upload.version_id
    assert report["uploader"] is None
