"""Adds up the number attributes of rows with equal keys."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal, Inexact
from typing import Any

from ingestion.csv_files.item_json import put_request
from ingestion.csv_files.key_rules import canonical_number

_EXACT = Context(prec=300, traps=[Inexact])
"""DynamoDB's numbers have digits from 10^125 to 10^-167 at most, so the sum of two fits."""


class Total:
    """The sum of the rows of one key, which is put in the place of the last of them."""

    __slots__ = ("chunk", "line", "numbers", "rows")

    def __init__(self, chunk: int, line: int, rows: int, numbers: list[Decimal | None]) -> None:
        self.chunk = chunk
        self.line = line
        self.rows = rows
        self.numbers = numbers
        """For each attribute, the sum of those rows that have it. None if no row has."""


class Totals:
    """The totals of some keys. `attributes` are the number attributes that are added up.

    Memory: some 700 bytes per key.
    """

    def __init__(self, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self._totals: dict[bytes, Total] = {}

    def __len__(self) -> int:
        return len(self._totals)

    def add(self, key: bytes, chunk: int, line: int, request: bytes) -> str | None:
        """Adds a row, given by the request that puts its item. Call it in the file's order.

        Returns None, or the attribute whose total DynamoDB couldn't store exactly. The row is not
        added then.
        """
        item = json.loads(request)["PutRequest"]["Item"]
        total = self._totals.get(key)
        before = total.numbers if total else [None] * len(self._attributes)
        numbers = []
        for name, number in zip(self._attributes, before, strict=True):
            value = _number(item, name)
            if number is not None and value is not None:
                value = _EXACT.add(number, value)
                if canonical_number(str(value)) is None:
                    return name
            numbers.append(number if value is None else value)
        self._totals[key] = Total(chunk, line, total.rows + 1 if total else 1, numbers)
        return None

    def request(self, key: bytes, request: bytes) -> bytes:
        """The request that puts a row's item with the totals of its key."""
        item = json.loads(request)["PutRequest"]["Item"]
        for name, number in zip(self._attributes, self._totals[key].numbers, strict=True):
            if number is not None:
                item[name] = {"N": canonical_number(str(number))}
        return put_request(item)

    def last_lines(self) -> Mapping[int, frozenset[int]]:
        """By chunk, the lines of the last rows of the keys that several rows have."""
        lines: dict[int, list[int]] = {}
        for total in self._totals.values():
            if total.rows > 1:
                lines.setdefault(total.chunk, []).append(total.line)
        return {chunk: frozenset(some) for chunk, some in lines.items()}

    @property
    def rows_combined(self) -> int:
        """Rows that were added to another row."""
        return sum(total.rows - 1 for total in self._totals.values())

    def to_lines(self) -> Iterator[bytes]:
        """The totals as JSON lines, from which `from_lines` restores them."""
        for key, total in self._totals.items():
            numbers = [None if number is None else str(number) for number in total.numbers]
            place = [total.chunk, total.line, total.rows]
            yield json.dumps([key.decode(), place, numbers], ensure_ascii=False).encode()

    @classmethod
    def from_lines(cls, attributes: Sequence[str], lines: Iterable[bytes]) -> "Totals":
        totals = cls(attributes)
        for line in lines:
            key, place, numbers = json.loads(line)
            restored = [None if number is None else Decimal(number) for number in numbers]
            chunk, at, rows = place
            totals._totals[key.encode()] = Total(chunk, at, rows, restored)
        return totals


def _number(item: Mapping[str, Any], name: str) -> Decimal | None:
    text = item.get(name, {}).get("N")
    return None if text is None else Decimal(text)
