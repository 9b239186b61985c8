"""A deployed stack as `tickets` finds it: S3 and DynamoDB by moto, Step Functions our own.

The fixtures are imported by the conftest.py of each folder that uses them.
"""

import csv
import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.sqs.models import Message

from ingestion.ledger.chunks import Chunks
from tests.support.command_line import REFUSED_ROWS
from tests.support.moto_server import LEDGER_INDEXES, create_table
from tests.support.step_functions import MACHINE, StepFunctions
from tickets.runs import connect, dead_letters
from tickets.runs.stack import Stack


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test uses AWS, the AWS settings of the user who runs it, or the files of another test."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.chdir(tmp_path)
    with Path("rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("line", "column", "reason", "raw"), *REFUSED_ROWS])


def _queue(session: boto3.Session, name: str) -> str:
    return str(session.client("sqs").create_queue(QueueName=name)["QueueUrl"])


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[Stack, StepFunctions]]:
    """A stack with a versioned upload bucket and a ledger; made once, since clients take long."""
    with mock_aws():
        session = boto3.Session(region_name="eu-west-1")
        outputs = {
            "UploadBucketName": "uploads",
            "WorkBucketName": "work",
            "TableName": "Tickets",
            "LedgerTableName": "ledger",
            "StateMachineArn": MACHINE,
            "UploadQueueUrl": _queue(session, "uploads"),
            "UploadDeadLetterQueueUrl": _queue(session, "unstarted"),
            "FailedExecutionsQueueUrl": _queue(session, "failed"),
        }
        stack, step_functions = Stack("tickets", "eu-west-1", outputs, session), StepFunctions()
        stack._clients["stepfunctions"] = step_functions.client
        s3 = stack.client("s3")
        for bucket in ("uploads", "work"):
            place: Any = {"LocationConstraint": "eu-west-1"}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
        dynamodb = stack.client("dynamodb")
        create_table(dynamodb, "ledger", "load_id", "entry", indexes=LEDGER_INDEXES)
        yield stack, step_functions


@pytest.fixture
def step_functions(deployed: tuple[Stack, StepFunctions]) -> StepFunctions:
    """Without any execution."""
    deployed[1].forget()
    return deployed[1]


@pytest.fixture
def stack(
    deployed: tuple[Stack, StepFunctions],
    step_functions: StepFunctions,
    alone: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Stack:
    """The stack that the command finds, with the files of one load in its work bucket and nothing
    in its ledger."""
    stack = deployed[0]
    dynamodb = stack.client("dynamodb")
    for item in dynamodb.scan(TableName="ledger")["Items"]:
        key = {name: item[name] for name in ("load_id", "entry")}
        dynamodb.delete_item(TableName="ledger", Key=key)
    stack.client("s3").upload_file("rows.csv", "work", "refused-rows/a/refused-rows.csv")
    stack.client("s3").put_object(Bucket="work", Key="reports/a.json", Body=b"{}")
    monkeypatch.setattr(connect, "find_stack", lambda *_: stack)
    return stack


@pytest.fixture
def chunks(stack: Stack) -> Chunks:
    return Chunks(stack.client("dynamodb"), "ledger")


@pytest.fixture
def empty_queues(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits, and nobody waits for something to come. Each message that is sent is a
    millisecond younger than the one before, so that the order of their times is known."""
    monkeypatch.setattr(dead_letters, "_WAIT_SECONDS", 0)
    times = count(int(time.time() * 1000))
    mark_sent = Message.mark_sent

    def mark_sent_later(message: Any, *arguments: Any, **options: Any) -> None:
        mark_sent(message, *arguments, **options)
        message.sent_timestamp = next(times)

    monkeypatch.setattr(Message, "mark_sent", mark_sent_later)
    for name in ("UploadQueueUrl", "UploadDeadLetterQueueUrl", "FailedExecutionsQueueUrl"):
        url = stack.outputs[name]
        stack.client("sqs").delete_queue(QueueUrl=url)
        assert _queue(stack.session, url.rpartition("/")[2]) == url
