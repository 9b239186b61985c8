"""Makes ticket files, and works out how they must be loaded without the code under test.

Python's `csv` module reads the items. For a row that does not become an item, the test notes the
expected reason when it adds the row. This module does not import `ingestion`.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
PRODUCTS = (
    "Baguette",
    "Crème fraîche",
    "Screws, M4",
    'Sponge "Super Soft"',
    "Gift card\nwith envelope",
    "Żubrówka 味噌",
    'Pipe 5" copper',
    "Two\r\nlines\n\nand a gap",
)

Key = tuple[str, str]
Items = dict[Key, dict[str, Any]]


@dataclass(frozen=True)
class Note:
    """A row that does not become an item: its line in the file, the column at fault, and the
    reason."""

    line: int
    column: str
    reason: str


class TicketFile:
    """Builds a file. Every ticket's number begins with `name`, which must differ in each file."""

    def __init__(
        self,
        name: str,
        *,
        columns: tuple[str, ...] = COLUMNS,
        delimiter: str = ",",
        newline: str = "\r\n",
        head: str = "",
    ) -> None:
        self.name = name
        self.notes: list[Note] = []
        self._columns = columns
        self._delimiter = delimiter
        self._newline = newline
        self._written = 0
        self._body = bytearray(head.encode())
        self._append(columns)

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    @property
    def next_line(self) -> int:
        return self._body.count(b"\n") + 1

    def rows(self, count: int, **values: str) -> "TicketFile":
        """Adds good rows, three per ticket. `values` replace the values of some columns."""
        for _ in range(count):
            number = self._written
            self._written += 1
            product = PRODUCTS[number % len(PRODUCTS)]
            row = {
                "ticket_id": f"{self.name}-{number // 3:06d}",
                "product": f"{product} no. {number % 3}",
                "basket_id": f"B{number // 7:06d}",
                "timestamp": f"2026-02-{number % 28 + 1:02d}T{number % 24:02d}:05:09Z",
                "category": ("", "Bakery", "Ménage")[number % 3],
                "quantity": str(number % 12 - 1),
                "store": ("Málaga", "Leeds, North", "", "Zürich")[number % 4],
                **values,
            }
            self._append([row.get(column.lower(), "unknown") for column in self._columns])
        return self

    def raw(self, text: str | bytes) -> "TicketFile":
        """Adds a line exactly as given, except that `{}` in a str becomes the file's name."""
        line = text if isinstance(text, bytes) else text.replace("{}", self.name).encode()
        self._body += line + self._newline.encode()
        return self

    def refused(self, text: str | bytes, column: str, reason: str) -> "TicketFile":
        """Adds a line that must be refused, or superseded by a later one."""
        self.notes.append(Note(self.next_line, column, reason))
        return self.raw(text)

    def expected(self) -> "Expected":
        return expected(self.body, self.notes, self._delimiter)

    def _append(self, fields: list[str] | tuple[str, ...]) -> None:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self._delimiter, lineterminator=self._newline).writerow(fields)
        self._body += line.getvalue().encode()


@dataclass(frozen=True)
class Expected:
    items: Items
    notes: list[Note]
    rows_read: int
    blank_lines: int

    @property
    def totals(self) -> dict[str, int]:
        superseded = sum(note.reason == "superseded" for note in self.notes)
        return {
            "rows_read": self.rows_read,
            "rows_written": len(self.items),
            "rows_superseded": superseded,
            "rows_refused": len(self.notes) - superseded,
        }


def expected(body: bytes, notes: list[Note], delimiter: str = ",") -> Expected:
    """Works out how a file must be loaded, given the notes on the rows that do not become items."""
    records = _records(body, delimiter)
    _, header = next(records)
    columns = [name.strip().lower() for name in header]
    not_items = {note.line for note in notes}
    items: Items = {}
    rows_read = blank_lines = 0
    for line, fields in records:
        if not fields:
            blank_lines += 1
            continue
        rows_read += 1
        if line in not_items:
            not_items.remove(line)
            continue
        row: dict[str, Any] = dict(zip(columns, fields, strict=True))
        item = {column: row[column] for column in COLUMNS} | {"quantity": Decimal(row["quantity"])}
        key = (item["ticket_id"], item["product"])
        assert key not in items, f"line {line} repeats a key and no note says so"
        items[key] = item
    assert not not_items, f"no row begins at {not_items}"
    assert rows_read == len(items) + len(notes)
    return Expected(items, notes, rows_read, blank_lines)


def _records(body: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each record with the line at which it begins. Only LF ends a line."""
    text = body.decode("utf-8-sig", "surrogateescape")
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        fields = next(reader, None)
        if fields is None:
            return
        yield line, fields
