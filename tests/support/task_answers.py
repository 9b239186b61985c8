"""What the tasks really answer with: their handlers, run over small files on moto.

The definition's graph tests and branch tests take their states' results from here, so that they
can't agree with each other on fields that no handler answers with.
"""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ingestion.ledger.claims import Claims, Lease
from tests.support.moto_tables import create_table, dynamodb_server

UPLOADS, WORK = "uploads", "work"
EXECUTION_ARN = "arn:aws:states:us-east-1:123456789012:execution:Ingest:by-hand"
TASKS = (
    *("validate_file", "split_file", "take_turn", "write_chunk", "reconcile"),
    "settle_equal_keys",
)
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "LEDGER_TABLE": "Ledger",
    "DYNAMODB_TABLE": "Tickets",
    "WORK_BUCKET": WORK,
    "CHUNK_SIZE_BYTES": "65536",
    "BATCHES_IN_FLIGHT": "2",
    "MAP_CONCURRENCY": "1",
    "MAX_ROWS_PER_SECOND": "0",
    "MAX_REFUSED_PERCENT": "50",
    "MAX_SUPERSEDED_PERCENT": "50",
    "STACK_NAME": "tickets",
}
HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
FILES = {
    "tickets.csv": HEADER + b"T1,tea,B1,2026-01-01T10:00,drinks,2,S1\nT2,,B1,2026-01-01,,1,\n",
    "empty.csv": HEADER,
    "broken.csv": b"ticket_id,product\n",
    "two-chunks.csv": HEADER
    + b"T1,tea,B1,2026-01-01T10:00,drinks,2,S1\n"
    + b"T2,tea,B1,2026-01-01T10:00,drinks,2,S1\n" * 2_000,
}

Answer = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """Each as Step Functions gets it, by way of JSON."""

    accepted: Answer
    refused: Answer
    gone: Answer
    """Of Validate File about an object that is not there: refused without a load."""
    already_loaded: Answer
    plan: Answer
    empty_plan: Answer
    chunk: Answer
    """An item of the plan."""
    my_turn: Answer
    waiting: Answer
    """Of Take Turn while a writer of another load holds its lease."""
    late: Answer
    """Of Take Turn for a load that a later version has overtaken."""
    finished: Answer
    stopped: Answer
    """Of Write Chunk that has been overtaken."""
    shortfall: Answer
    """Of Reconcile before any chunk was written."""
    overtaken: Answer
    """Of Reconcile when a later version has taken over."""
    result: Answer
    unsettled: Answer
    """Of Reconcile before the equal keys of two chunks are settled."""
    settled: Answer
    writers_left: Answer
    """Of Settle Equal Keys while a writer of the load holds its lease."""
    settling_overtaken: Answer


@contextmanager
def cloud() -> Iterator[None]:
    """moto with the buckets and tables of the stack, and handlers with clients of their own."""
    with pytest.MonkeyPatch.context() as patch, mock_aws(), dynamodb_server() as url:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        forget_clients()
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        for bucket in (UPLOADS, WORK):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
        for key, body in FILES.items():
            s3.put_object(Bucket=UPLOADS, Key=key, Body=body)
        for table, *key in (("Tickets", "ticket_id", "product"), ("Ledger", "load_id", "entry")):
            create_table(dynamodb, table, *key)
        try:
            yield
        finally:
            forget_clients()


def forget_clients() -> None:
    """Handlers make their clients once a process; other tests have other clouds."""
    for task in TASKS:
        for value in vars(importlib.import_module(f"handlers.{task}")).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def call(task: str, **event: Any) -> Answer:
    if task not in ("validate_file", "start_execution"):
        event = {"execution": "by-hand", **event}
    if task == "reconcile":
        event = {"started_at": "2026-01-01T10:00:00.000Z", **event}
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
    handler = importlib.import_module(f"handlers.{task}").handler
    answer: Answer = json.loads(json.dumps(handler(json.loads(json.dumps(event)), context)))
    return answer


