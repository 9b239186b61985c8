"""The stack without an engine: S3, DynamoDB and Step Functions by moto, the handlers in process,
and executions interpreted from the definition."""

import importlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.backends import get_backend
from moto.s3.models import s3_backends

from ingestion.contracts import RefusedRow
from ingestion.dynamodb.transport import Transport, dynamodb_transport
from ingestion.generation import generation
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.versions import Turns
from ingestion.s3.refused_rows import read_rows
from ingestion.tasks.accounting import chunk_series
from tests.support.load_assertions import assert_loaded
from tests.support.load_records import LoadRecords
from tests.support.moto_server import create_table
from tests.support.reference_loads import check_success
from tests.support.state_machine import EXECUTIONS, Execution, payload_of, run
from tests.support.ticket_files import TicketFile
from tests.support.wire import Wire
from tickets import ROOT

EVENTS = ROOT / "events"
HANDLERS = sorted(path.stem for path in (ROOT / "functions" / "handlers").glob("[a-z]*.py"))
ACCOUNT = "123456789012"  # moto's
UPLOADS = f"ticket-uploads-{ACCOUNT}-1a2b3c4d"
UNVERSIONED = "tills-without-versions"
WORK = f"ticket-work-{ACCOUNT}-1a2b3c4d"
CHUNK_SIZE = 300  # bytes, so that a file one can read has several chunks
MAX_REFUSED_PERCENT = 40  # so that bad rows of all kinds need few good ones beside them
FUNCTION_SECONDS = 900.0
# What the state machine adds to a task's input from its context, for a test that gives the rest.
OF_THE_EXECUTION = {"execution": "by-hand", "started_at": "2025-11-24T09:00:05.118Z"}
NOW = "2025-11-24T09:00:07.000Z"
"""The ledger's time."""
GENERATION = generation(None)
"""Of all loads here, since moto's tables have no id."""


def chunk_entry(index: int) -> str:
    """The name of a chunk's entry in the ledger."""
    return f"chunk#{GENERATION}#{index:06d}"


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "LEDGER_TABLE": "Ledger",
    "WORK_BUCKET": WORK,
    "CHUNK_SIZE_BYTES": str(CHUNK_SIZE),
    "BATCHES_IN_FLIGHT": "4",
    "MAP_CONCURRENCY": "1",
    "MAX_ROWS_PER_SECOND": "0",
    "MAX_REFUSED_PERCENT": str(MAX_REFUSED_PERCENT),
    "MAX_SUPERSEDED_PERCENT": "50",
    "STACK_NAME": "tickets",
    "DYNAMODB_TABLE": "Tickets",
}
"""The variables that the functions read."""

Deed = Callable[[], object]


