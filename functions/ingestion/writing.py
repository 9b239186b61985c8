"""The task Write Chunk: one byte range becomes items in the table, refused rows and a ledger entry.

``rows read = written + superseded + refused`` holds for every chunk, finished or checkpointed.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestion.chunks import Chunk
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger import ChunkProgress, Ledger
from ingestion.objects import PinnedObject, read_blocks
from ingestion.planning import pinned_object
from ingestion.records import Record, read_records
from ingestion.refused import RefusedRow, refused_row, write_part
from ingestion.rows import Key, Refusal, Row, RowReader
from ingestion.table import BatchWriter, DeadlineReached, key_attributes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

CHECKPOINT_SECONDS = 30.0
"""Kept back of a round's time: half to let batches in flight finish, half for the checkpoint."""


class _Reached(NamedTuple):
    """What a round has accounted for up to some record."""

    next_byte: int
    lines: int
    blank_lines: int
    rows_read: int
    rows_superseded: int
    rows_refused: int
    listed: int
    """How many of the round's refused and superseded rows are listed by then."""


class _Tally:
    """The running counts of one round, which goes on from ``progress``."""

    def __init__(self, progress: ChunkProgress) -> None:
        self.seen: dict[Key, RefusedRow] = {}
        """The last row of each key, as it is listed should a later one supersede it."""
        self.listed: list[RefusedRow] = []
        self.unread: dict[str, Any] | None = None
        self._start = progress.start
        self._first_byte, self._first_line = progress.next_byte, progress.lines
        self._next_byte, self._lines = progress.next_byte, progress.lines
        self._blank_lines = progress.blank_lines
        self._rows_read = progress.rows_read
        self._rows_superseded = progress.rows_superseded
        self._rows_refused = progress.rows_refused

    def reached(self) -> _Reached:
        return _Reached(
            self._next_byte,
            self._lines,
            self._blank_lines,
            self._rows_read,
            self._rows_superseded,
            self._rows_refused,
            len(self.listed),
        )

    def remember(self, record: Record, outcome: Row | Refusal) -> None:
        """Take note of a row that an earlier round has accounted for."""
        if isinstance(outcome, Row):
            self.seen[outcome.key] = refused_row(record.line, "", "superseded", record.raw)

    def count_blank(self, record: Record) -> None:
        self._advance(record)
        self._blank_lines += 1

    def count(self, record: Record, outcome: Row | Refusal) -> None:
        self._advance(record)
        self._rows_read += 1
        line = self._first_line + record.line
        if isinstance(outcome, Refusal):
            self._rows_refused += 1
            self.listed.append(refused_row(line, outcome.column, outcome.reason, record.raw))
            return
        earlier = self.seen.get(outcome.key)
        if earlier is not None:
            self._rows_superseded += 1
            self.listed.append(earlier)
        self.seen[outcome.key] = refused_row(line, "", "superseded", record.raw)

    def give_up(self, record: Record, end: int) -> None:
        """Account for the rest of the chunk, which can't be read as records."""
        first_byte = self._next_byte
        self.unread = {
            "reason": record.problem,
            "line": self._first_line + record.line,
            "bytes": end - first_byte,
        }
        self.count(record, Refusal("", record.problem or ""))
        self._next_byte = end

    def _advance(self, record: Record) -> None:
        self._next_byte = self._first_byte + record.end
        self._lines = self._first_line + record.line + record.lines


