"""Made files, and what must become of their rows: told from how they were made and by the `csv`
module, without the code under test. All rows are equally long, so where chunks end is known."""

import csv
import io
import random
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
ROW_BYTES = 64
CHUNK_ROWS = 40
CHUNK_SIZE = ROW_BYTES * CHUNK_ROWS

Item = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A row: its ticket, its line in the file, its text, and its item (None if it is bad)."""

    ticket: str
    line: int
    text: bytes
    item: Item | None


@dataclass(frozen=True)
class Counts:
    rows_read: int
    rows_written: int
    rows_superseded: int
    rows_refused: int


@dataclass(frozen=True)
class Content:
    """What is uploaded under a key. ``name`` stands in each row, so an item tells where it is from.

    Keys come more than once (but for every third seed), and never in two chunks: which of them
    stays is not defined then.
    """

    key: str
    name: str
    rows: int
    seed: int
    bad: float = 0.1
    header: bytes = HEADER

    @property
    def is_distinct(self) -> bool:
        return self.seed % 3 == 0

    @cached_property
    def chunks(self) -> list[list[Made]]:
        rng = random.Random(self.seed)
        chunks: list[list[Made]] = []
        for first in range(0, self.rows, CHUNK_ROWS):
            chunks.append([])
            for at in range(first, min(first + CHUNK_ROWS, self.rows)):
                number = at - first if self.is_distinct else rng.randrange(CHUNK_ROWS * 2)
                ticket = f"{self.key[0]}{first // CHUNK_ROWS}-{number:02d}"
                quantity = "some" if rng.random() < self.bad else f"{at:04d}"
                chunks[-1].append(self._row(ticket, at + 2, quantity))
        return chunks

    def _row(self, ticket: str, line: int, quantity: str) -> Made:
        text = "{},Tea,B1,2025-11-23T08:00Z,{},{},{}\n"
        pad = "x" * (ROW_BYTES - len(text.format(ticket, "", quantity, self.name)))
        body = text.format(ticket, pad, quantity, self.name)
        assert len(body) == ROW_BYTES
        [item] = csv.DictReader(io.StringIO(HEADER.decode() + body, newline=""))
        good = quantity != "some"
        return Made(
            ticket,
            line,
            body.encode(),
            {**item, "quantity": Decimal(item["quantity"])} if good else None,
        )

    @cached_property
    def body(self) -> bytes:
        return self.header + b"".join(row.text for chunk in self.chunks for row in chunk)

    @property
    def is_refused(self) -> bool:
        """Whether the file as a whole is."""
        return self.header != HEADER

    @property
    def writes(self) -> bool:
        return self.rows > 0 and not self.is_refused

    def counts(self, index: int, rows: int) -> Counts:
        """Of the first so many rows of a chunk."""
        part = self.chunks[index][:rows]
        accepted = Counter(row.ticket for row in part if row.item)
        return Counts(
            len(part),
            len(accepted),
            accepted.total() - len(accepted),
            len(part) - accepted.total(),
        )

    @property
    def totals(self) -> Counts:
        each = [self.counts(index, CHUNK_ROWS) for index in range(len(self.chunks))]
        return Counts(
            sum(one.rows_read for one in each),
            sum(one.rows_written for one in each),
            sum(one.rows_superseded for one in each),
            sum(one.rows_refused for one in each),
        )

    @property
    def listed(self) -> list[tuple[int, str]]:
        """Line and reason of each row that is not in the table, by line."""
        rows = []
        for chunk in self.chunks:
            last = {row.ticket: row.line for row in chunk if row.item}
            for row in chunk:
                if row.item is None:
                    rows.append((row.line, "bad_quantity"))
                elif last[row.ticket] != row.line:
                    rows.append((row.line, "superseded"))
        return rows

    @cached_property
    def items(self) -> dict[str, Item]:
        """By ticket; of equal keys the last row's."""
        return {row.ticket: row.item for chunk in self.chunks for row in chunk if row.item}

    def may_be(self, ticket: str, finished: set[int]) -> list[Item]:
        """What this content's load may have left under a ticket, if these chunks are finished."""
        found = []
        for index, chunk in enumerate(self.chunks):
            rows = [row.item for row in chunk if row.item and row.ticket == ticket]
            found += rows[-1:] if index in finished else rows
        return found