class Cloud(LoadRecords):
    """What the stack would be on AWS, with the buckets' names as the events have them. Its own
    clients reach moto in process, whichever way the handlers take."""

    uploads, unversioned, work = UPLOADS, UNVERSIONED, WORK
    wire: Wire
    """What the handlers talk through, if the fixture has put them on it."""

    def __init__(self) -> None:
        def client(service: str) -> Any:
            # Not the endpoints of the handlers, which are in the environment.
            config = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg] # not in stubs
            return _session().client(service, config=config)  # type: ignore[call-overload]

        super().__init__(client("s3"), client("dynamodb"), "Tickets", "Ledger")
        self.stored_at = datetime(2025, 11, 24, 9)  # noqa: DTZ001 (moto has it without a zone)
        self.step_functions = client("stepfunctions")
        self.failed_calls: list[str] = []
        """The handlers that have raised an error, once for each time."""
        self.machine: dict[str, Any] | None = None
        """The definition of executions, if it is not the project's."""
        self.now: Callable[[], float] = time.time
        """The clock that leases go by."""
        for bucket in (UPLOADS, UNVERSIONED, WORK):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
        self.create_table(self.table, "ticket_id", "product")
        self.create_table(self.ledger_table, "load_id", "entry")
        self.state_machine_arn = self.step_functions.create_state_machine(
            name="Ingest",
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/ingest",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        )["stateMachineArn"]

    def create_table(self, name: str, *key: str, **options: Any) -> None:
        create_table(self.dynamodb, name, *key, **options)

    def replace_table(self, *key: str, **options: Any) -> None:
        """Delete the table and create it again, empty."""
        self.dynamodb.delete_table(TableName=self.table)
        self.create_table(self.table, *(key or ("ticket_id", "product")), **options)

    def put(
        self,
        body: bytes,
        key: str = "store-12/a.csv",
        bucket: str = UPLOADS,
        version_id: str | None = None,
    ) -> dict[str, Any]:
        """Upload an object, a second after the one before; the answer is the input of the execution
        that it starts."""
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        self.stored_at += timedelta(seconds=1)
        stored: Any = s3_backends[ACCOUNT]["aws"].get_object(bucket, key)
        stored.last_modified = self.stored_at
        if version_id:  # moto invents one, and the events have theirs
            stored._version_id = version_id
        return {
            "bucket": bucket,
            "key": key,
            "version_id": version_id or answer.get("VersionId"),
            "etag": answer["ETag"].strip('"'),
            "size": len(body),
            "uploader": "AWS:AIDAJDPLRKLG7UEXAMPLE",
        }

    def upload(
        self, file: TicketFile, key: str | None = None, bucket: str = UPLOADS
    ) -> dict[str, Any]:
        """As `put`, under the file's own name."""
        return self.put(file.body, key or f"{file.name}.csv", bucket)

    # --- Executions

    def start(self, given: Mapping[str, Any], name: str = "by-hand") -> Execution:
        """An execution that has not made a step yet."""
        return Execution(given, self.read, machine=self.machine, name=name)

    def run(
        self,
        given: Mapping[str, Any],
        name: str = "first",
        *,
        before: Mapping[str, Deed] | None = None,
        seconds: float = FUNCTION_SECONDS,
    ) -> Execution:
        """An execution that has ended. `before` has what happens just before a handler is first
        called; `seconds` is what each call has of time. While a state pauses, time passes for
        leases."""
        deeds = dict(before or {})
        execution = self.start(given, name)
        started, self.now = self.now(), lambda: started + execution.paused

        def call(task: Execution) -> Any:
            deeds.pop(task.handler, lambda: None)()
            return self.invoke(task.handler, task.event, seconds)

        run(execution, call)
        if execution.ended_in == "Loaded":
            check_success(self, execution.data, may_differ=False)
        return execution

    def load(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What an execution ends with, once it has come to a result."""
        data: dict[str, Any] = self.run(given, "by-hand").data
        assert "result" in data, data
        return data

    def assert_loaded(self, execution: Execution, file: TicketFile) -> dict[str, Any]:
        """Table, totals, ledger, report and refused rows are the file's. Returns the report."""
        assert execution.ended_in == "Loaded", execution.cause
        return assert_loaded(self, execution.described, file)

    def executions(self) -> list[dict[str, Any]]:
        """The executions that were started, in the order of their names: ``{name, input}``."""
        found = self.step_functions.list_executions(stateMachineArn=self.state_machine_arn)
        described = [
            self.step_functions.describe_execution(executionArn=one["executionArn"])
            for one in found["executions"]
        ]
        return sorted(
            ({"name": one["name"], "input": json.loads(one["input"])} for one in described),
            key=lambda one: one["name"],
        )

    # --- Single handlers

    def call(
        self, handler: str, event: Mapping[str, Any], seconds: float = FUNCTION_SECONDS
    ) -> Any:
        """What a handler answers to an event, which may lack what the context adds."""
        event = {**OF_THE_EXECUTION, **event} if "load_id" in event else event
        return self.invoke(handler, event, seconds)

    def invoke(self, handler: str, event: Mapping[str, Any], seconds: float) -> Any:
        """What a handler answers, as Step Functions gets it: by way of JSON."""
        module = importlib.import_module(f"handlers.{handler}")
        for turns in _turns_of(module):
            turns._now = self.now
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))
        try:
            answer = module.handler(json.loads(json.dumps(event)), context)
        except Exception:
            self.failed_calls.append(handler)
            raise
        return json.loads(json.dumps(answer))

    def validate(self, given: Mapping[str, Any], execution: str = "by-hand") -> Any:
        arn = EXECUTIONS + execution
        return self.call("validate_file", {"execution_arn": arn, "input": given})

    def plan(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Validate and split: the state ``$`` before Write Chunks, and the chunks of the plan."""
        state = self.validate(given)
        assert state["verdict"] == "accepted", state
        state["plan"] = self.call("split_file", payload_of("split_file", state))
        return state, self.chunks(state)

    def chunks(self, state: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The items of a plan."""
        plan = state["plan"]
        chunks: list[dict[str, Any]] = json.loads(self.read(plan["bucket"], plan["key"]))
        return chunks

    def write(self, state: dict[str, Any], chunk: dict[str, Any], **options: Any) -> Any:
        return self.call("write_chunk", self.chunk_task(state, chunk), **options)

    def chunk_task(self, state: dict[str, Any], chunk: dict[str, Any]) -> dict[str, Any]:
        """The event of Write Chunk."""
        return payload_of("write_chunk", state, chunk)

    def settle(self, state: dict[str, Any]) -> Any:
        return self.call("settle_equal_keys", payload_of("settle_equal_keys", state))

    def reconcile(self, state: dict[str, Any]) -> Any:
        """What Reconcile answers in the end. If it asks for that, equal keys are settled before."""
        event = payload_of("reconcile", state)
        result = self.call("reconcile", event)
        if result["equal_keys"] == "unsettled" and self.settle(state)["state"]:
            result = self.call("reconcile", event)
        return result

    def take_turn(self, state: dict[str, Any]) -> Any:
        return self.call("take_turn", payload_of("take_turn", state))["turn"]

    # --- What is there

    def listed_rows(self, state: Mapping[str, Any], index: int = 0) -> list[RefusedRow]:
        """The rows of a chunk that are not in the table; lines count from the chunk's start."""
        load_id, generation = state["load_id"], state["plan"]["generation"]
        progress = Chunks(self.dynamodb, self.ledger_table).chunk(load_id, generation, index)
        assert progress
        series = chunk_series(load_id, generation, progress)
        return list(read_rows(self.s3, self.work, series))

    def read(self, bucket: str, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def items(self, table: str = "Tickets") -> list[dict[str, Any]]:
        """All items of a table, their values plain (numbers as Decimal)."""
        return list(self._scan(table))

    def entry(self, load_id: str, entry: str = "load") -> Any:
        """One entry of the ledger, or None."""
        return self.ledger(load_id).get(entry)

    def change_entry(self, load_id: str, entry: str, **numbers: float) -> None:
        """Spoil an entry of the ledger, as no task of ours would."""
        for name, value in numbers.items():
            self.dynamodb.update_item(
                TableName=self.ledger_table,
                Key={"load_id": {"S": load_id}, "entry": {"S": entry}},
                UpdateExpression="SET #name = :value",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":value": {"N": str(Decimal(value))}},
            )


@contextmanager
def empty_cloud(moto_url: str, **environment: str) -> Iterator[Cloud]:
    """A cloud without objects and items, and handlers that use it. `moto_url` is a server of moto's
    in this process, which the batches need: they are sent by a client of their own."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        for name, value in {**ENVIRONMENT, **environment}.items():
            patch.setenv(name, value)
        for name in ("write_chunk", "settle_equal_keys"):
            handler = importlib.import_module(f"handlers.{name}")
            patch.setattr(handler, "dynamodb_transport", lambda _: _transport_to(moto_url))
        for module in ("loads", "chunks"):
            patch.setattr(f"ingestion.ledger.{module}.now", lambda: NOW)
        # The key of a load's digests, which is in the plan.
        patch.setattr("ingestion.tasks.split_file.secrets.token_hex", lambda size: "00" * size)
        patch.setattr(boto3, "DEFAULT_SESSION", _session())
        forget_clients()
        cloud = Cloud()
        patch.setenv("STATE_MACHINE_ARN", cloud.state_machine_arn)
        yield cloud
    forget_clients()


def _transport_to(moto_url: str) -> Transport:
    """What sends the batches: to moto's server, or to the wire before it. All other calls are
    answered in process, which is several times as fast."""
    url = os.environ.get("AWS_ENDPOINT_URL_DYNAMODB", moto_url)
    return dynamodb_transport(_session().client("dynamodb", endpoint_url=url))


@contextmanager
def on_a_wire(cloud: Cloud, moto_url: str) -> Iterator[Wire]:
    """Within the block, what the handlers send goes through a wire, which is `cloud.wire` too."""
    with pytest.MonkeyPatch.context() as patch, Wire.before(moto_url) as wire:
        patch.setenv("AWS_ENDPOINT_URL", wire.url)
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", wire.url)
        forget_clients()
        cloud.wire = wire
        yield wire
    forget_clients()


def empty_again() -> Cloud:
    """Another cloud in place of the one that there is, with all names as before."""
    for service in ("s3", "dynamodb", "stepfunctions"):
        get_backend(service).reset()
    return Cloud()


def forget_clients() -> None:
    """Handlers make their clients once per process; each test has a cloud of its own."""
    for handler in HANDLERS:
        forget_clients_of(importlib.import_module(f"handlers.{handler}"))


def forget_clients_of(module: Any) -> None:
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _turns_of(module: Any) -> Iterator[Turns]:
    """Whatever of a handler's goes by the clock of the leases."""
    for factory in vars(module).values():
        if hasattr(factory, "cache_clear"):
            made = factory()
            found = made if isinstance(made, Turns) else getattr(made, "_turns", None)
            if isinstance(found, Turns):
                yield found


@cache
def _session() -> boto3.Session:
    """One for all tests, because it reads the services' models, which takes a second."""
    return boto3.Session("testing", "testing", region_name="us-east-1")
