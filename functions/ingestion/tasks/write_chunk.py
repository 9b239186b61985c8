"""The task Write Chunk: one byte range becomes items in the table, refused rows and a ledger entry.

``rows read = written + superseded + refused`` holds for every chunk, finished or checkpointed.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ingestion.contracts import ChunkResult, ChunkTask
from ingestion.csv_files.equal_keys import superseded_rows
from ingestion.csv_files.refused_rows import RefusedRow
from ingestion.csv_files.rows import TEXT_COLUMNS
from ingestion.dynamodb.batch_writer import BatchWriter, Sender, WritingStopped
from ingestion.dynamodb.flow_control import share_of_rate
from ingestion.dynamodb.table_schema import key_attributes
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Ledger
from ingestion.ledger.versions import LOOK_SECONDS, Turns, WriterLease
from ingestion.s3.refused_rows import write_part
from ingestion.tasks.accounting import Place, Tally
from ingestion.tasks.chunk_rows import ChunkPages

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

CHECKPOINT_SECONDS = 30.0
"""Kept back of a round's time: half to let batches in flight finish, half for the checkpoint."""


class Overtaken(WritingStopped):
    """A later version of the object has claimed the table's keys."""


class ChunkWriter:
    """Writes chunks into one table. ``in_flight`` batches are under way at a time. A load whose
    ``at_a_time`` chunks are written in parallel keeps to ``rows_per_second`` (0: no cap)."""

    def __init__(
        self,
        s3: "S3Client",
        dynamodb: "DynamoDBClient",
        sender: Sender,
        ledger: Ledger,
        turns: Turns,
        *,
        table: str,
        work_bucket: str,
        in_flight: int,
        rows_per_second: float = 0,
        at_a_time: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._sender = sender
        self._ledger = ledger
        self._turns = turns
        self._table = table
        self._work_bucket = work_bucket
        self._in_flight = in_flight
        self._rows_per_second = rows_per_second
        self._at_a_time = at_a_time
        self._clock = clock

    def write(self, task: ChunkTask, seconds: float) -> ChunkResult:
        """Write a chunk, or as much of it as ``seconds`` allow, and record how far it got.

        A finished chunk is answered from the ledger, an unfinished one is continued from its
        checkpoint. Raises NoProgress if not one row could be accounted for in the time.
        """
        load_id, file, chunk = task.load_id, task.file, task.chunk
        deadline = self._clock() + seconds
        recorded = self._ledger.chunk(load_id, chunk.index)
        before = recorded or ChunkProgress(chunk.index, chunk.start, chunk.end, chunk.start)
        if (before.start, before.end) != (chunk.start, chunk.end):
            raise AccountingError(f"Chunk {chunk.index} of load {load_id} has another byte range.")
        if before.finished:
            return before.result()
        began = self._ledger.now()
        tally = Tally(before)
        pages = ChunkPages(
            self._s3,
            file,
            chunk,
            key_attributes(self._dynamodb, self._table, TEXT_COLUMNS),
            is_last=chunk.index == task.chunks - 1,
        )
        writer = BatchWriter[Place](
            self._sender,
            self._table,
            in_flight=self._in_flight,
            deadline=deadline - CHECKPOINT_SECONDS / 2,
            rate=share_of_rate(self._rows_per_second, task.chunks, self._at_a_time),
            clock=self._clock,
        )
        # The lease ends after the writer has: nothing of this load is on its way any more then.
        with self._turns.lease(file.object_url, load_id, seconds) as lease, writer:
            if lease.overtaken():
                return before.result(overtaken=True)
            try:
                self._feed(writer, tally, pages, lease, deadline - CHECKPOINT_SECONDS)
                writer.drain()
            except WritingStopped as stop:
                writer.stop()
                overtaken, finished = isinstance(stop, Overtaken), False
            else:
                tally.check(writer.items_written, writer.items_replaced)
                overtaken, finished = False, True
        if not finished:
            place = writer.acknowledged
            if place is None:
                if overtaken:
                    return before.result(overtaken=True)
                raise NoProgress(
                    f"Chunk {chunk.index} of load {load_id}: no row in {seconds:.0f} s."
                )
            tally.go_back(place, pages.reader.part(place.page, place.accepted))
        superseded = _superseded(pages, tally)
        part = self._write_part(load_id, tally, superseded)
        progress = tally.progress(
            len(superseded),
            finished=finished,
            part=part,
            throttles=writer.throttles,
            times=[began, self._ledger.now()],
        )
        return self._ledger.save_chunk(load_id, progress).result(overtaken=overtaken)

    def _feed(
        self,
        writer: BatchWriter[Place],
        tally: Tally,
        pages: ChunkPages,
        lease: WriterLease,
        deadline: float,
    ) -> None:
        """Put what is left of the chunk. Raises WritingStopped at the deadline, or Overtaken."""
        before = tally.before
        for page in pages.pages(before.start, before.next_byte):
            tally.remember(page)
        next_look = self._clock() + LOOK_SECONDS
        for page in pages.pages(before.next_byte, before.end):
            for first in range(0, len(page.requests), writer.batch_items):
                now = self._clock()
                if now > deadline:
                    raise WritingStopped
                if now > next_look:
                    next_look = now + LOOK_SECONDS
                    if lease.overtaken():
                        raise Overtaken
                last = min(first + writer.batch_items, len(page.requests))
                place = tally.place(page, last)
                writer.put(page.keys[first:last], page.requests[first:last], place)
            tally.count(page)

    def _write_part(
        self, load_id: str, tally: Tally, superseded: Sequence[RefusedRow]
    ) -> str | None:
        rows = tally.listed(superseded)
        if not rows:
            return None
        # The name says which bytes it is about, so a repetition replaces it by the same rows.
        before, next_byte = tally.before, tally.reached.next_byte
        part = (
            f"refused-rows/{load_id}/parts/{before.index:06d}-{before.next_byte}-{next_byte}.jsonl"
        )
        write_part(self._s3, self._work_bucket, part, rows)
        return part


def _superseded(pages: ChunkPages, tally: Tally) -> list[RefusedRow]:
    """The rows that one read in this round supersedes."""
    repeated = tally.keys.repeated()
    if not repeated:
        return []
    before = tally.before
    sections = pages.sections(before.start, tally.reached.next_byte)
    return list(superseded_rows(sections, pages.reader, repeated, before.lines))
