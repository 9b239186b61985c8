"""Traces items: from which line of which file they come, by which load, uploaded by whom."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingestion.csv_files.key_rules import canonical_number
from ingestion.dynamodb.table_schema import KeyAttribute, read_table_schema, table_missing
from ingestion.ledger.loads import Loads
from ingestion.ledger.store import Entry
from ingestion.sources.lineage import Lineage, read_lineage
from tickets.errors import CommandError
from tickets.runs.stack import Stack


@dataclass(frozen=True)
class Origin:
    """Where an item comes from. All fields but `item` are None if it has no lineage."""

    item: Mapping[str, str]
    """The values of the item's key."""
    bucket: str | None = None
    key: str | None = None
    """The S3 key of the file."""
    version_id: str | None = None
    line: int | None = None
    """The line of the file on which the item's row begins, counted from 1."""
    load_id: str | None = None
    executions: Sequence[str] = ()
    """The names of the load's executions."""
    uploader: str | None = None
    status: str | None = None
    """The load's status in the ledger."""
    started_at: str | None = None
    stopped_at: str | None = None


def trace(stack: Stack, key: Sequence[str]) -> Iterator[Origin]:
    """Yields the origins of the items with a key, in the order of their keys.

    key: the values of the table's key attributes, the partition key first. If only the partition
    key is given, all items with it are traced.
    Raises CommandError if the table doesn't exist, has fewer key attributes, or has another type of
    key.
    """
    schema = read_table_schema(stack.client("dynamodb"), stack.table)
    if schema is None:
        raise CommandError(table_missing(stack.table).detail)
    if len(key) > len(schema.key):
        raise CommandError(
            f"The key of table {stack.table} is {' and '.join(schema.key_names)}: pass at most "
            f"{len(schema.key)} values, and quote those that contain blanks."
        )
    ledger = _Ledger(Loads(stack.client("dynamodb"), stack.ledger_table))
    for item in _items(stack, schema.key, key):
        values = {one.name: str(item[one.name][one.type]) for one in schema.key}
        lineage, load = ledger.origin_of(item)
        if lineage is None:
            yield Origin(values)
            continue
        yield Origin(
            values,
            bucket=load["bucket"],
            key=load["key"],
            version_id=load.get("version_id"),
            line=lineage.line,
            load_id=lineage.load_id,
            executions=[arn.rpartition(":")[2] for arn in load["executions"]],
            uploader=load.get("uploader"),
            status=load["status"],
            started_at=load["started_at"],
            stopped_at=load.get("finished_at"),
        )


class _Ledger:
    """Finds the loads that items name. It reads each load once."""

    def __init__(self, loads: Loads) -> None:
        self._loads = loads
        self._known: dict[str, Entry | None] = {}

    def origin_of(self, item: Mapping[str, Any]) -> tuple[Lineage | None, Entry]:
        """The lineage of an item, and its load.

        Any attribute may be the one with the lineage, because the stack's parameter may have
        changed since. The load's entry says which one it was.
        """
        for name, value in item.items():
            lineage = read_lineage(value.get("S", ""))
            load = self._load(lineage.load_id) if lineage else None
            if load and (load.get("source") or {}).get("lineage") == name:
                return lineage, load
        return None, {}

    def _load(self, load_id: str) -> Entry | None:
        if load_id not in self._known:
            self._known[load_id] = self._loads.load(load_id)
        return self._known[load_id]


def _items(
    stack: Stack, attributes: Sequence[KeyAttribute], key: Sequence[str]
) -> Iterator[Mapping[str, Any]]:
    conditions, names, values = [], {}, {}
    for number, (attribute, value) in enumerate(zip(attributes, key, strict=False)):
        if attribute.type == "N" and canonical_number(value) is None:
            raise CommandError(
                f"{attribute.name} is a number in table {stack.table}: pass a number."
            )
        conditions.append(f"#{number} = :{number}")
        names[f"#{number}"] = attribute.name
        values[f":{number}"] = {attribute.type: value}
    pages = stack.client("dynamodb").get_paginator("query")
    for page in pages.paginate(
        TableName=stack.table,
        KeyConditionExpression=" AND ".join(conditions),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
        ConsistentRead=True,
    ):
        yield from page["Items"]
