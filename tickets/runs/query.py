"""Looks rows up in the table by ticket, product or basket, and by time."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.rows import COLUMNS
from ingestion.csv_files.values.conversion import Conversion
from ingestion.sources.model import Field
from tickets.errors import CommandError
from tickets.runs.stack import Stack

Row = dict[str, Any]
"""The attributes of an item as JSON values: the usual columns first, then others by name."""

_TIME = "timestamp"
# Timestamps are stored as given, and `fromisoformat` takes neither ` +02` nor ` UTC`.
_TIMESTAMPS = Conversion(Field("timestamp", "datetime", formats=("any",)), is_key=True)
_ZONE = re.compile(r" *(?:Z|UTC|(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?))$")


@dataclass(frozen=True)
class Search:
    """Which rows to read: those with `value` in `column`, from `since` to before `until`."""

    column: str
    value: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class AccessPath:
    """How DynamoDB finds the rows with a value of `column`."""

    table: str
    column: str
    type: str
    """The type of the column's attribute: S or N."""
    kind: str
    """`key` (the table's partition key), `index` or `scan`."""
    index: str | None = None
    sort_key: str | None = None
    """The sort key of the table or of the index. None if there is none, and for a scan."""


def find_access_path(stack: Stack, column: str, may_scan: bool) -> AccessPath:
    """Chooses the table's key, else an index that has every attribute, else a scan.

    Of several indexes, one that is sorted by timestamp is preferred. Raises CommandError if only a
    scan is left and `may_scan` is false.
    """
    table: Any = stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    kind = types.get(column, "S")
    partition, sort_key = _key(table["KeySchema"])
    if partition == [column]:
        return AccessPath(stack.table, column, kind, "key", None, sort_key)
    indexes = [
        AccessPath(stack.table, column, kind, "index", one["IndexName"], _key(one["KeySchema"])[1])
        for one in table.get("GlobalSecondaryIndexes", ())
        if _key(one["KeySchema"])[0] == [column] and _is_complete(one)
    ]
    if indexes:
        return min(indexes, key=lambda one: (one.sort_key != _TIME, str(one.index)))
    if not may_scan:
        raise CommandError(
            f"Table {stack.table} has no complete index on {column}, so every row would have to be "
            "read: pass --scan to do that, or add an index (docs/operations.md#read-the-rows)."
        )
    return AccessPath(stack.table, column, kind, "scan")


def read_rows(
    stack: Stack, path: AccessPath, search: Search, limit: int | None = None
) -> Iterator[Row]:
    """Yields the rows, at most `limit` of them, in the order of the key that finds them.

    Reads one page of up to 1 MB at a time. Raises CommandError if the column is a number in the
    table and the value isn't one.
    """
    rows = (_as_row(item) for item in _items(stack, path, search, limit))
    return islice((row for row in rows if _is_within(row, search)), limit)


def parse_moment(option: str, text: str) -> datetime:
    """Parses the value of --since or --until, in any form that a stored timestamp may have.

    Raises CommandError for anything else.
    """
    moment = instant(text)
    if moment is None:
        raise CommandError(
            f"{option} {text} is not a date or time: write it like 2026-11-01, 2026-11-01T18:00 "
            "(UTC) or 2026-11-01T18:00+01:00."
        )
    return moment


def instant(timestamp: str) -> datetime | None:
    """The instant of a timestamp in one of the forms that loads accept; None for any other text.

    Without an offset it counts as UTC, and a date alone as its beginning.
    """
    if not _TIMESTAMPS.fits(timestamp.encode(errors="replace")):
        return None
    time = timestamp.strip(" \t").upper()
    if len(time) > len("2026-01-31"):
        time = _ZONE.sub(lambda zone: zone["offset"] or "+00:00", time)
    moment = datetime.fromisoformat(time)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _key(schema: list[Mapping[str, str]]) -> tuple[list[str], str | None]:
    """The partition key attributes and the first sort key attribute of a key schema."""
    partition = [one["AttributeName"] for one in schema if one["KeyType"] == "HASH"]
    sort = [one["AttributeName"] for one in schema if one["KeyType"] == "RANGE"]
    return partition, sort[0] if sort else None


