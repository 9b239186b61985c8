"""The tasks on a stack in memory, for tests that load thousands of files: as much of S3, DynamoDB
and the ledger as one load at a time needs. What the real ones do is tested elsewhere."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from ingestion.contracts import Chunk, ChunkTask, LoadRequest
from ingestion.dynamodb.transport import Reply
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Ledger
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.reconcile import Reconciler
from ingestion.tasks.split_file import Planner
from ingestion.tasks.validate_file import Validator
from ingestion.tasks.write_chunk import ChunkWriter

UPLOADS, WORK = "uploads", "work"
KEY = ("ticket_id", "product")


class BucketsInMemory:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def head_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        size = len(self.objects[Bucket, Key])
        return {"ETag": '"0123456789abcdef-2"', "ContentLength": size, "VersionId": "v1"}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:
        body = self.objects[Bucket, Key]
        if Range:
            first, last = map(int, Range.removeprefix("bytes=").split("-"))
            body = body[first : last + 1]
        stream = io.BytesIO(body)

        def iter_chunks(size: int) -> Iterator[bytes]:
            # As a network does, S3 gives less at a time than was asked for.
            return iter(lambda: stream.read(min(size, 4_096)), b"")

        return {
            "Body": SimpleNamespace(read=stream.read, close=stream.close, iter_chunks=iter_chunks),
            "ResponseMetadata": {"HTTPStatusCode": 206 if Range else 200},
        }

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[Bucket, Key] = Body

    def upload_fileobj(self, file: Any, bucket: str, key: str, **_: Any) -> None:
        self.objects[bucket, key] = file.read()


class TableInMemory:
    """The table, and the way to it."""

    def __init__(self) -> None:
        self._replies: list[Reply] = []
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def describe_table(self, **_: Any) -> dict[str, Any]:
        kinds = ("HASH", "RANGE")
        return {
            "Table": {
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": "S"} for name in KEY
                ],
                "KeySchema": [
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(KEY, kinds, strict=True)
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


class LedgerInMemory(Ledger):
    def __init__(self) -> None:
        self.entry: dict[str, Any] = {}
        self.progress: dict[int, ChunkProgress] = {}

    def open_load(self, load_id: str, facts: Mapping[str, Any], execution_arn: str) -> None:
        self.entry |= facts

    def load(self, load_id: str) -> dict[str, Any] | None:
        return self.entry or None

    def note(self, load_id: str, facts: Mapping[str, Any]) -> None:
        self.entry |= facts

    def fix_chunk_size(self, load_id: str, chunk_size: int) -> dict[str, Any]:
        return self.entry | {"chunk_size": self.entry.setdefault("chunk_size", chunk_size)}

    def chunk(self, load_id: str, index: int) -> ChunkProgress | None:
        return self.progress.get(index)

    def chunks(self, load_id: str) -> Iterator[ChunkProgress]:
        return (self.progress[index] for index in sorted(self.progress))

    def save_chunk(self, load_id: str, progress: ChunkProgress) -> ChunkProgress:
        # What can't be kept as JSON could not be kept in DynamoDB either.
        self.progress[progress.index] = ChunkProgress(**json.loads(json.dumps(progress.to_json())))
        return progress


class AlwaysMyTurn:
    def newest(self, object_url: str) -> None:
        return None

    def lease(self, object_url: str, load_id: str, seconds: float) -> Any:
        return nullcontext(SimpleNamespace(overtaken=lambda: False))


class StackInMemory:
    """One load of one file. Afterwards the attributes hold all that it has left. ``writing`` are
    more arguments of the ChunkWriter."""

    def __init__(self, chunk_size: int, **writing: Any) -> None:
        self.buckets = BucketsInMemory()
        self.table = TableInMemory()
        self.ledger = LedgerInMemory()
        self.verdict: dict[str, Any] = {}
        self.chunks: list[dict[str, Any]] = []
        self.result: dict[str, Any] | None = None
        self._chunk_size = chunk_size
        self._writing = writing

    def load(self, body: bytes) -> None:
        self.buckets.objects[UPLOADS, "a.csv"] = body
        s3: Any = self.buckets
        dynamodb: Any = self.table
        turns: Any = AlwaysMyTurn()
        request = LoadRequest(UPLOADS, "a.csv")
        limits = QualityLimits(max_refused_percent=100)
        validate: Callable[..., Any] = Validator(s3, self.ledger, turns, limits).validate
        verdict = validate(request, "arn:1")
        self.verdict = verdict.to_json()
        if verdict.file is None:
            return
        load_id, file = verdict.load_id, verdict.file
        plan = Planner(s3, self.ledger, WORK, self._chunk_size).plan(load_id, file)
        self.chunks = json.loads(self.buckets.objects[WORK, plan.key])
        writer = ChunkWriter(
            s3,
            dynamodb,
            self.table,
            self.ledger,
            turns,
            table="Tickets",
            work_bucket=WORK,
            in_flight=1,
            **self._writing,
        )
        for chunk in self.chunks:
            task = ChunkTask(load_id, file, Chunk.from_json(chunk), len(self.chunks))
            assert writer.write(task, 900).finished
        reconciler = Reconciler(s3, self.ledger, turns, work_bucket=WORK, limits=limits)
        self.result = reconciler.reconcile(load_id, file, plan).to_json()

    def object(self, url: str) -> bytes:
        bucket, key = url.removeprefix("s3://").split("/", 1)
        return self.buckets.objects[bucket, key]

    @property
    def report(self) -> dict[str, Any]:
        assert self.result
        return dict(json.loads(self.object(self.result["report"])))

    @property
    def data(self) -> bytes:
        """The file as it was cut into chunks: unpacked, if it was packed."""
        key = f"unpacked/{self.verdict['load_id']}.csv"
        body = self.buckets.objects[UPLOADS, "a.csv"]
        return self.buckets.objects[WORK, key] if self.verdict["file"]["compression"] else body
