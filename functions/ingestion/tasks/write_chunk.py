"""The task Write Chunk: one byte range becomes items in the table, refused rows and a ledger entry.

``rows read = written + superseded + refused`` holds for every chunk, finished or checkpointed.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ingestion.contracts import ChunkResult, ChunkTask
from ingestion.csv_files.equal_keys import finding_seconds, superseded_rows
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.rows import TEXT_COLUMNS
from ingestion.csv_files.sections import Section
from ingestion.dynamodb.batch_writer import BatchWriter, Sender, WritingStopped
from ingestion.dynamodb.flow_control import share_of_rate
from ingestion.dynamodb.table_schema import key_attributes
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.store import timestamp
from ingestion.ledger.versions import LOOK_SECONDS, Turns, WriterLease
from ingestion.names import digests_key
from ingestion.s3.digest_files import write_digests
from ingestion.s3.refused_rows import PartWriter
from ingestion.tasks.accounting import Finished, Place, Tally, chunk_series
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
        chunks: Chunks,
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
        self._chunks = chunks
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
        deadline = self._clock() + seconds
        load_id, chunk = task.load_id, task.chunk
        # The lease comes before the look at the entry, so that Settle Equal Keys, which looks the
        # other way round, knows of every call that may have written.
        with self._turns.lease(
            task.file.object_url, load_id, seconds, task.generation, chunk.index
        ) as lease:
            recorded = self._chunks.chunk(load_id, task.generation, chunk.index)
            before = recorded or ChunkProgress(chunk.index, chunk.start, chunk.end, chunk.start)
            if (before.start, before.end) != (chunk.start, chunk.end):
                raise AccountingError(
                    f"Chunk {chunk.index} of load {load_id} has another byte range."
                )
            overtaken = not before.finished and lease.overtaken()
            if before.finished or overtaken:
                lease.give_back()
                return before.result(overtaken=overtaken)
            progress, overtaken = self._write(task, before, lease, deadline)
            if progress is before:
                return before.result(overtaken=overtaken)
            held, is_saved = self._chunks.save(load_id, task.generation, recorded, progress)
            if is_saved:
                lease.give_back()
            return held.result(overtaken=overtaken)

    def _write(
        self, task: ChunkTask, before: ChunkProgress, lease: WriterLease, deadline: float
    ) -> tuple[ChunkProgress, bool]:
        """Write what is left of a chunk. Answers how far it has got, which is ``before`` if it was
        overtaken at once, and whether it was overtaken."""
        began = timestamp(self._turns.now())
        refused, _ = chunk_series(task.load_id, task.generation, before)
        parts = PartWriter(self._s3, self._work_bucket, refused, before.rows_refused)
        tally = Tally(before, key_digest(task.digest_key), parts)
        key = key_attributes(self._dynamodb, self._table, TEXT_COLUMNS)
        is_last = task.chunk.index == task.chunks - 1
        pages = ChunkPages(self._s3, task.file, task.chunk, key, is_last=is_last)
        writer = BatchWriter[Place](
            self._sender,
            self._table,
            in_flight=self._in_flight,
            deadline=deadline - CHECKPOINT_SECONDS / 2,
            rate=share_of_rate(self._rows_per_second, task.chunks, self._at_a_time),
            clock=self._clock,
        )
        overtaken, is_written = False, True
        try:
            with writer:
                try:
                    self._feed(writer, tally, pages, lease, deadline - CHECKPOINT_SECONDS)
                    writer.drain()
                except WritingStopped as stop:
                    writer.stop()
                    overtaken, is_written = isinstance(stop, Overtaken), False
        finally:
            if writer.unanswered:
                lease.stray_requests()
        ended = timestamp(self._turns.now())
        if is_written:
            tally.check(writer.items_written, writer.items_replaced)
        elif place := writer.acknowledged:
            tally.go_back(place, pages.reader.part(place.page, place.accepted))
        elif overtaken:
            return before, True
        else:
            raise NoProgress(f"Chunk {before.index}: no row was acknowledged in the time.")
        progress = tally.progress(
            throttles=writer.throttles,
            times=[began, ended, lease.id],
            finished=self._finish(task, tally, pages, deadline) if is_written else None,
        )
        return progress, overtaken

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
        for page in pages.pages(before.next_byte, before.end):
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

    def _finish(
        self, task: ChunkTask, tally: Tally, pages: ChunkPages, deadline: float
    ) -> Finished | None:
        """Keep the digests and list the superseded rows of a chunk that is written. None if the
        next call has to do it for want of time."""
        before = tally.before
        digests = digests_key(task.load_id, task.generation, before.index)
        distinct, repeated = write_digests(self._s3, self._work_bucket, digests, tally.keys)
        if not repeated:
            return Finished(0, 0, distinct, 0)
        needed = finding_seconds(len(repeated), before.end - before.start)
        can_wait = before.next_byte < before.end
        if can_wait and self._clock() + needed > deadline:
            return None

        def sections() -> Iterator[Section]:
            return pages.sections(task.chunk.start, tally.reached.next_byte)

        _, series = chunk_series(task.load_id, task.generation, before)
        parts = PartWriter(self._s3, self._work_bucket, series._replace(complete=0))
        for row in superseded_rows(repeated, sections, pages.reader, key_digest(task.digest_key)):
            parts.add(row)
        return Finished(parts.rows, parts.finish().complete, distinct, len(repeated))