def _is_complete(index: Mapping[str, Any]) -> bool:
    """Whether an index can be queried, and has every attribute of its items."""
    is_active = index.get("IndexStatus", "ACTIVE") in ("ACTIVE", "UPDATING")
    return is_active and index["Projection"]["ProjectionType"] == "ALL"


def _items(
    stack: Stack, path: AccessPath, search: Search, limit: int | None
) -> Iterator[Mapping[str, Any]]:
    """Yields the items of all pages. They may include some up to two days outside the times."""
    names, values = {"#column": path.column}, {":value": _value(path, search)}
    conditions = ["#column = :value"]
    filters: list[str] = []
    if times := _dates(search):
        names["#time"] = _TIME
        values |= {f":{name}": {"S": day.isoformat()} for name, day in times.items()}
        # A sort key may have only one condition.
        condition = {
            ("since",): "#time >= :since",
            ("until",): "#time < :until",
            ("since", "until"): "#time BETWEEN :since AND :until",
        }[tuple(times)]
        (conditions if path.sort_key == _TIME else filters).append(condition)
    request: dict[str, Any] = {"TableName": path.table, "ExpressionAttributeNames": names}
    if path.kind == "scan":
        filters = conditions + filters
    else:
        request["KeyConditionExpression"] = " AND ".join(conditions)
        request["ConsistentRead"] = path.kind == "key"  # an index has no consistent reads
    if filters:
        request["FilterExpression"] = " AND ".join(filters)
    elif limit is not None:  # with filters, it would make small pages
        request["Limit"] = limit
    if path.index is not None:
        request["IndexName"] = path.index
    operation = "scan" if path.kind == "scan" else "query"
    pages = stack.client("dynamodb").get_paginator(operation)
    for page in pages.paginate(**request, ExpressionAttributeValues=values):
        yield from page["Items"]


def _value(path: AccessPath, search: Search) -> dict[str, str]:
    if path.type == "N" and canonical_number(search.value) is None:
        raise CommandError(f"{path.column} is a number in table {path.table}: pass a number.")
    return {path.type: search.value}


def _dates(search: Search) -> dict[str, date]:
    """Bounds for the texts of timestamps, which all begin with a date.

    The date of a text differs from the date of its instant in UTC by a day at most, because offsets
    are shorter than a day. The bound `until` is the first date that can't occur.
    """
    days = {"since": (search.since, -1), "until": (search.until, 2)}
    found = {}
    for name, (moment, shift) in days.items():
        if moment is not None:
            with suppress(OverflowError):  # beyond the years 1 and 9999 there is nothing to find
                found[name] = moment.astimezone(UTC).date() + timedelta(days=shift)
    return found


def _is_within(row: Row, search: Search) -> bool:
    if search.since is None and search.until is None:
        return True
    moment = instant(str(row.get(_TIME, "")))
    return (
        moment is not None
        and (search.since is None or search.since <= moment)
        and (search.until is None or moment < search.until)
    )


def _as_row(item: Mapping[str, Mapping[str, Any]]) -> Row:
    names = [name for name in COLUMNS if name in item]
    names += sorted(item.keys() - set(COLUMNS))
    return {name: _json_value(item[name]) for name in names}


def _json_value(attribute: Mapping[str, Any]) -> Any:
    """An attribute in DynamoDB's wire form as JSON. Binary values are in Base64, sets are lists."""
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            return _json_number(value)
        case "NULL":
            return None
        case "B":
            return b64encode(value).decode()
        case "NS" | "SS" | "BS":
            return [_json_value({kind[0]: one}) for one in sorted(value)]
        case "L":
            return [_json_value(one) for one in value]
        case "M":
            return {name: _json_value(one) for name, one in value.items()}
        case _:  # S and BOOL
            return value


def _json_number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)
