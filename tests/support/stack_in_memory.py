"""Runs the tasks on a stack in memory, for tests that load thousands of files. It implements only
what one load at a time needs of S3, DynamoDB and the ledger; other tests use complete ones."""

import io
import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from ingestion.contracts import Chunk, ChunkTask, LoadRequest, TurnRequest
from ingestion.dynamodb.transport import Reply
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots
from ingestion.ledger.versions import Turns
from ingestion.sources.catalogue import Sources
from ingestion.sources.model import Source
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.reconcile import Reconciler
from ingestion.tasks.settle_equal_keys import EqualKeySettler
from ingestion.tasks.split_file import Planner
from ingestion.tasks.take_turn import TurnTaker
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.validate_file import Validator
from ingestion.tasks.write_chunk import ChunkWriter
from tests.support.ledger_in_memory import EntriesInMemory

UPLOADS, WORK = "uploads", "work"
LIMITS = QualityLimits(max_refused_percent=100)
KEY = ("ticket_id", "product")


class BucketsInMemory:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def head_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        size = len(self.objects[Bucket, Key])
        return {"ETag": '"0123456789abcdef-2"', "ContentLength": size, "VersionId": "v1"}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
        body = self.objects[Bucket, Key]
        if Range:
            first, last = map(int, Range.removeprefix("bytes=").split("-"))
            body = body[first : last + 1]
        stream = io.BytesIO(body)

        def iter_chunks(size: int) -> Iterator[bytes]:
            # S3, like any network stream, may return less at a time than was asked for.
            return iter(lambda: stream.read(min(size, 4_096)), b"")

        return {
            "Body": SimpleNamespace(read=stream.read, close=stream.close, iter_chunks=iter_chunks),
            "ResponseMetadata": {"HTTPStatusCode": 206 if Range else 200},
        }

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[Bucket, Key] = Body

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"

        def paginate(*, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
            for bucket, key in self.objects:
                if bucket == Bucket and key.startswith(Prefix):
                    yield {"Contents": [{"Key": key}]}

        return SimpleNamespace(paginate=paginate)

    def upload_fileobj(self, file: Any, bucket: str, key: str, **_: Any) -> None:
        self.objects[bucket, key] = file.read()


class TableInMemory:
    """The table in memory. It is the DynamoDB client and the sender of batches in one.

    `items` are by ticket and product, even if `key` says that the ticket alone is the key.
    """

    def __init__(self) -> None:
        self.key: Sequence[str] = KEY
        self._replies: list[Reply] = []
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def describe_table(self, **_: Any) -> dict[str, Any]:
        kinds = ("HASH", "RANGE")
        return {
            "Table": {
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": "S"} for name in self.key
                ],
                "KeySchema": [
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(self.key, kinds, strict=False)
                ],
            }
        }

    def send(self, tag: object, body: bytes) -> None:
        [requests] = json.loads(body)["RequestItems"].values()
        items = [request["PutRequest"]["Item"] for request in requests]
        keys = [tuple(item[name]["S"] for name in KEY) for item in items]
        assert len(set(keys)) == len(keys) <= 25
        assert all(all(key) for key in keys)
        self.items.update(zip(keys, items, strict=True))
        self._replies.append(Reply(tag, 200, b'{"UnprocessedItems":{}}'))

    def replies(self, seconds: float) -> list[Reply]:
        replies, self._replies = self._replies, []
        return replies

    @property
    def under_way(self) -> int:
        return len(self._replies)


