"""Reads the rows of a file chunk by chunk, in several processes, as Write Chunk reads them."""

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from ingestion.contracts import Chunk, File, RefusedRow
from ingestion.csv_files.fast_rows import Page
from ingestion.csv_files.key_digests import KeyDigests, key_digest
from ingestion.csv_files.row_warnings import Warnings, merged
from ingestion.dynamodb.table_schema import TableSchema
from ingestion.tasks.chunk_rows import ChunkPages
from tickets.check.estimate import write_units
from tickets.check.stand_ins import LocalObjects

LOAD_ID = "check"
"""Stands for `{load}` in templates."""

MAX_ROWS_SHOWN = 5
"""Refused rows that are kept for each reason, and accepted rows as examples."""


@dataclass(frozen=True)
class Reading:
    """What it takes to read a file's chunks. It is sent to the processes that read them."""

    path: Path
    work: Path
    file: File
    table: TableSchema
    chunks: Sequence[Chunk]
    digest_key: str

    def pages(self, chunk: Chunk) -> ChunkPages:
        client = LocalObjects(self.path, self.file.key, self.work).client
        is_last = chunk.index == len(self.chunks) - 1
        return ChunkPages(client, self.file, chunk, self.table, LOAD_ID, is_last=is_last)

    def digests_path(self, chunk: int, kind: str) -> Path:
        return self.work / f"{chunk:06d}.{kind}"


@dataclass(frozen=True)
class Rows:
    """What became of the rows of a chunk, or of all chunks up to one. Lines count from the
    start."""

    accepted: int = 0
    distinct: int = 0
    """The number of different keys of the accepted rows. Of several chunks, the sum of theirs."""
    refused: int = 0
    lines: int = 0
    blank_lines: int = 0
    repeated_headers: int = 0
    write_units: int = 0
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """The number of refused rows of each column and reason."""
    shown: Sequence[RefusedRow] = ()
    """The first refused rows of each column and reason."""
    warnings: Warnings = field(default_factory=dict)
    examples: Sequence[Mapping[str, Any]] = ()
    """The items of the first accepted rows."""

    @property
    def read(self) -> int:
        return self.accepted + self.refused

    def refusing(self, rows: int, column: str, reason: str) -> "Rows":
        """These rows, with `rows` of the accepted ones counted as refused for this reason."""
        if not rows:
            return self
        return replace(
            self,
            accepted=self.accepted - rows,
            refused=self.refused + rows,
            reasons={**self.reasons, (column, reason): rows},
        )

    def plus(self, later: "Rows") -> "Rows":
        """Both combined. The later rows follow these."""
        reasons = dict(self.reasons)
        for reason, rows in later.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + rows
        moved = [row._replace(line=self.lines + row.line) for row in later.shown]
        return Rows(
            accepted=self.accepted + later.accepted,
            distinct=self.distinct + later.distinct,
            refused=self.refused + later.refused,
            lines=self.lines + later.lines,
            blank_lines=self.blank_lines + later.blank_lines,
            repeated_headers=self.repeated_headers + later.repeated_headers,
            write_units=self.write_units + later.write_units,
            reasons=reasons,
            shown=_first_of_each([*self.shown, *moved]),
            warnings=merged(self.warnings, later.warnings, self.lines),
            examples=[*self.examples, *later.examples][:MAX_ROWS_SHOWN],
        )


def read_rows(reading: Reading) -> Iterator[Rows]:
    """Yields the rows of each chunk, in order. They are read in as many processes as there are
    processors."""
    processes = min(len(reading.chunks), os.cpu_count() or 1)
    if processes < 2:
        for chunk in reading.chunks:
            yield read_chunk(reading, chunk)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin_process) as pool:
        yield from pool.map(read_chunk, [reading] * len(reading.chunks), reading.chunks)


def _begin_process() -> None:
    """Prepares a process that reads chunks. It ends with the one that started it, which handles the
    signals, and prints nothing of its own when a terminal interrupts both."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = parent_process()
    if parent:
        threading.Thread(target=_end_with, args=[parent.sentinel], daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def read_chunk(reading: Reading, chunk: Chunk) -> Rows:
    """Reads one chunk, and stores the digests of its keys."""
    digests = KeyDigests(key_digest(reading.digest_key))
    accepted = refused = lines = blank = headers = units = 0
    reasons: dict[tuple[str, str], int] = {}
    shown: list[RefusedRow] = []
    examples: list[Mapping[str, Any]] = []
    warnings: Warnings = {}
    for page in reading.pages(chunk).pages(chunk.start, chunk.end, 0):
        accepted += len(page.requests)
        refused += len(page.refused)
        blank += page.blank_lines
        headers += page.repeated_headers
        units += write_units(page.requests)
        digests.add(page.keys)
        for row in page.refused:
            kind = row.column, row.reason
            reasons[kind] = reasons.get(kind, 0) + 1
            if reasons[kind] <= MAX_ROWS_SHOWN:
                shown.append(row._replace(line=lines + row.line))
        if len(examples) < MAX_ROWS_SHOWN:
            examples += _items(page)
        warnings = merged(warnings, page.warnings, lines)
        lines += page.lines
    distinct = _store(reading, chunk, digests)
    return Rows(
        accepted,
        distinct,
        refused,
        lines,
        blank,
        headers,
        units,
        reasons,
        shown,
        warnings,
        examples[:MAX_ROWS_SHOWN],
    )


def _items(page: Page) -> Iterator[Mapping[str, Any]]:
    for request in page.requests[:MAX_ROWS_SHOWN]:
        yield json.loads(request)["PutRequest"]["Item"]


def _store(reading: Reading, chunk: Chunk, digests: KeyDigests) -> int:
    """Writes the different digests of a chunk to a file, ascending, and those that occur more than
    once to another one. Returns how many different ones there are."""
    distinct = 0
    with (
        reading.digests_path(chunk.index, "distinct").open("wb") as all_of_them,
        reading.digests_path(chunk.index, "repeated").open("wb") as repeated,
    ):
        for part in digests.ranges():
            distinct += len(part.distinct)
            part.distinct.tofile(all_of_them)
            part.repeated.tofile(repeated)
    return distinct


def _first_of_each(rows: Sequence[RefusedRow]) -> list[RefusedRow]:
    counts: dict[tuple[str, str], int] = {}
    kept = []
    for row in rows:
        kind = row.column, row.reason
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= MAX_ROWS_SHOWN:
            kept.append(row)
    return kept
