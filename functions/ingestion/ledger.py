"""The ledger: what is recorded of every load, in a DynamoDB table of its own.

One entry a load (``entry = "load"``) and one a chunk (``entry = "chunk#000042"``), under the load's
id. All writes are conditional or repeatable, so a task may be run twice, or killed after any one of
them and run again. The ledger never holds a row's values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOAD = "load"


@dataclass(frozen=True)
class ChunkProgress:
    """How far one chunk has got. Lines are counted from the chunk's own start.

    A checkpoint has ``finished`` false; every row before ``next_byte`` is then accounted for.
    """

    index: int
    start: int
    end: int
    next_byte: int
    finished: bool = False
    lines: int = 0
    blank_lines: int = 0
    rows_read: int = 0
    rows_written: int = 0
    rows_superseded: int = 0
    rows_refused: int = 0
    refused_parts: list[str] = field(default_factory=list)
    unread: dict[str, Any] | None = None
    """Where reading had to stop for good: ``{"reason", "line", "bytes"}``."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Ledger:
    """Reads and writes the entries of ``table``."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def open_load(self, load_id: str, facts: Mapping[str, Any], execution_arn: str) -> None:
        """Record that an execution works on a load; the first one sets ``started_at``."""
        self._set(
            load_id,
            {**facts, "status": "RUNNING"},
            more=", started_at = if_not_exists(started_at, :now) "
            "REMOVE finished_at ADD executions :execution",
            values={":now": _now(), ":execution": {execution_arn}},
        )

    def load(self, load_id: str) -> dict[str, Any] | None:
        """The load's entry, or None."""
        return self._get(load_id, _LOAD)

    def fix_chunk_size(self, load_id: str, chunk_size: int) -> int:
        """Settle the chunk size of a load, once: whoever plans it again cuts it the same way.
        Returns the size that holds."""
        answer = self._client.update_item(
            TableName=self._table,
            Key=_key(load_id, _LOAD),
            UpdateExpression="SET chunk_size = if_not_exists(chunk_size, :size)",
            ExpressionAttributeValues=_serialize({":size": chunk_size}),
            ReturnValues="ALL_NEW",
        )
        return int(_deserialize(answer["Attributes"])["chunk_size"])

    def record_plan(self, load_id: str, plan_key: str, chunks: int) -> None:
        self._set(load_id, {"plan_key": plan_key, "chunks": chunks})

    def close_load(self, load_id: str, status: str, facts: Mapping[str, Any]) -> None:
        """Record how a load ended: ``SUCCEEDED`` or ``FAILED``, with what is known of it."""
        self._set(load_id, {**facts, "status": status, "finished_at": _now()})

    def chunk(self, load_id: str, index: int) -> ChunkProgress | None:
        """How far a chunk has got, or None if it has recorded nothing."""
        entry = self._get(load_id, _chunk_entry(index))
        return _chunk_progress(entry) if entry else None

    def chunks(self, load_id: str) -> Iterator[ChunkProgress]:
        """All recorded chunks of a load, by index."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="load_id = :load AND begins_with(entry, :chunk)",
            ExpressionAttributeValues=_serialize({":load": load_id, ":chunk": "chunk#"}),
        )
        for page in pages:
            for entry in page["Items"]:
                yield _chunk_progress(_deserialize(entry))

    def save_chunk(self, load_id: str, progress: ChunkProgress) -> ChunkProgress:
        """Record a chunk's progress unless the ledger already has it further on or finished, as
        after two deliveries of one task. Returns what the ledger holds then."""
        entry = progress.as_json() | {
            "load_id": load_id,
            "entry": _chunk_entry(progress.index),
            "updated_at": _now(),
        }
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_serialize(entry),
                ConditionExpression="attribute_not_exists(entry) "
                "OR (finished = :false AND next_byte <= :next_byte)",
                ExpressionAttributeValues=_serialize(
                    {":false": False, ":next_byte": progress.next_byte}
                ),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return self.chunk(load_id, progress.index) or progress
        return progress

    def _get(self, load_id: str, entry: str) -> dict[str, Any] | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_key(load_id, entry), ConsistentRead=True
        )
        return _deserialize(answer["Item"]) if "Item" in answer else None

    def _set(
        self,
        load_id: str,
        attributes: Mapping[str, Any],
        more: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Set attributes of a load's entry; ``more`` of the update expression uses ``values``."""
        names = {f"#{number}": name for number, name in enumerate(attributes)}
        values = {f":{number}": value for number, value in enumerate(attributes.values())} | {
            **(values or {})
        }
        self._client.update_item(
            TableName=self._table,
            Key=_key(load_id, _LOAD),
            UpdateExpression="SET " + ", ".join(f"{name} = :{name[1:]}" for name in names) + more,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=_serialize(values),
        )


def _chunk_entry(index: int) -> str:
    return f"chunk#{index:06d}"


def _key(load_id: str, entry: str) -> dict[str, Any]:
    return {"load_id": {"S": load_id}, "entry": {"S": entry}}


def _chunk_progress(entry: dict[str, Any]) -> ChunkProgress:
    return ChunkProgress(**{name: entry[name] for name in ChunkProgress.__dataclass_fields__})


def _serialize(values: Mapping[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in values.items()}


def _deserialize(item: Mapping[str, Any]) -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: _plain(deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    """The ledger's numbers are all whole, and its readers want JSON."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, set):
        return sorted(value)
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
