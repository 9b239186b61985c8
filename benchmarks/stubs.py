"""Stand-ins for the clients of S3 and DynamoDB, with only the operations that `ingestion` uses.

They keep their data in a folder, so that tasks in different processes share it. A Meter measures
the CPU time of the stand-ins, which the benchmarks subtract.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ingestion.csv_files.rows import COLUMNS
from ingestion.dynamodb.transport import Reply


class Meter:
    """Adds up the CPU time of stubs."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        before = time.thread_time()
        try:
            yield
        finally:
            self.cpu_seconds += time.thread_time() - before


class Source(Protocol):
    """The large object that is loaded."""

    size: int
    etag: str

    def blocks(self, start: int, end: int, block_size: int) -> Iterator[bytes]:
        """Yields the bytes from `start` to before `end` in blocks."""


class Body:
    """The body of a response of get_object. Its bytes are generated or read on demand."""

    def __init__(self, blocks: Callable[[int], Iterator[bytes]], meter: Meter) -> None:
        self._blocks = blocks
        self._meter = meter

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        blocks = self._blocks(size)
        while True:
            with self._meter.measure():
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def read(self) -> bytes:
        return b"".join(self.iter_chunks(S3Stub.BLOCK_SIZE))

    def close(self) -> None:
        pass


class S3Stub:
    """The S3 client. The bucket "uploads" has one large object, `source`; objects in other
    buckets are files in `folder`."""

    BLOCK_SIZE = 1024 * 1024

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
            whole = self._path(Bucket, Key).read_bytes()
            if "Range" not in arguments:
                return _answer(200, Body=Body(lambda _: iter([whole]), self._meter))
            first, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
            part = whole[first : last + 1]
            return _answer(206, Body=Body(lambda _: iter([part]), self._meter))
        if arguments["IfMatch"] != f'"{self._source.etag}"' or arguments["VersionId"] != "v1":
            raise ValueError("A read that is not pinned to the object's version.")
        first, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
        end = min(last + 1, self._source.size)
        body = Body(lambda size: self._source.blocks(first, end, size), self._meter)
        return _answer(206, Body=body)

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
    """The DynamoDB client: stores the ledger table, and describes the table of tickets."""

    exceptions = _Exceptions()

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger.json"
        self._entries: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            self._entries = json.loads(self._path.read_text())

    def save(self) -> None:
        """Saves the ledger for the next process."""
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

    def get_item(self, *, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        found = self._entries.get(_name(Key))
        return {"Item": found} if found else {}

    def delete_item(self, *, Key: Mapping[str, Any], **_: Any) -> None:
        self._entries.pop(_name(Key), None)

    def put_item(self, *, Item: dict[str, Any], **arguments: Any) -> None:
        name = _name(Item)
        if "ConditionExpression" in arguments and name in self._entries:
            # The condition is "attribute_not_exists(entry)", which is false here, optionally
            # followed by " OR (a = :b AND c <= :d)".
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
        for attributes in re.findall(r"REMOVE (\w+(?:, \w+)*)", UpdateExpression):
            for attribute in attributes.split(", "):
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


class SenderStub:
    """Stands in for the transport and the table: accepts every BatchWriteItem at once, and keeps
    only a fingerprint of the rows."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._answered: list[Reply] = []
        self.fingerprint = Fingerprint()

    @property
    def under_way(self) -> int:
        return len(self._answered)

    def send(self, tag: object, body: bytes) -> None:
        with self._meter.measure():
            (requests,) = json.loads(body)["RequestItems"].values()
            if not 1 <= len(requests) <= 25:
                raise ValueError(f"A batch of {len(requests)} items.")
            for request in requests:
                item = request["PutRequest"]["Item"]
                row = [value for name in COLUMNS for value in item[name].values()]
                self.fingerprint.add(tuple(row))
        self._answered.append(Reply(tag, 200, b'{"UnprocessedItems":{}}'))

    def replies(self, seconds: float) -> list[Reply]:
        replies, self._answered = self._answered, []
        return replies


class Fingerprint:
    """Compares sets of rows regardless of their order. It consists of the number of rows and the
    sum of their 64-bit hashes, so a row that is lost, altered or repeated changes it. To compare
    fingerprints of two processes, start both with the same PYTHONHASHSEED."""

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0

    def add(self, row: tuple[str, ...]) -> None:
        self.rows += 1
        self.total += hash(row)

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
