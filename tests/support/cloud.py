"""The stack without an engine: moto's S3, DynamoDB and Step Functions, the handlers called in this
process, and executions interpreted from the definition."""

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
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.validate_file import Validator
from tests.support.load_assertions import assert_loaded
from tests.support.load_records import LoadRecords
from tests.support.moto_server import LEDGER_INDEXES, create_table
from tests.support.reference_loads import check_success
from tests.support.state_machine import EXECUTIONS, Execution, payload_of, run
from tests.support.ticket_files import TicketFile
from tests.support.wire import Wire
from tickets import ROOT

EVENTS = ROOT / "events"
HANDLERS = sorted(path.stem for path in (ROOT / "functions" / "handlers").glob("[a-z]*.py"))
ACCOUNT = "123456789012"  # moto's
STATE_MACHINE_ARN = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:Ingest"
UPLOADS = f"ticket-uploads-{ACCOUNT}-1a2b3c4d"
UNVERSIONED = "tills-without-versions"
WORK = f"ticket-work-{ACCOUNT}-1a2b3c4d"
CHUNK_SIZE = 300  # bytes, so that even a short file has several chunks
MAX_REFUSED_PERCENT = 40  # so that a file with all kinds of bad rows needs only a few good ones
FUNCTION_SECONDS = 900.0
# What the state machine adds to a task's event from its context object. Tests give the rest.
OF_THE_EXECUTION = {
    "execution": "by-hand",
    "execution_arn": f"{EXECUTIONS}by-hand",
    "started_at": "2025-11-24T09:00:05.118Z",
}
NOW = "2025-11-24T09:00:07.000Z"
"""The time that the ledger records."""
GENERATION = generation(None, deployed_sources().built_in.declaration)
"""The generation of all loads on this cloud, because moto's tables have no id."""


def chunk_entry(index: int) -> str:
    """The name of a chunk's entry in the ledger."""
    return f"chunk#{GENERATION}#{index:06d}"


NOT_WAITED = {"waits_for": None, "waited_since": None}
"""What the state Validate File adds to its handler's answer, as `turn`."""
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "LEDGER_TABLE": "Ledger",
    "WORK_BUCKET": WORK,
    "CHUNK_SIZE_BYTES": str(CHUNK_SIZE),
    "BATCHES_IN_FLIGHT": "4",
    "LOADS_AT_A_TIME": "1",
    "MAP_CONCURRENCY": "1",
    "MAX_ROWS_PER_SECOND": "0",
    "LINEAGE_ATTRIBUTE": "",
    "MAX_REFUSED_PERCENT": str(MAX_REFUSED_PERCENT),
    "MAX_SUPERSEDED_PERCENT": "50",
    "STACK_NAME": "tickets",
    "STACK": '{"Stack": "tickets", "Table": "Tickets"}',
    "DYNAMODB_TABLE": "Tickets",
    "UPLOAD_DEAD_LETTER_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/not-started",
}
"""The environment variables that the functions read."""

Deed = Callable[[], object]


