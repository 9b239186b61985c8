"""Events between an upload and its execution: duplicate, broken, odd and out of order."""

import json
from datetime import UTC, datetime

import pytest

from ingestion.names import manual_execution_name
from tests.support.load_assertions import assert_loaded
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile


@pytest.mark.exhaustive
def test_a_poison_message_ends_in_its_queue_and_holds_nothing_up(stack: RunningStack) -> None:
    files = [TicketFile(f"poison{number}").rows(20) for number in range(3)]
    poison = ["This is not JSON.", json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]})]
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


@pytest.mark.exhaustive
def test_uploads_that_sns_and_eventbridge_announce_are_loaded_beside_a_broken_record(
    stack: RunningStack,
) -> None:
    """Several consumers may share a bucket like this. S3's own events are taken out of the
    queue."""
    by_sns, by_rule = TicketFile("by-sns").rows(20), TicketFile("by-rule").rows(20)
    url = stack.names.upload_queue_url
    with stack.failed_uploads_return_after(seconds=1):
        with stack.uploads_held():
            uploads = [
                stack.upload("uploads/by sns.csv", by_sns.body),
                stack.upload("uploads/by+rule.csv", by_rule.body),
            ]
            events = stack.received(url, 2)
            [record] = json.loads(min(events, key=lambda body: "by%2Brule" in body))["Records"]
            broken = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}}}
            message = json.dumps({"Records": [broken, record]})
            wrapped = {"Type": "Notification", "TopicArn": "arn:aws:sns", "Message": message}
            rule = {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {
                    "bucket": {"name": uploads[1].bucket},
                    "object": {"key": uploads[1].key, "version-id": uploads[1].version_id},
                    "requester": "000000000000",
                },
            }
            for body in (wrapped, rule):
                stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
        for upload, file in zip(uploads, (by_sns, by_rule), strict=True):
            assert_loaded(stack, stack.ended(stack.execution_of(upload)), file)
        until(lambda: stack.queue_is_empty(url), "an empty upload queue")
    assert stack.receive(stack.names.upload_dead_letter_queue_url) == [json.dumps(wrapped)]
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


@pytest.mark.exhaustive
@pytest.mark.usefixtures("rows_capped")
def test_of_many_files_at_once_no_more_are_written_than_allowed(stack: RunningStack) -> None:
    """The stack has the default of three. The others wait, and none fails."""
    files = [TicketFile(f"at-once-{number}").rows(1_000) for number in range(7)]
    uploads = [stack.upload(f"uploads/{file.name}.csv", file.body) for file in files]
    steps = []
    waited = 0
    for upload, file in zip(uploads, files, strict=True):
        execution = stack.ended(stack.execution_of(upload))
        assert_loaded(stack, execution, file)
        entered = stack.states_entered(execution["executionArn"])
        waited += "Wait For Turn" in entered
        for event in stack.history(execution["executionArn"]):
            state = event.get("stateEnteredEventDetails", {}).get("name")
            if state in ("Write Chunks", "Reconcile"):
                steps.append((event["timestamp"], 1 if state == "Write Chunks" else -1))
        if entered.count("Reconcile") == 2:  # the first one found equal keys to settle
            steps.remove(max(step for step in steps if step[1] == -1))
    writing = [sum(change for _, change in sorted(steps)[: at + 1]) for at in range(len(steps))]
    assert max(writing) <= 3
    assert waited  # four of them, unless the machine is slow to start executions
