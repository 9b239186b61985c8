"""Every kind of hostile file through the five tasks, in process on moto, at several chunk sizes."""

import importlib
import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.catalogue.expectations import MAX_REFUSED_PERCENT, Tickets
from tests.catalogue.kinds import ALL_KINDS, Kind
from tests.catalogue.outcomes import Places, outcome_of
from tests.support.moto_tables import create_table, dynamodb_server

UPLOADS, WORK, TABLE, LEDGER = "uploads", "work", "Tickets", "Ledger"
TASKS = ("validate_file", "split_file", "take_turn", "write_chunk", "reconcile")


class Tasks:
    """The tasks of the state machine, called in its order."""

    def __init__(self) -> None:
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        for bucket in (UPLOADS, WORK):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
        self.places = Places(s3, dynamodb, WORK, TABLE, LEDGER)
        create_table(self.places.dynamodb, TABLE, "ticket_id", "product")
        create_table(self.places.dynamodb, LEDGER, "load_id", "entry")

    def load(self, key: str, body: bytes) -> str:
        """Load a file; the answer is its load's id."""
        self.places.s3.put_object(Bucket=UPLOADS, Key=key, Body=body)
        given = {"bucket": UPLOADS, "key": key}
        arn = "arn:aws:states:us-east-1:123456789012:execution:Ingest:by-hand"
        state = self._call("validate_file", {"execution_arn": arn, "input": given})
        load_id = str(state["load_id"])
        assert state["verdict"] in ("accepted", "refused"), state
        if state["verdict"] == "refused":
            return load_id
        task = {"load_id": load_id, "file": state["file"], "execution": "by-hand"}
        plan = self._call("split_file", task)
        if plan["chunks"]:
            assert self._call("take_turn", task) == {"turn": "mine"}
        for chunk in self._chunks(plan):
            write = task | {"chunk": chunk, "chunks": plan["chunks"]}
            assert self._call("write_chunk", write)["finished"]
        self._call("reconcile", task | {"plan": plan, "started_at": "2026-01-01T10:00:00Z"})
        return load_id

    def cut_into(self, chunk_size: int) -> None:
        if os.environ["CHUNK_SIZE_BYTES"] != str(chunk_size):
            os.environ["CHUNK_SIZE_BYTES"] = str(chunk_size)
            forget_clients("split_file")

    def empty_table(self) -> None:
        self.places.dynamodb.delete_table(TableName=TABLE)
        create_table(self.places.dynamodb, TABLE, "ticket_id", "product")

    def _chunks(self, plan: dict[str, Any]) -> list[dict[str, Any]]:
        body = self.places.s3.get_object(Bucket=plan["bucket"], Key=plan["key"])["Body"].read()
        chunks = json.loads(body)
        assert len(chunks) == plan["chunks"]
        return list(chunks)

    def _call(self, task: str, event: dict[str, Any]) -> dict[str, Any]:
        """As Step Functions does: by way of JSON."""
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
        module = importlib.import_module(f"handlers.{task}")
        answer = module.handler(json.loads(json.dumps(event)), context)
        return dict(json.loads(json.dumps(answer)))


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    """One cloud for all kinds: each has a key of its own."""
    settings = {
        "LEDGER_TABLE": LEDGER,
        "WORK_BUCKET": WORK,
        "CHUNK_SIZE_BYTES": "1",
        "BATCHES_IN_FLIGHT": "4",
        "MAP_CONCURRENCY": "1",
        "MAX_ROWS_PER_SECOND": "0",
        "DYNAMODB_TABLE": TABLE,
        "MAX_REFUSED_PERCENT": str(MAX_REFUSED_PERCENT),
        "MAX_SUPERSEDED_PERCENT": "50",
        "STACK_NAME": "tickets",
    }
    with pytest.MonkeyPatch.context() as patch, mock_aws(), dynamodb_server() as url:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        patch.setattr(boto3, "DEFAULT_SESSION", session)
        forget_clients(*TASKS)
        yield Tasks()
        forget_clients(*TASKS)


def forget_clients(*tasks: str) -> None:
    """Handlers make their clients, and read their settings, once a process."""
    for task in tasks:
        for value in vars(importlib.import_module(f"handlers.{task}")).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def cases() -> list[tuple[Kind, int]]:
    """Kinds and chunk sizes; by size, since a change of it costs the function new clients. A
    refused file is never cut."""
    found = []
    for kind in ALL_KINDS:
        is_refused = kind.make(Tickets("x"))[1].ending == "refused"
        found += [(kind, size) for size in kind.chunk_sizes[: 1 if is_refused else None]]
    return sorted(found, key=lambda case: case[1])


@pytest.mark.parametrize(
    ("kind", "chunk_size"),
    [pytest.param(kind, size, id=f"{kind.name}-{size}") for kind, size in cases()],
)
def test_the_domain_answers_as_written_by_hand(kind: Kind, chunk_size: int, tasks: Tasks) -> None:
    tasks.cut_into(chunk_size)
    prefix = f"{kind.name}-{chunk_size}"
    body, expected = kind.make(Tickets(prefix))
    load_id = tasks.load(f"{prefix}{kind.suffix}", body)
    assert outcome_of(tasks.places, load_id, prefix) == expected
    tasks.empty_table()


def test_there_are_as_many_kinds_as_promised() -> None:
    assert len(ALL_KINDS) >= 40
    endings = {kind.make(Tickets("x"))[1].ending for kind in ALL_KINDS if "bomb" not in kind.name}
    assert endings == {"refused", "loaded", "failed"}
