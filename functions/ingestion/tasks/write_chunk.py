"""The task Write Chunk: writes the rows of one byte range to the table and records the counts.

`rows read = written + superseded + refused` holds for every chunk, finished or checkpointed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.contracts import ChunkResult, ChunkTask
from ingestion.csv_files.equal_keys import SUPERSEDED, finding_seconds, superseded_rows
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.sections import Section
from ingestion.csv_files.sorted_numbers import SortedNumbers
from ingestion.dynamodb.batch_writer import BatchWriter, Sender, WritingStopped
from ingestion.dynamodb.flow_control import share_of_rate
from ingestion.dynamodb.table_schema import TableSchema
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.store import timestamp
from ingestion.ledger.versions import LOOK_SECONDS, Turns, WriterLease
from ingestion.names import digests_key
from ingestion.s3.refused_rows import PartWriter, read_parts
from ingestion.tasks.accounting import Finished, Place, Tally, chunk_series
from ingestion.tasks.chunk_errors import describe_error
from ingestion.tasks.chunk_rows import ChunkPages
from ingestion.tasks.digest_files import write_digests
from ingestion.tasks.equal_key_rules import EqualKeyRules, equal_key_rules
from ingestion.tasks.target_table import TableReplaced, TargetTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ROWS_AT_A_TIME = 50_000  # of those that the table refuses, each of up to 2 kB

CHECKPOINT_SECONDS = 30.0
"""Reserved at the end of a round: half for batches in flight, half for the checkpoint."""


class Overtaken(WritingStopped):
    """A later version of the object has claimed the table's keys."""


