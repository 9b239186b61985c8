"""start_execution: every upload is started once, and a bad message delays no other."""

import json
import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from handlers import start_execution
from tests.support.cloud import Cloud
from tests.support.queue_events import SENT_AT, queue_record

EVENTS = Path(__file__).parents[2] / "events" / "start_execution"


@pytest.fixture
def two_uploads() -> Any:
    """Two messages, each with an upload."""
    event = json.loads((EVENTS / "broken_record_between_good_ones.json").read_text())
    del event["Records"][1]
    return event


def names(cloud: Cloud) -> list[Any]:
    return [one["name"] for one in cloud.executions()]


def failures(answer: Any) -> list[Any]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def change_upload(message: Any, change: Any) -> None:
    """Apply `change` to the first S3 record in a queue message."""
    body = json.loads(message["body"])
    change(body["Records"][0])
    message["body"] = json.dumps(body)


def test_a_second_delivery_is_a_success_and_starts_nothing(cloud: Cloud, two_uploads: Any) -> None:
    assert failures(cloud.call("start_execution", two_uploads)) == []
    started = cloud.executions()
    assert failures(cloud.call("start_execution", two_uploads)) == []
    assert cloud.executions() == started
    assert len(started) == 2


def test_a_delivery_after_the_execution_has_ended_is_a_success_too(
    cloud: Cloud, two_uploads: Any
) -> None:
    cloud.call("start_execution", two_uploads)
    for one in cloud.step_functions.list_executions(stateMachineArn=cloud.state_machine_arn)[
        "executions"
    ]:
        cloud.step_functions.stop_execution(executionArn=one["executionArn"])
    # On AWS the answer to the name of an ended execution is ExecutionAlreadyExists, for any input;
    # moto gives it for another input.
    for message in two_uploads["Records"]:
        change_upload(message, lambda record: record["s3"]["object"].update(size=1))
    assert failures(cloud.call("start_execution", two_uploads)) == []
    assert len(cloud.executions()) == 2


def test_nothing_of_the_delivery_is_in_the_execution(cloud: Cloud, two_uploads: Any) -> None:
    """Otherwise a second delivery would start an execution of another name or with another
    input."""
    cloud.call("start_execution", two_uploads)
    started = cloud.executions()

    def deliver_again(record: Any) -> None:
        record["eventTime"] = "2025-11-24T10:11:12.000Z"
        record["responseElements"]["x-amz-request-id"] = "0000000000000000"
        record["s3"]["object"]["sequencer"] = "00FFFFFFFFFFFFFFFF"

    for message in two_uploads["Records"]:
        change_upload(message, deliver_again)
        message["messageId"] = "11111111-2222-4333-8444-555555555555"
    cloud.call("start_execution", two_uploads)
    assert cloud.executions() == started


@pytest.mark.parametrize(
    "error",
    [
        ClientError(
            {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}},
            "StartExecution",
        ),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "StartExecution"),
        EndpointConnectionError(endpoint_url="https://states.us-east-1.amazonaws.com"),
    ],
    ids=["throttled", "denied", "unreachable"],
)
def test_an_upload_that_can_not_be_started_comes_again_alone(
    cloud: Cloud, two_uploads: Any, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    client = start_execution._starter()._step_functions
    start = client.start_execution

    def start_all_but_tickets(**arguments: Any) -> Any:
        if "tickets-csv" in arguments["name"]:
            raise error
        return start(**arguments)

    monkeypatch.setattr(client, "start_execution", start_all_but_tickets)
    answer = cloud.call("start_execution", two_uploads)
    assert failures(answer) == [two_uploads["Records"][0]["messageId"]]
    assert [name.rsplit("-", 1)[0] for name in names(cloud)] == ["store-12-header-only-csv"]


def test_one_broken_record_stops_none_of_its_message_and_the_message_fails(
    cloud: Cloud, two_uploads: Any
) -> None:
    """The good records are delivered again with their message, and are already started by then."""
    first, second = two_uploads["Records"]
    good = [json.loads(one["body"])["Records"][0] for one in (first, second)]
    broken = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "uploads"}}}
    first["body"] = json.dumps({"Records": [good[0], broken, good[1]]})
    del two_uploads["Records"][1]
    for _ in range(2):
        assert failures(cloud.call("start_execution", two_uploads)) == [first["messageId"]]
        assert len(names(cloud)) == 2


