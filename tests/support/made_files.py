"""Made files, and what must become of their rows: told from how they were made and by the `csv`
module, without the code under test. All rows are equally long, so where chunks end is known."""

import csv
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    Keys come once if the seed is a multiple of three; else more than once, in neighbouring rows or,
    of every third seed, in any rows.
    """

    key: str
    name: str
    rows: int
    seed: int
    bad: float = 0.1
    header: bytes = HEADER

    @cached_property
    def chunks(self) -> list[list[Made]]:
        """A chunk begins with the first good row at or behind a multiple of its size."""
        rng = random.Random(self.seed)
        chunks: list[list[Made]] = []
        edge = 0
        for at in range(self.rows):
            number = rng.randrange(CHUNK_ROWS * 2) if self.seed % 3 else at % CHUNK_ROWS
            group = at // CHUNK_ROWS if self.seed % 3 != 1 else 0
            ticket = f"{self.key[0]}{group}-{number:02d}"
            quantity = "some" if rng.random() < self.bad else f"{at:04d}"
            row = self._row(ticket, at + 2, quantity)
            start = len(HEADER) + at * ROW_BYTES
            if at == 0 or (row.item and start >= edge):
                chunks.append([])
                edge = (start // CHUNK_SIZE + 1) * CHUNK_SIZE
            chunks[-1].append(row)
        return chunks

    def start_of(self, index: int) -> int:
        """The first byte of a chunk."""
        return len(HEADER) + ROW_BYTES * sum(map(len, self.chunks[:index]))

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

    def counts(self, index: int, rows: int, finished: bool) -> Counts:
        """Of a chunk's first ``rows`` rows. Superseded rows are counted when it is finished."""
        counts = _counts(self.chunks[index][:rows])
        if finished:
            return counts
        accepted = counts.rows_written + counts.rows_superseded
        return replace(counts, rows_written=accepted, rows_superseded=0)

    @property
    def totals(self) -> Counts:
        return _counts([row for chunk in self.chunks for row in chunk])

    @property
    def listed(self) -> list[tuple[int, str]]:
        """Line and reason of each row that is not in the table, by line."""
        rows = [row for chunk in self.chunks for row in chunk]
        last = {row.ticket: row.line for row in rows if row.item}
        return [
            (row.line, "superseded" if row.item else "bad_quantity")
            for row in rows
            if row.item is None or last[row.ticket] != row.line
        ]

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


def _counts(rows: Sequence[Made]) -> Counts:
    accepted = Counter(row.ticket for row in rows if row.item)
    superseded = accepted.total() - len(accepted)
    return Counts(len(rows), len(accepted), superseded, len(rows) - accepted.total())