def validate(key: str) -> Answer:
    request = {"bucket": UPLOADS, "key": key}
    return call("validate_file", execution_arn=EXECUTION_ARN, input=request)


def told(plan: Answer) -> Answer:
    """What Write Chunk is told of the plan."""
    return {name: plan[name] for name in ("chunks", "generation", "digest_key")}


def two_versions(plan: Answer, chunk: Answer) -> tuple[Answer, ...]:
    """What Take Turn answers a newer load, and the tasks an older one that it has overtaken."""
    loads = []
    for store in ("S1", "S2"):
        row = f"T1,tea,B1,2026-01-01T10:00,drinks,2,{store}\n".encode()
        boto3.client("s3").put_object(Bucket=UPLOADS, Key="twice.csv", Body=HEADER + row)
        accepted = validate("twice.csv")
        loads.append({"load_id": accepted["load_id"], "file": accepted["file"]})
    older, newer = loads
    call("take_turn", **older)
    claims = Claims(boto3.client("dynamodb"), ENVIRONMENT["LEDGER_TABLE"])
    lease = Lease(older["load_id"], began=0, until=2**34)
    claims.put_lease(f"s3://{UPLOADS}/twice.csv", "a-writer", lease)
    return (
        call("take_turn", **newer),
        call("take_turn", **older),
        call("write_chunk", **older, chunk={**chunk, "key": "twice.csv"}, **told(plan)),
        call("reconcile", **older, plan=plan),
        call("settle_equal_keys", **older, plan=plan),
    )


def two_chunks() -> tuple[Answer, ...]:
    """What Reconcile and Settle Equal Keys answer when chunks have equal keys."""
    accepted = validate("two-chunks.csv")
    load = {"load_id": accepted["load_id"], "file": accepted["file"]}
    plan = call("split_file", **load)
    call("take_turn", **load)
    body = boto3.client("s3").get_object(Bucket=plan["bucket"], Key=plan["key"])["Body"]
    for chunk in json.loads(body.read()):
        call("write_chunk", **load, chunk=chunk, **told(plan))
    unsettled = call("reconcile", **load, plan=plan)
    claims = Claims(boto3.client("dynamodb"), ENVIRONMENT["LEDGER_TABLE"])
    url = f"s3://{UPLOADS}/two-chunks.csv"
    lease = Lease(load["load_id"], 0, 2**34, plan["generation"], chunk=0)
    claims.put_lease(url, "a-writer", lease)
    waiting = call("settle_equal_keys", **load, plan=plan)
    claims.delete_lease(url, "a-writer")
    return unsettled, waiting, call("settle_equal_keys", **load, plan=plan)


def collect() -> Answers:
    """Run the tasks and keep what they answer."""
    with cloud():
        accepted = validate("tickets.csv")
        load = {"load_id": accepted["load_id"], "file": accepted["file"]}
        plan = call("split_file", **load)
        body = boto3.client("s3").get_object(Bucket=plan["bucket"], Key=plan["key"])["Body"]
        [chunk] = json.loads(body.read())
        shortfall = call("reconcile", **load, plan=plan)
        my_turn = call("take_turn", **load)
        finished = call("write_chunk", **load, chunk=chunk, **told(plan))
        result = call("reconcile", **load, plan=plan)
        already_loaded = validate("tickets.csv")
        empty = validate("empty.csv")
        waiting, late, stopped, overtaken, settling_overtaken = two_versions(plan, chunk)
        unsettled, writers_left, settled = two_chunks()
        return Answers(
            accepted=accepted,
            refused=validate("broken.csv"),
            gone=validate("gone.csv"),
            already_loaded=already_loaded,
            plan=plan,
            empty_plan=call("split_file", load_id=empty["load_id"], file=empty["file"]),
            chunk=chunk,
            my_turn=my_turn,
            waiting=waiting,
            late=late,
            finished=finished,
            stopped=stopped,
            shortfall=shortfall,
            overtaken=overtaken,
            result=result,
            unsettled=unsettled,
            settled=settled,
            writers_left=writers_left,
            settling_overtaken=settling_overtaken,
        )