class ChunkWriter:
    """Writes chunks into one table, with `in_flight` batches at a time. A load, which writes
    `at_a_time` chunks in parallel, keeps to `rows_per_second` (0: no cap)."""

    def __init__(
        self,
        s3: "S3Client",
        table: TargetTable,
        sender: Sender,
        chunks: Chunks,
        turns: Turns,
        *,
        work_bucket: str,
        in_flight: int,
        rows_per_second: float = 0,
        at_a_time: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._table = table
        self._sender = sender
        self._chunks = chunks
        self._turns = turns
        self._work_bucket = work_bucket
        self._in_flight = in_flight
        self._rows_per_second = rows_per_second
        self._at_a_time = at_a_time
        self._clock = clock

    def write(self, task: ChunkTask, seconds: float) -> ChunkResult:
        """Writes a chunk, or as much of it as `seconds` allow, and records how far it got.

        The result of a finished chunk comes from the ledger; an unfinished one continues from its
        checkpoint. Raises NoProgress if not one row could be accounted for in `seconds`,
        TableMismatch if rows don't fit the table, and what BatchWriter raises. The ledger keeps the
        last error, so that Reconcile can say why the chunk is missing.
        """
        try:
            return self._write_chunk(task, seconds)
        except Exception as error:
            with suppress(BotoCoreError, ClientError):  # the first error is the one to report
                name, message = describe_error(error)
                self._chunks.note_error(
                    task.load_id,
                    task.generation,
                    task.chunk.index,
                    task.execution,
                    name,
                    message,
                )
            raise

    def _write_chunk(self, task: ChunkTask, seconds: float) -> ChunkResult:
        deadline = self._clock() + min(seconds, task.max_seconds or seconds)
        load_id, chunk = task.load_id, task.chunk
        # Take the lease before reading the entry. Settle Equal Keys reads them in the opposite
        # order, so it finds every call that may have written.
        with self._turns.lease(
            task.file.claimed_url, load_id, seconds, task.generation, chunk.index
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
            try:
                schema = self._table.schema_for(task.file)
            except TableReplaced:
                lease.give_back()
                return before.result(table_replaced=True)
            progress, overtaken = self._write(task, schema, before, lease, deadline)
            if progress is before:
                return before.result(overtaken=overtaken)
            if self._table.is_replaced(task.file):
                return before.result(table_replaced=True)
            held, is_saved = self._chunks.save(load_id, task.generation, recorded, progress)
            if is_saved:
                lease.give_back()
            return held.result(overtaken=overtaken)

    def _write(
        self,
        task: ChunkTask,
        schema: TableSchema,
        before: ChunkProgress,
        lease: WriterLease,
        deadline: float,
    ) -> tuple[ChunkProgress, bool]:
        """Writes the rest of a chunk. Returns its progress, which is `before` if no row was
        acknowledged, and whether it was overtaken."""
        began = timestamp(self._turns.now())
        series = chunk_series(task.load_id, task.generation, before)
        by_table, bucket = before.rows_refused_by_table, self._work_bucket
        tally = Tally(
            before,
            key_digest(task.digest_key),
            PartWriter(self._s3, bucket, series.refused, before.rows_refused - by_table),
            PartWriter(self._s3, bucket, series.refused_by_table, by_table),
        )
        is_last = task.chunk.index == task.chunks - 1
        pages = ChunkPages(self._s3, task.file, task.chunk, schema, task.load_id, is_last=is_last)
        refused_by_table = read_parts(self._s3, bucket, series.refused_by_table.keys())
        refused_lines = SortedNumbers(row.line for row in refused_by_table)
        writer = BatchWriter[Place](
            self._sender,
            self._table.name,
            in_flight=self._in_flight,
            deadline=deadline - CHECKPOINT_SECONDS / 2,
            rate=share_of_rate(self._rows_per_second, task.chunks, self._at_a_time),
            any_accepted=lambda: self._any_accepted(task),
            clock=self._clock,
        )
        overtaken, is_written = False, True
        try:
            with writer:
                try:
                    self._feed(
                        writer, tally, pages, refused_lines, lease, deadline - CHECKPOINT_SECONDS
                    )
                    writer.drain()
                except WritingStopped as stop:
                    writer.stop()
                    overtaken, is_written = isinstance(stop, Overtaken), False
        finally:
            if writer.unanswered:
                lease.stray_requests()
        ended = timestamp(self._turns.now())
        if is_written:
            tally.check(writer.items_written, writer.items_replaced, len(writer.refused))
        elif place := writer.acknowledged:
            tally.go_back(place, pages.reader.part(place.page, place.accepted))
        elif overtaken or task.max_seconds:
            return before, overtaken
        else:
            raise NoProgress(
                f"Chunk {before.index}: no row was acknowledged in the available time."
            )
        _refuse(pages, tally, SortedNumbers(writer.refused), refused_lines)
        finished = None
        if is_written:
            rules = equal_key_rules(task.file, schema.key_names)
            finished = self._finish(task, tally, pages, refused_lines, rules, deadline)
        progress = tally.progress(
            throttles=writer.throttles,
            times=[began, ended, lease.id],
            finished=finished,
        )
        return progress, overtaken

    def _any_accepted(self, task: ChunkTask) -> bool:
        """Whether a row of the load is in the table, according to the ledger."""
        chunks = self._chunks.all(task.load_id, task.generation)
        return any(chunk.rows_written for chunk in chunks)

    def _feed(
        self,
        writer: BatchWriter[Place],
        tally: Tally,
        pages: ChunkPages,
        refused_lines: SortedNumbers,
        lease: WriterLease,
        deadline: float,
    ) -> None:
        """Puts the rest of the chunk. The rows at `refused_lines` were refused by the table in
        an earlier round. Raises WritingStopped at the deadline, or Overtaken."""
        before = tally.before
        if before.rows_read > before.rows_refused:
            for keys in pages.keys(before.start, before.next_byte, refused_lines):
                tally.remember(keys)
        next_look = self._clock() + LOOK_SECONDS
        for page in pages.pages(before.next_byte, before.end, before.lines):
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
        self,
        task: ChunkTask,
        tally: Tally,
        pages: ChunkPages,
        refused_lines: SortedNumbers,
        rules: EqualKeyRules,
        deadline: float,
    ) -> Finished | None:
        """Stores the digests of a chunk that is written, and lists the rows whose key a later one
        has. Returns None if there is too little time and the next call has to do it."""
        before = tally.before
        digests = digests_key(task.load_id, task.generation, before.index)
        distinct, repeated = write_digests(self._s3, self._work_bucket, digests, tally.keys)
        if not repeated or rules.adds_up:  # Settle Equal Keys adds them up
            return Finished(distinct, len(repeated))
        tally.keys.clear()  # their memory is needed for the keys themselves
        needed = finding_seconds(len(repeated), before.end - before.start)
        can_wait = before.next_byte < before.end
        if can_wait and self._clock() + needed > deadline:
            return None

        def sections() -> Iterator[Section]:
            return pages.sections(task.chunk.start, tally.reached.next_byte)

        digest = key_digest(task.digest_key)
        series = chunk_series(task.load_id, task.generation, before).superseded
        parts = PartWriter(self._s3, self._work_bucket, series)
        first = None
        for row in superseded_rows(
            repeated, sections, pages.reader, digest, refused_lines, rules.why
        ):
            first = first or row
            parts.add(row)
        finished = Finished(distinct, len(repeated), superseded_parts=parts.finish().complete)
        if rules.why == SUPERSEDED:
            return finished._replace(superseded=parts.rows)
        return finished._replace(not_unique=parts.rows, first_not_unique=first)


def _refuse(
    pages: ChunkPages, tally: Tally, numbers: SortedNumbers, refused_lines: SortedNumbers
) -> None:
    """Accounts for the rows of this round that the table refuses, by their numbers among the
    accepted ones, and adds their lines."""
    if not numbers:
        return
    before = tally.before
    start, end = before.next_byte, tally.reached.next_byte
    refused = pages.refused_by_table(start, end, numbers, before.lines)
    while some := list(islice(refused, _ROWS_AT_A_TIME)):
        tally.refuse([row for row, _ in some], [key for _, key in some])
        for row, _ in some:
            refused_lines.append(row.line)
