"""Makes files, and works out how their rows must be loaded: from how the rows were made and with
the `csv` module, without the code under test. All rows have the same length, so it is known where
chunks end."""

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
    """The content of an upload. Each row contains `name`, which shows which upload an item is
    from.

    If the seed is a multiple of three, each ticket comes once. Otherwise a ticket may come more
    than once: anywhere in the file if the seed modulo 3 is 1, or only within groups of CHUNK_ROWS
    rows if it is 2.
    """

    key: str
    name: str
    rows: int
    seed: int
    bad: float = 0.1
    header: bytes = HEADER

    @cached_property
    def chunks(self) -> list[list[Made]]:
        """The rows of each chunk. A chunk begins with the first good row at or after a multiple of
        CHUNK_SIZE."""
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
        """The offset of a chunk's first byte."""
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
        """Whether the file is refused as a whole."""
        return self.header != HEADER

    @property
    def writes(self) -> bool:
        return self.rows > 0 and not self.is_refused

    def counts(self, index: int, rows: int, finished: bool) -> Counts:
        """The counts of a chunk's first `rows` rows. Until the chunk is finished, superseded rows
        are counted as written."""
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
        """The line and the reason of each row that is not in the table, sorted by line."""
        rows = [row for chunk in self.chunks for row in chunk]
        last = {row.ticket: row.line for row in rows if row.item}
        return [
            (row.line, "superseded" if row.item else "bad_quantity")
            for row in rows
            if row.item is None or last[row.ticket] != row.line
        ]

    @cached_property
    def items(self) -> dict[str, Item]:
        """The items by ticket. If a ticket comes more than once, its last row's."""
        return {row.ticket: row.item for chunk in self.chunks for row in chunk if row.item}

    def may_be(self, ticket: str, finished: set[int]) -> list[Item]:
        """The items that a load of this content may have left for a ticket, if the chunks with the
        indexes `finished` are finished."""
        found = []
        for index, chunk in enumerate(self.chunks):
            rows = [row.item for row in chunk if row.item and row.ticket == ticket]
            found += rows[-1:] if index in finished else rows
        return found


def _counts(rows: Sequence[Made]) -> Counts:
    accepted = Counter(row.ticket for row in rows if row.item)
    superseded = accepted.total() - len(accepted)
    return Counts(len(rows), len(accepted), superseded, len(rows) - accepted.total())
