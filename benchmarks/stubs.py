"""Stand-ins for the clients of S3 and DynamoDB, as far as ``ingestion`` uses them.

They keep their data in a folder, so that the tasks, each a process of its own, see each other's.
``cpu_seconds`` is the time that they took themselves: a benchmark takes it off.
"""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ingestion.rows import COLUMNS


class Meter:
    """Adds up the CPU time of stubs, over all threads."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        before = time.thread_time()
        try:
            yield
        finally:
            spent = time.thread_time() - before
            with self._lock:
                self.cpu_seconds += spent


class Source(Protocol):
    """The large object that is loaded."""

    size: int
    etag: str

    def blocks(self, start: int, end: int, block_size: int) -> Iterator[bytes]:
        """The half-open byte range in blocks."""


class Body:
    """What get_object answers with: bytes that are made, or read, while they are asked for."""

    def __init__(self, blocks: Iterator[bytes], meter: Meter) -> None:
        self._blocks = blocks
        self._meter = meter

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        while True:
            with self._meter.measure():
                block = next(self._blocks, None)
            if block is None:
                return
            yield block

    def read(self) -> bytes:
        return b"".join(self.iter_chunks(0))

    def close(self) -> None:
        pass


class S3Stub:
    """One large object, ``source``; every other object is a file in ``folder``."""

    BLOCK_SIZE = 1024 * 1024  # what the readers ask for

    def __init__(self, folder: Path, source: Source, meter: Meter) -> None:
        self._folder = folder
        self._source = source
        self._meter = meter

    def head_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        if Bucket == "uploads":
            return {
                "VersionId": "v1",
                "ETag": f'"{self._source.etag}"',
                "ContentLength": self._source.size,
            }
        return {"ETag": '"none"', "ContentLength": self._path(Bucket, Key).stat().st_size}

    def get_object(self, *, Bucket: str, Key: str, **arguments: Any) -> dict[str, Any]:
        if Bucket != "uploads":
            blocks = iter([self._path(Bucket, Key).read_bytes()])
            return _answer(200, Body=Body(blocks, self._meter))
        if arguments["IfMatch"] != f'"{self._source.etag}"' or arguments["VersionId"] != "v1":
            raise ValueError("A read that is not pinned to the object's version.")
        first, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
        blocks = self._source.blocks(first, min(last + 1, self._source.size), self.BLOCK_SIZE)
        return _answer(206, Body=Body(blocks, self._meter))

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        with self._meter.measure():
            self._path(Bucket, Key).write_bytes(Body)

    def upload_fileobj(self, Fileobj: Any, Bucket: str, Key: str, **_: Any) -> None:
        with self._path(Bucket, Key).open("wb") as file:
            while block := Fileobj.read(self.BLOCK_SIZE):
                file.write(block)

    def _path(self, bucket: str, key: str) -> Path:
        path = self._folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _ConditionalCheckFailedError(Exception):
    pass


class _Exceptions:
    ConditionalCheckFailedException = _ConditionalCheckFailedError


class DynamoDBStub:
    """The table of tickets, of which only a fingerprint is kept, and the ledger table."""

    exceptions = _Exceptions()

    def __init__(self, folder: Path, meter: Meter) -> None:
        self._path = folder / "ledger.json"
        self._meter = meter
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            self._entries = json.loads(self._path.read_text())
        self.fingerprint = Fingerprint()

    def save(self) -> None:
        """Keep the ledger for the next process."""
        self._path.write_text(json.dumps(self._entries))

    def describe_table(self, *, TableName: str) -> dict[str, Any]:
        keys = {"ticket_id": "HASH", "product": "RANGE"}
        return {
            "Table": {
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": "S"} for name in keys
                ],
                "KeySchema": [
                    {"AttributeName": name, "KeyType": kind} for name, kind in keys.items()
                ],
            }
        }

    def batch_write_item(self, *, RequestItems: Mapping[str, list[Any]]) -> dict[str, Any]:
        with self._meter.measure():
            (requests,) = RequestItems.values()
            if not 1 <= len(requests) <= 25:
                raise ValueError(f"A batch of {len(requests)} items.")
            batch = Fingerprint()
            for request in requests:
                item = request["PutRequest"]["Item"]
                batch.add(tuple([value for name in COLUMNS for value in item[name].values()]))
            with self._lock:
                self.fingerprint.merge(batch)
        return {"UnprocessedItems": {}}

    def get_item(self, *, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        found = self._entries.get(_name(Key))
        return {"Item": found} if found else {}

    def delete_item(self, *, Key: Mapping[str, Any], **_: Any) -> None:
        self._entries.pop(_name(Key), None)

    def put_item(self, *, Item: dict[str, Any], **arguments: Any) -> None:
        name = _name(Item)
        if "ConditionExpression" in arguments and name in self._entries:
            # "attribute_not_exists(entry)", which is false by now, " OR (a = :b AND c <= :d)"
            terms = re.findall(r"(\w+) (<?=) (:\w+)", arguments["ConditionExpression"])
            values = arguments.get("ExpressionAttributeValues", {})
            held = self._entries[name]
            if not terms or not all(
                _holds(held[attribute], operator, values[value])
                for attribute, operator, value in terms
            ):
                raise _ConditionalCheckFailedError
        self._entries[name] = Item

    def update_item(
        self,
        *,
        Key: Mapping[str, Any],
        UpdateExpression: str,
        ExpressionAttributeNames: Mapping[str, str],
        ExpressionAttributeValues: Mapping[str, Any],
        **_: Any,
    ) -> dict[str, Any]:
        entry = self._entries.setdefault(_name(Key), dict(Key))
        values = ExpressionAttributeValues
        for alias, value in re.findall(r"(#\d+) = (:\w+)", UpdateExpression):
            entry[ExpressionAttributeNames[alias]] = values[value]
        for attribute, value in re.findall(r"if_not_exists\((\w+), (:\w+)\)", UpdateExpression):
            entry.setdefault(attribute, values[value])
        for attribute in re.findall(r"REMOVE (\w+)", UpdateExpression):
            entry.pop(attribute, None)
        for attribute, value in re.findall(r"ADD (\w+) (:\w+)", UpdateExpression):
            united = {*entry.get(attribute, {"SS": []})["SS"], *values[value]["SS"]}
            entry[attribute] = {"SS": sorted(united)}
        return {"Attributes": entry}

    def get_paginator(self, operation: str) -> "DynamoDBStub":
        if operation != "query":
            raise NotImplementedError(operation)
        return self

    def paginate(
        self, *, ExpressionAttributeValues: Mapping[str, Any], **_: Any
    ) -> Iterator[dict[str, Any]]:
        wanted = " ".join(ExpressionAttributeValues[name]["S"] for name in (":owner", ":prefix"))
        names = sorted(name for name in self._entries if name.startswith(wanted))
        yield {"Items": [self._entries[name] for name in names]}


class Fingerprint:
    """Tells whether two sets of rows are the same, whatever their order: how many, and the sum of
    their 64-bit hashes. A row that is lost, altered or there twice changes it. To compare those of
    two processes, start both with the same PYTHONHASHSEED."""

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0

    def add(self, row: tuple[str, ...]) -> None:
        self.rows += 1
        self.total += hash(row)

    def merge(self, other: "Fingerprint") -> None:
        self.rows += other.rows
        self.total += other.total

    def as_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "hash": f"{self.total % 2**64:016x}"}


def _answer(status: int, **fields: Any) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPStatusCode": status}, **fields}


def _name(key: Mapping[str, Any]) -> str:
    return f"{key['load_id']['S']} {key['entry']['S']}"


def _holds(held: Mapping[str, Any], operator: str, wanted: Mapping[str, Any]) -> bool:
    ((kind, one),) = held.items()
    ((_, other),) = wanted.items()
    if operator == "=":
        return bool(one == other)
    return kind == "N" and int(one) <= int(other)
