"""Loads by the real handlers, called in the order of the state machine, without an engine.

What the state machine does between its tasks is told here once more, as simply as it goes: every
task is tried six times, a failed chunk leaves the others alone, and Reconcile has the last word.
No time passes between tries.
"""

import importlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ingestion.s3.notifications import read_notification
from tests.faults.matrix import FAILED, LOADED, OVERTAKEN, Kind
from tests.support.load_assertions import assert_loaded
from tests.support.moto_tables import create_table
from tests.support.running_stack import LoadRecords
from tests.support.ticket_files import TicketFile
from tests.support.wire import Wire

ACCOUNT = "123456789012"  # moto's
UPLOADS, UNVERSIONED, WORK = "ticket-uploads", "tills-without-versions", "ticket-work"
TABLE, LEDGER = "Tickets", "Ledger"
CHUNK_SIZE = 1200  # bytes, ...
CHUNKS = 5  # ... and what it makes of a `ticket_file`
TRIES = 6  # MaxAttempts of the definition is 5, and that counts the retries only
FUNCTION_SECONDS = 900.0
EXECUTIONS = f"arn:aws:states:us-east-1:{ACCOUNT}:execution:Ingest:"

Deed = Callable[[], object]


@dataclass(frozen=True)
class Ended:
    """How an execution ended: the name of its last state, and why it failed."""

    name: str
    ending: str
    why: str
    state: dict[str, Any]

    def described(self) -> dict[str, Any]:
        """As DescribeExecution would say it."""
        status = "SUCCEEDED" if self.ending in (LOADED, OVERTAKEN) else "FAILED"
        output = json.dumps(self.state)
        return {"status": status, "output": output, "executionArn": EXECUTIONS + self.name}