class Cloud(LoadRecords):
    """Takes the place of the stack on AWS. The buckets have the names that are in `events/`. Its
    own clients always use moto in this process, even if the handlers use a server or a wire."""

    uploads, unversioned, work = UPLOADS, UNVERSIONED, WORK
    wire: Wire
    """The proxy that the handlers' calls pass through, if the fixture uses `on_a_wire`."""

    def __init__(self) -> None:
        def client(service: str) -> Any:
            # The endpoints in the environment are for the handlers only.
            config = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg] # not in stubs
            return _session().client(service, config=config)

        super().__init__(client("s3"), client("dynamodb"), "Tickets", "Ledger")
        self.stored_at = datetime(2025, 11, 24, 9)  # noqa: DTZ001 (moto has it without a zone)
        self.step_functions = client("stepfunctions")
        self.failed_calls: list[str] = []
        """The name of the handler for each call that raised an error."""
        self.machine: dict[str, Any] | None = None
        """A state machine's definition to use in place of the project's."""
        self.now: Callable[[], float] = time.time
        """The clock for leases."""
        for bucket in (UPLOADS, UNVERSIONED, WORK):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
        self.create_table(self.table, "ticket_id", "product")
        self.create_table(self.ledger_table, "load_id", "entry", indexes=LEDGER_INDEXES)
        self.state_machine_arn = self.step_functions.create_state_machine(
            name="Ingest",
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/ingest",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        )["stateMachineArn"]

    def create_table(self, name: str, *key: str, **options: Any) -> None:
        create_table(self.dynamodb, name, *key, **options)

    def replace_table(self, *key: str, **options: Any) -> None:
        """Deletes the table and creates it again, empty."""
        self.dynamodb.delete_table(TableName=self.table)
        self.create_table(self.table, *(key or ("ticket_id", "product")), **options)

    def put(
        self,
        body: bytes,
        key: str = "store-12/a.csv",
        bucket: str = UPLOADS,
        version_id: str | None = None,
    ) -> dict[str, Any]:
        """Uploads an object, one second after the previous one. Returns the input of the execution
        that the upload starts."""
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        self.stored_at += timedelta(seconds=1)
        stored: Any = s3_backends[ACCOUNT]["aws"].get_object(bucket, key)
        stored.last_modified = self.stored_at
        if version_id:  # moto makes up one, but the sample events name certain ones
            stored._version_id = version_id
        return {
            "bucket": bucket,
            "key": key,
            "version_id": version_id or answer.get("VersionId"),
            "etag": answer["ETag"].strip('"'),
            "size": len(body),
            "uploader": "AWS:AIDAJDPLRKLG7UEXAMPLE",
        }

    def archive(self, given: Mapping[str, Any]) -> None:
        """Archives the newest version of the object that an execution's input names."""
        stored: Any = s3_backends[ACCOUNT]["aws"].get_object(given["bucket"], given["key"])
        stored._storage_class = "DEEP_ARCHIVE"

    def upload(
        self, file: TicketFile, key: str | None = None, bucket: str = UPLOADS
    ) -> dict[str, Any]:
        """Uploads a ticket file, by default as `<its name>.csv`; see `put`."""
        return self.put(file.body, key or f"{file.name}.csv", bucket)

    # --- Executions

    def start(self, given: Mapping[str, Any], name: str = "by-hand") -> Execution:
        """Starts an execution, which waits at its first task."""
        return Execution(given, self.read, machine=self.machine, name=name)

    def run(
        self,
        given: Mapping[str, Any],
        name: str = "first",
        *,
        before: Mapping[str, Deed] | None = None,
        seconds: float = FUNCTION_SECONDS,
    ) -> Execution:
        """Runs an execution to its end. The clock for leases advances by its waits and pauses.

        before: by handler, what to do just before it is called for the first time.
        seconds: the time that each call has left.
        """
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
        """Runs an execution, which must get to Reconcile; returns its data at the end."""
        data: dict[str, Any] = self.run(given, "by-hand").data
        assert "result" in data, data
        return data

    def assert_loaded(self, execution: Execution, file: TicketFile) -> dict[str, Any]:
        """Asserts that the execution loaded exactly the file. Returns the report."""
        assert execution.ended_in == "Loaded", execution.cause
        return assert_loaded(self, execution.described, file)

    def executions(self) -> list[dict[str, Any]]:
        """The executions that were started, as `{name, input}`, sorted by name."""
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
        """Calls a handler. For a task of a load, adds what the context object adds if the event
        lacks it."""
        event = {**OF_THE_EXECUTION, **event} if "load_id" in event else event
        return self.invoke(handler, event, seconds)

    def invoke(self, handler: str, event: Mapping[str, Any], seconds: float) -> Any:
        """Calls a handler as Lambda does: event and answer are converted to JSON and back."""
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

    def accept(self, given: Mapping[str, Any]) -> Any:
        """Calls Validate File, which accepts the file and leaves it to Split File to plan it, also
        if it is small."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Validator, "_plan", lambda *_: None)
            state = self.validate(given)
        assert state["verdict"] == "accepted", state
        return state

    def plan(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Calls Validate File and Split File. Returns the data `$` before Write Chunks, and the
        chunks of the plan."""
        state = self.accept(given)
        state["turn"] = NOT_WAITED
        state["plan"] = self.call("split_file", payload_of("split_file", state))
        return state, self.chunks(state)

    def chunks(self, state: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks of a plan."""
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
        """Calls Reconcile. If it answers that equal keys are unsettled, settles them and calls it
        again. Returns the last answer."""
        event = payload_of("reconcile", state)
        result = self.call("reconcile", event)
        if result["equal_keys"] == "unsettled" and self.settle(state)["state"]:
            result = self.call("reconcile", event)
        return result

    def take_turn(self, state: dict[str, Any]) -> Any:
        return self.turn(state)["turn"]

    def turn(self, state: dict[str, Any]) -> dict[str, Any]:
        """Calls Take Turn, and returns its whole answer."""
        return dict(self.call("take_turn", payload_of("take_turn", state)))

    # --- Contents of buckets and tables

    def listed_rows(self, state: Mapping[str, Any], index: int = 0) -> list[RefusedRow]:
        """The refused and superseded rows of a chunk. Line numbers count from the chunk's start."""
        load_id, generation = state["load_id"], state["plan"]["generation"]
        progress = Chunks(self.dynamodb, self.ledger_table).chunk(load_id, generation, index)
        assert progress
        series = chunk_series(load_id, generation, progress)
        return list(read_rows(self.s3, self.work, series))

    def read(self, bucket: str, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def items(self, table: str = "Tickets") -> list[dict[str, Any]]:
        """All items of a table, as Python values (numbers as Decimal)."""
        return list(self._scan(table))

    def entry(self, load_id: str, entry: str = "load") -> Any:
        """One entry of the ledger, or None."""
        return self.ledger(load_id).get(entry)

    def change_entry(self, load_id: str, entry: str, **numbers: float) -> None:
        """Sets numbers in an entry of the ledger, to values that no task would write."""
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
    """Within the block, the handlers use a cloud without objects and items.

    moto_url: a server of moto's in this process. Batches go to it, because the client that sends
    them is not botocore's, and moto in process answers only botocore.
    """
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        for name, value in {**ENVIRONMENT, **environment}.items():
            patch.setenv(name, value)
        for name in ("write_chunk", "settle_equal_keys"):
            handler = importlib.import_module(f"handlers.{name}")
            patch.setattr(handler, "dynamodb_transport", lambda _: _transport_to(moto_url))
        for module in ("loads", "attempts", "chunks"):
            patch.setattr(f"ingestion.ledger.{module}.now", lambda: NOW)
        # The key of a load's digests is random and in the plan, so it would differ in each run.
        patch.setattr("ingestion.csv_files.key_digests.secrets.token_hex", lambda size: "00" * size)
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
    """Within the block, the handlers' calls pass through a wire. It is yielded and `cloud.wire`."""
    with pytest.MonkeyPatch.context() as patch, Wire.before(moto_url) as wire:
        patch.setenv("AWS_ENDPOINT_URL", wire.url)
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", wire.url)
        forget_clients()
        cloud.wire = wire
        yield wire
    forget_clients()


def empty_again() -> Cloud:
    """Replaces the current cloud with a new, empty one. All names stay the same."""
    for service in ("s3", "dynamodb", "stepfunctions"):
        get_backend(service).reset()
    return Cloud()


def forget_clients() -> None:
    """Makes the handlers create their clients again. They create them once per process, but each
    test has a cloud of its own."""
    for handler in HANDLERS:
        forget_clients_of(importlib.import_module(f"handlers.{handler}"))


def forget_clients_of(module: Any) -> None:
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _turns_of(module: Any) -> Iterator[Turns]:
    """The objects of a handler that use the clock for leases."""
    for factory in vars(module).values():
        if hasattr(factory, "cache_clear"):
            made = factory()
            found = made if isinstance(made, Turns) else getattr(made, "_turns", None)
            if isinstance(found, Turns):
                yield found


class _Session(boto3.Session):
    """Creates each client once, because that takes longer than most calls. If a test registers
    something with a client, it must unregister it."""

    def __init__(self) -> None:
        super().__init__("testing", "testing", region_name="us-east-1")
        self._clients: dict[str, Any] = {}

    def client(self, *arguments: Any, config: Config | None = None, **options: Any) -> Any:
        """The client for these arguments and the current `AWS_` variables."""
        variables = sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))
        made_from = repr((arguments, options, config and vars(config), variables))
        if made_from not in self._clients:
            client = super().client(*arguments, config=config, **options)  # type: ignore[call-overload]
            if "AWS_ENDPOINT_URL" in os.environ:  # a wire's, which ends with the test
                return client
            self._clients[made_from] = client
        return self._clients[made_from]


@cache
def _session() -> _Session:
    """One session for all tests, because reading the services' models takes a second."""
    return _Session()
