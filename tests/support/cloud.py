"""Handlers on moto: S3, DynamoDB and Step Functions in process, holding the objects of events/."""

import importlib
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import boto3
from boto3.dynamodb.types import TypeDeserializer
from moto.s3.models import s3_backends

from ingestion.ledger.chunks import Chunks
from ingestion.s3.refused_rows import read_rows
from ingestion.tasks.accounting import chunk_series
from tests.support.moto_tables import create_table

EVENTS = Path(__file__).parents[2] / "events"
HANDLERS = (
    "start_execution",
    "validate_file",
    "split_file",
    "take_turn",
    "write_chunk",
    "reconcile",
    "settle_equal_keys",
)
ACCOUNT = "123456789012"  # moto's
UPLOADS = f"ticket-uploads-{ACCOUNT}-1a2b3c4d"
UNVERSIONED = "tills-without-versions"
WORK = f"ticket-work-{ACCOUNT}-1a2b3c4d"
CHUNK_SIZE = 300  # bytes, so that a file one can read has several chunks
MAX_REFUSED_PERCENT = 40  # so that bad rows of all kinds need few good ones beside them
EXECUTIONS = f"arn:aws:states:us-east-1:{ACCOUNT}:execution:Ingest:"
# What the state machine adds to a task's input from its context.
NAMED = {"execution": "by-hand"}
OF_THE_EXECUTION = {
    "split_file": NAMED,
    "take_turn": NAMED,
    "write_chunk": NAMED,
    "reconcile": NAMED | {"started_at": "2025-11-24T09:00:05.118Z"},
    "settle_equal_keys": NAMED,
}
NOW = "2025-11-24T09:00:07.000Z"


ENVIRONMENT = {
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


class Cloud:
    """What the stack would be on AWS, with the buckets' names as the events have them."""

    uploads, unversioned, work = UPLOADS, UNVERSIONED, WORK
    table, ledger_table = "Tickets", "Ledger"

    def __init__(self):
        self.stored_at = datetime(2025, 11, 24, 9)  # noqa: DTZ001 (moto has it without a zone)
        self.s3 = boto3.client("s3")
        self.dynamodb = boto3.client("dynamodb")
        self.step_functions = boto3.client("stepfunctions")
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

    def create_table(self, name, *key, **options):
        create_table(self.dynamodb, name, *key, **options)

    def replace_table(self, *key, **options):
        """Delete the table and create it again, empty."""
        self.dynamodb.delete_table(TableName=self.table)
        self.create_table(self.table, *(key or ("ticket_id", "product")), **options)

    def put(self, body, key="store-12/a.csv", bucket=UPLOADS, version_id=None):
        """Upload an object, a second after the one before; the answer is the input of the execution
        that it starts."""
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        self.stored_at += timedelta(seconds=1)
        s3_backends[ACCOUNT]["aws"].get_object(bucket, key).last_modified = self.stored_at
        if version_id:  # moto invents one, and the events have theirs
            s3_backends[ACCOUNT]["aws"].get_object(bucket, key)._version_id = version_id
        return {
            "bucket": bucket,
            "key": key,
            "version_id": version_id or answer.get("VersionId"),
            "etag": answer["ETag"].strip('"'),
            "size": len(body),
            "uploader": "AWS:AIDAJDPLRKLG7UEXAMPLE",
        }

    def call(self, handler, event, seconds=900.0):
        """What a handler answers, as Step Functions gets it: by way of JSON."""
        event = OF_THE_EXECUTION.get(handler, {}) | event
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))
        module = importlib.import_module(f"handlers.{handler}")
        return json.loads(json.dumps(module.handler(json.loads(json.dumps(event)), context)))

    def validate(self, request, execution="by-hand"):
        arn = EXECUTIONS + execution
        return self.call("validate_file", {"execution_arn": arn, "input": request})

    def plan(self, request):
        """Validate and split: the state ``$`` before Write Chunks, and the chunks of the plan."""
        state = self.validate(request)
        assert state["verdict"] == "accepted", state
        task = {name: state[name] for name in ("load_id", "file")}
        state["plan"] = self.call("split_file", task)
        return state, json.loads(self.read(state["plan"]["bucket"], state["plan"]["key"]))

    def write(self, state, chunk, **options):
        return self.call("write_chunk", self.chunk_task(state, chunk), **options)

    def chunk_task(self, state, chunk):
        """The event of Write Chunk."""
        task = {name: state[name] for name in ("load_id", "file")}
        told = {name: state["plan"][name] for name in ("chunks", "generation", "digest_key")}
        return task | told | {"chunk": chunk}

    def reconcile(self, state):
        """What Reconcile answers in the end. If it asks for that, equal keys are settled before."""
        task = {name: state[name] for name in ("load_id", "file", "plan")}
        result = self.call("reconcile", task)
        if result["equal_keys"] == "unsettled" and self.call("settle_equal_keys", task)["state"]:
            result = self.call("reconcile", task)
        return result

    def take_turn(self, state):
        return self.call("take_turn", {name: state[name] for name in ("load_id", "file")})["turn"]

    def load(self, request):
        """The whole way of a file through the tasks, in the order of the state machine."""
        state, chunks = self.plan(request)
        if chunks:
            assert self.take_turn(state) == "mine"
        for chunk in chunks:
            assert self.write(state, chunk)["finished"]
        return state | {"result": self.reconcile(state)}

    def chunk_entry(self, state, index=0):
        """The ledger's entry of a chunk, or None."""
        generation = state["plan"]["generation"]
        return self.entry(state["load_id"], f"chunk#{generation}#{index:06d}")

    def listed_rows(self, state, index=0):
        """The rows of a chunk that are not in the table; lines count from the chunk's start."""
        generation = state["plan"]["generation"]
        progress = Chunks(self.dynamodb, self.ledger_table).chunk(
            state["load_id"], generation, index
        )
        series = chunk_series(state["load_id"], generation, progress)
        return list(read_rows(self.s3, self.work, series))

    def read(self, bucket, key):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def read_url(self, url):
        bucket, key = url.removeprefix("s3://").split("/", 1)
        return self.read(bucket, key)

    def items(self, table="Tickets"):
        """All items of a table, their values plain (numbers as Decimal)."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table)
        plain = TypeDeserializer().deserialize
        return [
            {name: plain(value) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    def entry(self, load_id, entry="load"):
        """One entry of the ledger, or None."""
        found = [
            one
            for one in self.items(self.ledger_table)
            if (one["load_id"], one["entry"]) == (load_id, entry)
        ]
        return found[0] if found else None

    def change_entry(self, load_id, entry, **numbers):
        """Spoil an entry of the ledger, as no task of ours would."""
        for name, value in numbers.items():
            self.dynamodb.update_item(
                TableName=self.ledger_table,
                Key={"load_id": {"S": load_id}, "entry": {"S": entry}},
                UpdateExpression="SET #name = :value",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":value": {"N": str(Decimal(value))}},
            )

    def executions(self):
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


def forget_clients():
    """Handlers make their clients once a process; each test has a cloud of its own."""
    for handler in HANDLERS:
        for value in vars(importlib.import_module(f"handlers.{handler}")).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