class StackInMemory:
    """Runs one load of one file. The attributes then contain what it left behind.

    seconds: the time that passes between two tasks.
    source: the source of the file, if it isn't the built-in one.
    writing: further arguments of the ChunkWriter.
    """

    def __init__(
        self,
        chunk_size: int,
        seconds: float = 60.0,
        table: TableInMemory | None = None,
        source: Source | None = None,
        **writing: Any,
    ) -> None:
        self.buckets = BucketsInMemory()
        self.table = table or TableInMemory()
        self.ledger = EntriesInMemory()
        self.now = 1_767_225_600.0  # the start of 2026
        self.verdict: dict[str, Any] = {}
        self.chunks: list[dict[str, Any]] = []
        self.result: dict[str, Any] | None = None
        self._chunk_size = chunk_size
        self._source = source
        self._seconds = seconds
        s3: Any = self.buckets
        self.turns = Turns(s3, self.ledger.over(Claims), lambda: self.now)
        self.loads = self.ledger.over(Loads)
        dynamodb: Any = self.table
        self.target = TargetTable(dynamodb, "Tickets")
        to_the_table: dict[str, Any] = {"work_bucket": WORK, "in_flight": 1}
        self.written = written = self.ledger.over(Chunks)
        self.writer = ChunkWriter(
            s3, self.target, self.table, written, self.turns, **to_the_table, **writing
        )
        self.settler = EqualKeySettler(
            s3, self.target, self.table, written, self.turns, **to_the_table
        )
        slots = self.ledger.over(Slots)
        self._turn_taker = TurnTaker(self.turns, self.loads, slots, 1, lambda execution_arn: False)
        self.reconciler = Reconciler(
            s3, self.loads, written, self.turns, slots, self.target, work_bucket=WORK, limits=LIMITS
        )

    def load(self, body: bytes) -> None:
        """Calls all tasks in the order of the state machine."""
        for task in self.plan(body):
            self.now += self._seconds
            assert self.writer.write(task, 900).finished
        if self.verdict["file"]:
            self.reconcile()

    def plan(self, body: bytes) -> list[ChunkTask]:
        """Calls Validate File, Split File and Take Turn. Returns the tasks of Write Chunk; none if
        the file is refused."""
        self.buckets.objects[UPLOADS, "a.csv"] = body
        s3: Any = self.buckets
        sources = Sources(self._source, ()) if self._source else deployed_sources()
        validator = Validator(
            s3, self.loads, self.turns, self.target, LIMITS, sources, self._chunk_size
        )
        verdict = validator.validate(LoadRequest(UPLOADS, "a.csv"), "arn:1")
        self.verdict = verdict.to_json()
        if verdict.file is None or verdict.load_id is None:
            return []
        self.load_id, self.file = verdict.load_id, verdict.file
        planner = Planner(s3, self.loads, WORK, self._chunk_size)
        self.planned = planner.plan(self.load_id, self.file, 900)
        self.chunks = json.loads(self.buckets.objects[WORK, self.planned.key])
        assert self.take_turn(self.load_id) == "mine"
        return [
            ChunkTask(
                self.load_id,
                self.file,
                Chunk.from_json(chunk),
                len(self.chunks),
                self.planned.generation,
                self.planned.digest_key,
            )
            for chunk in self.chunks
        ]

    def take_turn(self, load_id: str) -> str:
        """Calls Take Turn for a load of the file, whose earlier executions have all ended."""
        request = TurnRequest(load_id, self.file, "arn:1", "2026-01-01T00:00:00.000Z")
        return self._turn_taker.take(request).turn

    def reconcile(self) -> None:
        self.now += self._seconds
        result = self.reconciler.reconcile(self.load_id, self.file, self.planned, "arn:1")
        if result.equal_keys == "unsettled":
            while self.settle() != "settled":
                self.now += self._seconds
            result = self.reconciler.reconcile(self.load_id, self.file, self.planned, "arn:1")
        self.result = result.to_json()

    def settle(self, seconds: float = 900) -> str:
        """Calls Settle Equal Keys; returns the state that it answers with."""
        return self.settler.settle(self.load_id, self.file, self.planned, seconds).state

    def read_url(self, url: str) -> bytes:
        bucket, key = url.removeprefix("s3://").split("/", 1)
        return self.buckets.objects[bucket, key]

    @property
    def report(self) -> dict[str, Any]:
        assert self.result
        return dict(json.loads(self.read_url(self.result["report"])))

    @property
    def data(self) -> bytes:
        """The data that was divided into chunks: the file, unpacked if it was compressed."""
        key = f"unpacked/{self.verdict['load_id']}.csv"
        body = self.buckets.objects[UPLOADS, "a.csv"]
        return self.buckets.objects[WORK, key] if self.verdict["file"]["compression"] else body