class ChunkWriter:
    """Writes chunks into one table. ``in_flight`` batches are under way at a time."""

    def __init__(
        self,
        s3: "S3Client",
        dynamodb: "DynamoDBClient",
        ledger: Ledger,
        *,
        table: str,
        work_bucket: str,
        in_flight: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._ledger = ledger
        self._table = table
        self._work_bucket = work_bucket
        self._in_flight = in_flight
        self._clock = clock

    def write(
        self, load_id: str, file: Mapping[str, Any], chunk: Chunk, seconds: float
    ) -> ChunkProgress:
        """Write a chunk, or as much of it as ``seconds`` allow, and record how far it got.

        A finished chunk is answered from the ledger, an unfinished one is continued from its
        checkpoint. Raises NoProgress if not one row could be written in the time.
        """
        deadline = self._clock() + seconds
        recorded = self._ledger.chunk(load_id, chunk.index)
        before = recorded or ChunkProgress(chunk.index, chunk.start, chunk.end, chunk.start)
        if (before.start, before.end) != (chunk.start, chunk.end):
            raise AccountingError(f"Chunk {chunk.index} of load {load_id} has another byte range.")
        if before.finished:
            return before
        source = pinned_object(file)
        delimiter = file["delimiter"].encode()
        rows = RowReader(
            file["columns"], file["width"], delimiter, key_attributes(self._dynamodb, self._table)
        )
        tally = _Tally(before)
        for record in self._records(source, chunk.start, before.next_byte, delimiter):
            if record.raw:
                tally.remember(record, rows.read(record))

        writer: BatchWriter[_Reached] = BatchWriter(
            self._dynamodb,
            self._table,
            in_flight=self._in_flight,
            deadline=deadline - CHECKPOINT_SECONDS / 2,
            clock=self._clock,
        )
        with writer:
            try:
                for record in self._records(source, before.next_byte, chunk.end, delimiter):
                    if self._clock() > deadline - CHECKPOINT_SECONDS:
                        raise DeadlineReached
                    self._take(record, rows, tally, writer, chunk)
                writer.drain()
                reached: _Reached | None = tally.reached()
                finished = True
            except DeadlineReached:
                writer.settle()
                reached = writer.acknowledged
                finished = False
        if finished:
            self._check(before, tally, writer)
        if reached is None:
            raise NoProgress(f"Chunk {chunk.index} of load {load_id}: no row in {seconds:.0f} s.")
        return self._record(load_id, before, tally, reached, finished)

    def _records(
        self, source: PinnedObject, start: int, end: int, delimiter: bytes
    ) -> Iterator[Record]:
        return read_records(read_blocks(self._s3, source, start, end), delimiter)

    def _take(
        self,
        record: Record,
        rows: RowReader,
        tally: _Tally,
        writer: BatchWriter[_Reached],
        chunk: Chunk,
    ) -> None:
        if record.problem:
            tally.give_up(record, chunk.end)
        elif not record.raw:
            tally.count_blank(record)
        else:
            outcome = rows.read(record)
            tally.count(record, outcome)
            if isinstance(outcome, Row):
                writer.put(outcome.key, outcome.item, tally.reached())

    def _check(self, before: ChunkProgress, tally: _Tally, writer: BatchWriter[_Reached]) -> None:
        """Compare what was counted with what the table acknowledged."""
        reached = tally.reached()
        if reached.next_byte != before.end:
            raise AccountingError(
                f"Chunk {before.index} ends at byte {before.end}, but {reached.next_byte} was read."
            )
        accepted = (reached.rows_read - before.rows_read) - (
            reached.rows_refused - before.rows_refused
        )
        written = reached.rows_read - reached.rows_superseded - reached.rows_refused
        if writer.items_written + writer.items_replaced != accepted or len(tally.seen) != written:
            raise AccountingError(
                f"Chunk {before.index}: {accepted} rows accepted, {writer.items_written} items "
                f"written, {writer.items_replaced} replaced; {written} rows counted as written, "
                f"{len(tally.seen)} keys seen."
            )

    def _record(
        self,
        load_id: str,
        before: ChunkProgress,
        tally: _Tally,
        reached: _Reached,
        finished: bool,
    ) -> ChunkProgress:
        parts = before.refused_parts
        if reached.listed:
            # The name says which bytes it is about, so a repetition replaces it by the same rows.
            part = (
                f"refused-rows/{load_id}/parts/"
                f"{before.index:06d}-{before.next_byte}-{reached.next_byte}.jsonl"
            )
            write_part(self._s3, self._work_bucket, part, tally.listed[: reached.listed])
            parts = [*parts, part]
        progress = replace(
            before,
            next_byte=reached.next_byte,
            finished=finished,
            lines=reached.lines,
            blank_lines=reached.blank_lines,
            rows_read=reached.rows_read,
            rows_written=reached.rows_read - reached.rows_superseded - reached.rows_refused,
            rows_superseded=reached.rows_superseded,
            rows_refused=reached.rows_refused,
            refused_parts=parts,
            unread=tally.unread if finished else None,
        )
        return self._ledger.save_chunk(load_id, progress)
