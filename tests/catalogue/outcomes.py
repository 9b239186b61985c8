"""What became of a file: read from the table, the ledger and the work bucket by boto3 alone."""

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.catalogue.expectations import Outcome, Unread

_ENDINGS = {"SUCCEEDED": "loaded", "FAILED": "failed"}


@dataclass(frozen=True)
class Places:
    """Where a stack keeps its things, and the clients to look there."""

    s3: Any
    dynamodb: Any
    work_bucket: str
    table: str
    ledger_table: str


def outcome_of(places: Places, load_id: str, prefix: str) -> Outcome:
    """The outcome of a load that has ended; ``prefix`` is what its tickets' numbers begin with."""
    entry = _plain(
        places.dynamodb.get_item(
            TableName=places.ledger_table,
            Key={"load_id": {"S": load_id}, "entry": {"S": "load"}},
        )["Item"]
    )
    first = entry.get("first_error")
    first_error = (first["line"], first["column"], first["reason"]) if first else None
    items = {(item["ticket_id"], item["product"]): item for item in _items(places, prefix)}
    if entry.get("reasons"):
        reasons = tuple((one["reason"], one["line"], one["column"]) for one in entry["reasons"])
        assert entry["status"] == "FAILED"
        assert all(len(one["detail"].split()) > 4 for one in entry["reasons"])
        return Outcome("refused", reasons, items, first_error=first_error)
    report = json.loads(_read(places, entry["report"]))
    assert report["status"] == entry["status"]
    notes = _notes(places, report["refused_rows"])
    refused = sum(reason != "superseded" for _, _, reason in notes)
    assert report["rows_refused"] == refused
    assert report["rows_superseded"] == len(notes) - refused
    unread = report["unread"]
    return Outcome(
        _ENDINGS[report["status"]],
        items=items,
        notes=notes,
        rows_read=report["rows_read"],
        rows_written=report["rows_written"],
        blank_lines=report["blank_lines"],
        unread=Unread(unread["reason"], unread["line"], unread["bytes"]) if unread else None,
        first_error=first_error,
        unknown_columns=tuple(report["unknown_columns"]),
    )


def _items(places: Places, prefix: str) -> list[dict[str, Any]]:
    pages = places.dynamodb.get_paginator("scan").paginate(
        TableName=places.table,
        ConsistentRead=True,
        FilterExpression="begins_with(ticket_id, :prefix)",
        ExpressionAttributeValues={":prefix": {"S": f"{prefix}-"}},
    )
    return [_plain(item) for page in pages for item in page["Items"]]


def _notes(places: Places, url: str | None) -> tuple[tuple[int, str, str], ...]:
    if url is None:
        return ()
    text = _read(places, url).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert not any(row["raw"].startswith(("=", "+", "-", "@")) for row in rows)
    return tuple((int(row["line"]), row["column"], row["reason"]) for row in rows)


def _read(places: Places, url: str) -> bytes:
    bucket, key = url.removeprefix("s3://").split("/", 1)
    return bytes(places.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}
