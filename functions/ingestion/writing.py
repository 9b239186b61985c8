"""The task Write Chunk: one byte range becomes items in the table, refused rows and a ledger entry.

``rows read = written + superseded + refused`` holds for every chunk, finished or checkpointed.
"""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestion.chunks import Chunk
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger import ChunkProgress, Ledger
from ingestion.objects import read_blocks
from ingestion.planning import chunk_source
from ingestion.records import read_records
from ingestion.refused import write_part
from ingestion.rows import Row, RowReader
from ingestion.table import BatchWriter, WritingStopped, key_attributes
from ingestion.tally import Reached, Tally
from ingestion.turns import LOOK_SECONDS, Turns, WriterLease

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

CHECKPOINT_SECONDS = 30.0
"""Kept back of a round's time: half to let batches in flight finish, half for the checkpoint."""


class Overtaken(WritingStopped):
    """A later version of the object has claimed the table's keys."""


class Round(NamedTuple):
    """How one call of Write Chunk ended."""

    progress: ChunkProgress
    overtaken: bool = False
    """Whether it stopped because a later version of the object has claimed the table's keys."""

    def as_json(self) -> dict[str, Any]:
        return self.progress.as_json() | {"overtaken": self.overtaken}


class ChunkWriter:
    """Writes chunks into one table. ``in_flight`` batches are under way at a time."""

    def __init__(
        self,
        s3: "S3Client",
        dynamodb: "DynamoDBClient",
        ledger: Ledger,
        turns: Turns,
        *,
        table: str,
        work_bucket: str,
        in_flight: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._ledger = ledger
        self._turns = turns
        self._table = table
        self._work_bucket = work_bucket
        self._in_flight = in_flight
        self._clock = clock

    def write(self, load_id: str, file: Mapping[str, Any], chunk: Chunk, seconds: float) -> Round:
        """Write a chunk, or as much of it as ``seconds`` allow, and record how far it got.

        A finished chunk is answered from the ledger, an unfinished one is continued from its
        checkpoint. Raises NoProgress if not one row could be accounted for in the time.
        """
        deadline = self._clock() + seconds
        recorded = self._ledger.chunk(load_id, chunk.index)
        before = recorded or ChunkProgress(chunk.index, chunk.start, chunk.end, chunk.start)
        if (before.start, before.end) != (chunk.start, chunk.end):
            raise AccountingError(f"Chunk {chunk.index} of load {load_id} has another byte range.")
        if before.finished:
            return Round(before)
        tally = Tally(before)
        writer = BatchWriter[Reached](
            self._dynamodb,
            self._table,
            in_flight=self._in_flight,
            deadline=deadline - CHECKPOINT_SECONDS / 2,
            clock=self._clock,
        )
        object_url = f"s3://{file['bucket']}/{file['key']}"
        # The lease ends after the writer has: nothing of this load is on its way any more then.
        with self._turns.lease(object_url, load_id, seconds) as lease, writer:
            if lease.overtaken():
                return Round(before, overtaken=True)
            try:
                self._feed(writer, tally, file, chunk, lease, deadline - CHECKPOINT_SECONDS)
                writer.drain()
            except WritingStopped as stop:
                writer.stop()
                overtaken, finished = isinstance(stop, Overtaken), False
                reached = tally.reached() if writer.idle else writer.acknowledged
            else:
                tally.check(writer.items_written, writer.items_replaced)
                overtaken, finished = False, True
                reached = tally.reached()
        if reached is None or (reached.next_byte == before.next_byte and not finished):
            if overtaken:
                return Round(before, overtaken=True)
            raise NoProgress(f"Chunk {chunk.index} of load {load_id}: no row in {seconds:.0f} s.")
        progress = self._record(load_id, tally, reached, finished)
        return Round(progress, overtaken)

    def _feed(
        self,
        writer: BatchWriter[Reached],
        tally: Tally,
        file: Mapping[str, Any],
        chunk: Chunk,
        lease: WriterLease,
        deadline: float,
    ) -> None:
        """Put what is left of the chunk. Raises WritingStopped at the deadline, or Overtaken."""
        source = chunk_source(file, chunk)
        delimiter = file["delimiter"].encode()
        rows = RowReader(
            file["columns"], file["width"], delimiter, key_attributes(self._dynamodb, self._table)
        )
        done = tally.before.next_byte
        for record in read_records(read_blocks(self._s3, source, chunk.start, done), delimiter):
            if record.raw:
                tally.remember(record, rows.read(record))
        next_look = self._clock() + LOOK_SECONDS
        for record in read_records(read_blocks(self._s3, source, done, chunk.end), delimiter):
            now = self._clock()
            if now > deadline:
                raise WritingStopped
            if now > next_look:
                next_look = now + LOOK_SECONDS
                if lease.overtaken():
                    raise Overtaken
            if record.problem:
                rest = read_blocks(self._s3, source, tally.reached().next_byte, chunk.end)
                lines = sum(block.count(b"\n") for block in rest)
                tally.give_up(record, chunk.end, delimiter, lines)
            elif not record.raw:
                tally.count_blank(record)
            else:
                outcome = rows.read(record)
                tally.count(record, outcome)
                if isinstance(outcome, Row):
                    writer.put(outcome.key, outcome.item, tally.reached())

    def _record(
        self, load_id: str, tally: Tally, reached: Reached, finished: bool
    ) -> ChunkProgress:
        before = tally.before
        part = None
        if reached.listed:
            # The name says which bytes it is about, so a repetition replaces it by the same rows.
            part = (
                f"refused-rows/{load_id}/parts/"
                f"{before.index:06d}-{before.next_byte}-{reached.next_byte}.jsonl"
            )
            write_part(self._s3, self._work_bucket, part, tally.listed[: reached.listed])
        progress = tally.progress(reached, finished=finished, part=part)
        return self._ledger.save_chunk(load_id, progress)