def test_an_upload_that_can_not_be_started_stops_none_of_its_message(
    cloud: Cloud, two_uploads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_uploads["Records"]
    good = [json.loads(one["body"])["Records"][0] for one in (first, second)]
    first["body"] = json.dumps({"Records": good})
    del two_uploads["Records"][1]
    client = start_execution._starter()._step_functions
    start = client.start_execution

    def start_all_but_tickets(**arguments: Any) -> Any:
        if "tickets-csv" in arguments["name"]:
            raise EndpointConnectionError(endpoint_url="https://states.us-east-1.amazonaws.com")
        return start(**arguments)

    monkeypatch.setattr(client, "start_execution", start_all_but_tickets)
    assert failures(cloud.call("start_execution", two_uploads)) == [first["messageId"]]
    assert [name.rsplit("-", 1)[0] for name in names(cloud)] == ["store-12-header-only-csv"]


def test_one_upload_that_s3_sns_and_eventbridge_announce_is_one_execution(cloud: Cloud) -> None:
    """EventBridge names another uploader, so the execution's input would differ."""
    for event in ("s3_put", "from_sns", "from_eventbridge"):
        request = json.loads((EVENTS / f"{event}.json").read_text())
        del request["Records"][1:]
        assert failures(cloud.call("start_execution", request)) == []
    assert len(names(cloud)) == 1


def test_two_versions_of_one_key_are_two_executions(cloud: Cloud, two_uploads: Any) -> None:
    two_uploads["Records"][1] = json.loads(json.dumps(two_uploads["Records"][0]))
    change_upload(
        two_uploads["Records"][1],
        lambda record: record["s3"]["object"].update(versionId="another"),
    )
    assert failures(cloud.call("start_execution", two_uploads)) == []
    assert len(set(names(cloud))) == 2


def test_in_a_bucket_without_versions_the_sequencer_tells_uploads_apart(cloud: Cloud) -> None:
    event = json.loads((EVENTS / "unversioned_bucket.json").read_text())
    cloud.call("start_execution", event)
    change_upload(
        event["Records"][0],
        lambda record: record["s3"]["object"].update(sequencer="00FFFFFFFFFFFFFFFF"),
    )
    cloud.call("start_execution", event)
    assert len(set(names(cloud))) == 2


@pytest.mark.parametrize(("receives", "is_sent"), [(19, True), (20, True), (20, False)])
def test_a_message_received_for_the_last_time_is_a_dead_letter_with_the_reason(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, receives: int, is_sent: bool
) -> None:
    """If it can't be sent with the reason, SQS moves it without one."""
    sqs = boto3.client("sqs")
    if is_sent:
        sqs.create_queue(QueueName="not-started")
    answer = cloud.call("start_execution", {"Records": [queue_record("m", "?!", receives)]})
    if receives == 19 or not is_sent:
        assert failures(answer) == ["m"]
        return
    assert failures(answer) == []
    [letter] = sqs.receive_message(
        QueueUrl=os.environ["UPLOAD_DEAD_LETTER_QUEUE_URL"], MessageAttributeNames=["All"]
    )["Messages"]
    assert letter["Body"] == "?!"
    attributes = {name: one["StringValue"] for name, one in letter["MessageAttributes"].items()}
    assert attributes == {
        "SentAt": SENT_AT,
        "Reason": "The message is neither an S3 event notification, nor one that SNS has wrapped, "
        "nor an EventBridge event.",
    }


def test_the_log_names_the_command_and_the_page(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.call("start_execution", {"Records": [queue_record("m", "?!")]})
    assert "`tickets dead-letters`" in caplog.text
    assert "docs/operations.md#upload-not-started" in caplog.text