class Tasks(LoadRecords):
    """The stack's buckets and tables, and its handlers. `wire` is what the handlers talk through;
    the tests' own calls do not."""

    def __init__(self, session: boto3.Session, direct_url: str, wire: Wire) -> None:
        def client(service: str) -> Any:
            return session.client(service, endpoint_url=direct_url)  # type: ignore[call-overload]

        super().__init__(client("s3"), client("dynamodb"), TABLE, LEDGER)
        self.wire = wire
        self.called: Counter[str] = Counter()
        """How often each handler was called, the tries that failed included."""
        self.step_functions = client("stepfunctions")
        for bucket in (UPLOADS, UNVERSIONED, WORK):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
        self.create_table(TABLE, "ticket_id", "product")
        self.create_table(LEDGER, "load_id", "entry")
        self.state_machine_arn = self.step_functions.create_state_machine(
            name="Ingest",
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/ingest",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        )["stateMachineArn"]

    def create_table(self, name: str, *key: str) -> None:
        create_table(self.dynamodb, name, *key)

    def upload(self, file: TicketFile, key: str | None = None, bucket: str = UPLOADS) -> Any:
        """Put a file; the answer is the input of the execution that the upload starts."""
        key = key or f"{file.name}.csv"
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=file.body)
        return {
            "bucket": bucket,
            "key": key,
            "version_id": answer.get("VersionId"),
            "etag": answer["ETag"].strip('"'),
        }

    # --- executions

    def run(
        self,
        given: Mapping[str, Any],
        name: str = "first",
        *,
        before: Mapping[str, Deed] | None = None,
        seconds: float = FUNCTION_SECONDS,
    ) -> Ended:
        """One execution. `before` has what happens just before a task is first tried; `seconds` is
        what Write Chunk has of time in each of its rounds."""
        deeds = dict(before or {})
        state: dict[str, Any] = {}

        def task(handler: str, payload: Mapping[str, Any], tries: int = TRIES) -> dict[str, Any]:
            deeds.pop(handler, lambda: None)()
            for left in reversed(range(tries)):
                try:
                    return self.call(handler, payload, seconds)
                except Exception as error:
                    if not left:
                        raise _TaskFailed(_in_words(handler, error)) from error
            raise AssertionError("unreachable")

        def fields(*names: str) -> dict[str, Any]:
            """What the definition gives to a task: fields of `$`, and what it knows itself."""
            told = {"execution": name, "started_at": datetime.now(UTC).isoformat()}
            return told | {one: state[one] for one in names}

        try:
            state |= task("validate_file", {"execution_arn": EXECUTIONS + name, "input": given})
            if state["verdict"] == "refused":
                return Ended(name, FAILED, state["summary"], state)
            assert state["verdict"] == "accepted", state
            state["plan"] = task("split_file", fields("load_id", "file"))
            if task("take_turn", fields("load_id", "file"))["turn"] != "mine":
                return Ended(name, OVERTAKEN, "", state)
            chunks = self.plan(state)
            for chunk in chunks:
                try:
                    finished = False
                    while not finished:
                        given_chunk = {"chunk": chunk, "chunks": len(chunks)}
                        progress = task("write_chunk", fields("load_id", "file") | given_chunk)
                        finished = progress["finished"] or progress["overtaken"]
                except _TaskFailed as failed:  # as the Map does: the others go on
                    state.setdefault("failed_chunks", {})[chunk["index"]] = str(failed)
            state["result"] = task("reconcile", fields("load_id", "file", "plan"))
        except _TaskFailed as failed:
            return Ended(name, FAILED, str(failed), state)
        if state["result"]["complete"]:
            return Ended(name, LOADED, "", state)
        ending = OVERTAKEN if state["result"]["overtaken"] else FAILED
        return Ended(name, ending, state["result"]["summary"], state)

    def call(
        self, handler: str, event: Mapping[str, Any], seconds: float = FUNCTION_SECONDS
    ) -> dict[str, Any]:
        """What a handler answers, as Step Functions gets it: by way of JSON."""
        self.called[handler] += 1
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))
        module = importlib.import_module(f"handlers.{handler}")
        answer: dict[str, Any] = json.loads(
            json.dumps(module.handler(json.loads(json.dumps(event)), context))
        )
        return answer

    def plan(self, state: Mapping[str, Any]) -> list[dict[str, Any]]:
        plan = state["plan"]
        chunks: list[dict[str, Any]] = json.loads(
            self.object(f"s3://{plan['bucket']}/{plan['key']}")
        )
        return chunks

    def started(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names and inputs of the executions that Step Functions has been told to start."""
        found = self.step_functions.list_executions(stateMachineArn=self.state_machine_arn)
        for one in found["executions"]:
            described = self.step_functions.describe_execution(executionArn=one["executionArn"])
            yield one["name"], json.loads(described["input"])

    # --- books

    def assert_loaded(self, ended: Ended, file: TicketFile) -> dict[str, Any]:
        """Table, totals, ledger, report and refused rows are the file's. Returns the report."""
        assert ended.ending == LOADED, ended
        return assert_loaded(self, ended.described(), file)


def assert_ended(ended: Ended, kind: Kind) -> None:
    """As the matrix says."""
    assert ended.ending == kind.ending, ended
    assert kind.why in ended.why


def _in_words(handler: str, error: Exception) -> str:
    name = type(error).__name__
    if isinstance(error, ClientError):  # its class is one of botocore's making
        name = error.response["Error"]["Code"]
    return f"{handler.replace('_', ' ').title()}: {name}: {error}"


class _TaskFailed(Exception):
    """A task has used up its tries."""


def assert_no_second_try(tasks: Tasks) -> None:
    """Each task has healed within its one call."""
    once = dict.fromkeys(("validate_file", "split_file", "take_turn", "reconcile"), 1)
    assert tasks.called == once | {"write_chunk": CHUNKS}


def ticket_file(name: str) -> TicketFile:
    """Five chunks: sixty good rows, one that is superseded in the first chunk, one refused in the
    third."""
    file = TicketFile(name)
    time = "2026-03-01T12:00:00Z"
    file.refused(f"{{}}-s01,Rice,B1,{time},Home,1,Lyon", "", "superseded")
    file.raw(f"{{}}-s01,Rice,B1,{time},Home,2,Lyon").rows(30)
    file.refused(f"{{}}-b01,Soap,B1,{time},Home,two,Lyon", "quantity", "bad_quantity")
    return file.rows(30)


def s3_event(given: Mapping[str, Any], sequencer: str = "0065") -> str:
    """The body of the SQS message that announces an upload."""
    stored = {"key": given["key"], "versionId": given["version_id"], "eTag": given["etag"]}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAJDPLRKLG7UEXAMPLE"},
        "s3": {
            "bucket": {"name": given["bucket"]},
            "object": {**stored, "size": 1, "sequencer": sequencer},
        },
    }
    body = json.dumps({"Records": [record]})
    assert read_notification(body).uploads
    return body
