"""The task Write Chunk: one byte range becomes items in the table, refused rows and a ledger entry.

``rows read = written + superseded + refused`` holds for every chunk, finished or checkpointed.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ingestion.contracts import ChunkResult, ChunkTask
from ingestion.csv_files.equal_keys import superseded_rows
from ingestion.csv_files.rows import TEXT_COLUMNS
from ingestion.dynamodb.batch_writer import BatchWriter, Sender, WritingStopped
from ingestion.dynamodb.flow_control import share_of_rate
from ingestion.dynamodb.table_schema import key_attributes
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Ledger
from ingestion.ledger.versions import LOOK_SECONDS, Turns, WriterLease
from ingestion.s3.refused_rows import PartWriter
from ingestion.tasks.accounting import Place, Superseded, Tally, series_of_chunk
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
        refused, _ = series_of_chunk(load_id, before)
        tally = Tally(before, PartWriter(self._s3, self._work_bucket, refused, before.rows_refused))
        pages = ChunkPages(
            self._s3, file, chunk, key_attributes(self._dynamodb, self._table, TEXT_COLUMNS)
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
        superseded = self._list_superseded(load_id, tally, pages) if finished else None
        progress = tally.progress(
            superseded, throttles=writer.throttles, times=[began, self._ledger.now()]
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
        if before.rows_read > before.rows_refused:
            for page in pages.pages(before.start, before.next_byte):
                tally.remember(page)
        next_look = self._clock() + LOOK_SECONDS
        texts = pages.texts(before.next_byte, before.end)
        for text in texts:
            page = pages.reader.read(text)
            for first in range(0, max(1, len(page.requests)), writer.batch_items):
                now = self._clock()
                if now > deadline:
                    raise WritingStopped
                if now > next_look:
                    next_look = now + LOOK_SECONDS
                    if lease.overtaken():
                        raise Overtaken
                last = min(first + writer.batch_items, len(page.requests))
                if first < last:
                    place = tally.place(page, last)
                    writer.put(page.keys[first:last], page.requests[first:last], place)
            tally.count(page)
            writer.pass_over(tally.place_behind())
        if texts.problem and tally.reached.next_byte < before.end:
            left = pages.blocks(tally.reached.next_byte, before.end)
            lines = sum(block.count(b"\n") for block in left)
            tally.give_up(texts.rest, texts.problem, before.end, pages.delimiter, lines)

    def _list_superseded(self, load_id: str, tally: Tally, pages: ChunkPages) -> Superseded:
        """Keep the superseded rows of a chunk that has been written."""
        repeated = tally.keys.repeated()
        if not repeated:
            return Superseded(0, 0)
        before, end = tally.before, tally.reached.next_byte
        _, series = series_of_chunk(load_id, before)
        parts = PartWriter(self._s3, self._work_bucket, series)
        for row in superseded_rows(
            lambda: pages.texts(before.start, end), pages.reader, sorted(repeated)
        ):
            parts.add(row)
        return Superseded(parts.rows, parts.finish().complete)
