"""Reads what loads leave in the tables and in the work bucket, only with boto3."""

import csv
import io
from collections.abc import Iterator, Set
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.support.ticket_files import Items, Note


class LoadRecords:
    """Reads items, ledger entries, reports and refused rows."""

    def __init__(self, s3: Any, dynamodb: Any, table: str, ledger_table: str) -> None:
        self.s3 = s3
        self.dynamodb = dynamodb
        self.table = table
        self.ledger_table = ledger_table

    def items_of(self, name: str) -> Items:
        """The table's items of one file by key, as Python values (numbers as Decimal)."""
        return {
            (item["ticket_id"], item["product"]): item
            for item in self._scan(self.table)
            if item["ticket_id"].startswith(f"{name}-")
        }

    def items_of_tickets(self, tickets: Set[str]) -> Items:
        """The table's items of these tickets by key, as Python values."""
        return {
            (item["ticket_id"], item["product"]): item
            for item in self._scan(self.table)
            if item["ticket_id"] in tickets
        }

    def ledger(self, load_id: str) -> dict[str, dict[str, Any]]:
        """A load's entries in the ledger by name."""
        return {
            entry["entry"]: entry
            for entry in self._scan(self.ledger_table)
            if entry["load_id"] == load_id
        }

    def chunk_entries(self, load_id: str) -> list[dict[str, Any]]:
        ledger = self.ledger(load_id)
        return [ledger[entry] for entry in sorted(ledger) if entry.startswith("chunk#")]

    def read_url(self, url: str) -> bytes:
        bucket, key = url.removeprefix("s3://").split("/", 1)
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def refused_rows(self, url: str | None) -> list[Note]:
        if url is None:
            return []
        text = self.read_url(url).decode()
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return [Note(int(row["line"]), row["column"], row["reason"]) for row in rows]

    def _scan(self, table: str) -> Iterator[dict[str, Any]]:
        deserialize = TypeDeserializer().deserialize
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                yield {name: deserialize(value) for name, value in item.items()}
