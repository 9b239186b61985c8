"""Reads many items of a table by their keys, and compares them with the rows of the file."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.rows import Item, Row
from ingestion.dynamodb.table_schema import TableSchema

BATCH_KEYS = 100
"""The most keys that BatchGetItem accepts."""

_MAX_PAUSE_SECONDS = 5.0


class TableReader:
    """Looks up the items of rows with consistent reads, at most `rows_per_second` per second."""

    def __init__(
        self,
        client: Any,
        table: str,
        schema: TableSchema,
        rows_per_second: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._key = schema.key
        self._rate = rows_per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self.batch_rows = BATCH_KEYS
        """The most rows to look up at a time."""
        if rows_per_second:
            self.batch_rows = max(1, min(BATCH_KEYS, int(rows_per_second)))

    def items(self, rows: Sequence[Row]) -> Iterator[Item | None]:
        """Returns the item of each row, or None if the table has none. No two rows may have equal
        keys."""
        if self._rate:
            self._next = max(self._next, self._clock()) + len(rows) / self._rate
            self._sleep(max(0.0, self._next - self._clock()))
        found: dict[tuple[str, ...], Item] = {}
        left = [self._key_of(row.item) for row in rows]
        pause = 0.05
        while left:
            request = {self._table: {"Keys": left, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=request)
            for item in answer["Responses"].get(self._table, []):
                found[self._values(item)] = item
            unprocessed = answer.get("UnprocessedKeys") or {}
            left = unprocessed.get(self._table, {}).get("Keys", [])
            if left:
                self._sleep(random.uniform(0, pause))
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        return (found.get(self._values(row.item)) for row in rows)

    def is_as_loaded(self, row: Row, item: Mapping[str, Any]) -> bool:
        """Whether an item has exactly the values of a row.

        An empty attribute counts as equal to a missing one, because a load leaves out empty keys of
        indexes, and indexes may have been added or deleted since.
        """
        return _compared(row.item) == _compared(item)

    def _key_of(self, item: Mapping[str, Any]) -> Item:
        return {attribute.name: item[attribute.name] for attribute in self._key}

    def _values(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        """The key's values, numbers in canonical form so that equal ones compare equal."""
        return tuple(_comparable(item[attribute.name])[1] for attribute in self._key)


def _compared(item: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    return {name: _comparable(value) for name, value in item.items() if value != {"S": ""}}


def _comparable(value: Mapping[str, Any]) -> tuple[str, Any]:
    [(kind, content)] = value.items()
    return kind, canonical_number(content) if kind == "N" else content
