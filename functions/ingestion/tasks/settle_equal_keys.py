"""The task Settle Equal Keys: if rows in several chunks have equal keys, makes the last row win.

If the source adds up such rows, it puts their totals instead.

The state machine calls it after all chunks of a load are finished. It has two steps, and each can
be interrupted and repeated:

1. *Search*: find the *suspects*, which are the digests that occur in several chunks. A digest that
   occurs twice in one chunk is a suspect too if calls of Write Chunk may have overlapped there, or
   if rows are added up. The search reads one slab (a range of digest values) at a time, and stores
   the suspects in the work bucket.
2. *Settle*: process the suspects in batches, ordered by the last chunk that has them, highest
   first. For each batch, read its chunks again, the last chunk first. So the row that wins is read
   before the rows that it supersedes. List the superseded rows. Put the winning row again, unless
   it was certainly written after them. To add up rows, see `totals_batch`.

The progress is one entry of the ledger. A call replaces the whole entry, unless another call has
replaced it first.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ingestion.contracts import Chunk, EqualKeysResult, File, Plan
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.totals import Totals
from ingestion.dynamodb.batch_writer import BatchWriter, Sender, WritingStopped
from ingestion.dynamodb.flow_control import share_of_rate
from ingestion.dynamodb.table_schema import TableSchema
from ingestion.errors import AccountingError, NoProgress
from ingestion.ledger.chunks import ChunkProgress, Chunks, EqualKeys
from ingestion.ledger.versions import LOOK_SECONDS, Turns, WriterLease
from ingestion.ledger.writing_times import WritingTime, writing_times
from ingestion.names import equal_keys_folder
from ingestion.s3.refused_rows import Series
from ingestion.s3.work_bucket import ObjectExpired, read_json, write_json
from ingestion.tasks.accounting import chunk_series
from ingestion.tasks.chunk_rows import ChunkPages
from ingestion.tasks.digest_files import read_lines, write_lines
from ingestion.tasks.digest_restoration import restore_digests
from ingestion.tasks.equal_key_rules import EqualKeyRules, equal_key_rules
from ingestion.tasks.equal_keys_batch import (
    BATCH_START,
    Batch,
    LastRowSettler,
    Mark,
    Place,
    Settled,
    Settler,
)
from ingestion.tasks.suspect_rows import SuspectRows
from ingestion.tasks.suspect_search import SuspectSearch
from ingestion.tasks.target_table import TableReplaced, TargetTable
from ingestion.tasks.totals_batch import TotalsSettler
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS, Overtaken

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class EqualKeySettler:
    """Settles the equal keys of loads into one table.

    It has at most `in_flight` batches in flight, and puts at most `rows_per_second` rows per
    second (0: no cap).
    """

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
        self._clock = clock

    def settle(self, load_id: str, file: File, plan: Plan, seconds: float) -> EqualKeysResult:
        """Settles the equal keys of a load, or as many as `seconds` allow. Records the progress.

        Raises NoProgress if there is none, and AccountingError if a chunk is not finished.
        """
        deadline = self._clock() + seconds
        with self._turns.lease(
            file.claimed_url, load_id, seconds, plan.generation, chunk=None
        ) as lease:
            if lease.overtaken():
                lease.give_back()
                return EqualKeysResult("overtaken")
            chunks = list(self._chunks.all(load_id, plan.generation))
            if len(chunks) < plan.chunks or not all(chunk.finished for chunk in chunks):
                raise AccountingError(f"Load {load_id} has unfinished chunks.")
            held = self._chunks.equal_keys(load_id, plan.generation)
            try:
                schema = self._table.schema_for(file)
            except TableReplaced:
                lease.give_back()
                return EqualKeysResult("table_replaced")
            rules = equal_key_rules(file, schema.key_names)
            load = _Load(load_id, file, plan, schema, rules, chunks, lease, deadline)
            before = self._to_go_on_with(load, held)
            state, answer = before, "settled"
            if not before.settled:
                try:
                    state, answer = self._go_on(load, before)
                except ObjectExpired:
                    # Lifecycle rules remove digests and suspects after PlanDays. A later replay
                    # restores the digests and starts the search again.
                    self._restore_digests(load)
                    state, answer = EqualKeys(before.alone_since, step=before.step), "unsettled"
            if state != held:
                state = replace(state, step=before.step + 1)
                if not self._chunks.save_equal_keys(load_id, plan.generation, held, state):
                    answer = "unsettled"  # another call was faster
            lease.give_back()
        return EqualKeysResult(
            answer,
            state.rows_superseded,
            state.rows_combined,
            state.rows_refused,
            state.rows_put_again,
        )

    def _to_go_on_with(self, load: "_Load", held: EqualKeys | None) -> EqualKeys:
        claim = self._turns.newest(load.file.claimed_url)
        alone_since = claim.alone_since if claim else None
        if held and held.alone_since == alone_since:
            return held
        return EqualKeys(alone_since, step=held.step if held else 0)

    def _go_on(self, load: "_Load", before: EqualKeys) -> tuple[EqualKeys, str]:
        """Searches and settles from where an earlier call ended. Returns the new progress, and the
        `state` for the result."""
        # A call of Write Chunk takes its lease before it reads its chunk's entry. All chunks are
        # finished, so every call that may have written rows without recording them has a lease.
        leases = [
            lease
            for lease in self._turns.leases(
                load.file.claimed_url, load.load_id, load.plan.generation
            )
            if lease.chunk is not None
        ]
        times = writing_times(load.chunks, leases, before.alone_since)
        search = SuspectSearch(
            self._s3,
            self._work_bucket,
            load.load_id,
            load.plan.generation,
            load.chunks,
            [index for index, time in times.items() if time.may_have_overlapped],
            adds_up=load.rules.adds_up,
        )
        if before.slabs != search.slabs:
            # Not begun yet, or begun before an update that changed the size of slabs.
            before = EqualKeys(before.alone_since, step=before.step, slabs=search.slabs)
        state, slab_seconds = before, 0.0
        while state.slabs_searched < search.slabs:
            if state != before and self._is_late(load, slab_seconds):
                return state, "unsettled"
            began = self._clock()
            found = search.search(state.slabs_searched)
            slab_seconds = max(slab_seconds, self._clock() - began)
            state = replace(
                state,
                slabs_searched=state.slabs_searched + 1,
                slabs_with_suspects=[
                    *state.slabs_with_suspects,
                    *([state.slabs_searched] if found else []),
                ],
                suspects=state.suspects + found,
            )
        if not state.suspects:
            return replace(state, settled=True), "settled"
        if any(lease.until > self._turns.now() for lease in leases):
            return state, "waiting"
        return self._settle_batches(load, state, search, times)

    def _settle_batches(
        self,
        load: "_Load",
        state: EqualKeys,
        search: SuspectSearch,
        times: Mapping[int, WritingTime],
    ) -> tuple[EqualKeys, str]:
        folder = equal_keys_folder(load.load_id, load.plan.generation)
        writer = BatchWriter[Mark](
            self._sender,
            self._table.name,
            in_flight=self._in_flight,
            deadline=load.deadline - CHECKPOINT_SECONDS / 2,
            rate=share_of_rate(self._rows_per_second, 1, 1),
            may_refuse=False,  # the table has accepted these rows before
            clock=self._clock,
        )
        settler = self._settler(load, folder, writer, self._settled(load, state))
        number, start = state.batch, Place(state.chunk, state.line, state.are_added)
        try:
            with writer:
                for pieces in search.batches(state.slabs_with_suspects)[number:]:
                    settler.settle(Batch(search.suspects(pieces), times), number, start)
                    number, start = number + 1, BATCH_START
        except WritingStopped as stop:
            if isinstance(stop, Overtaken):
                return state, "overtaken"
            reached = self._save_settled(folder, state, settler.settled, number, settler.place)
            if reached == state:
                raise NoProgress(
                    f"Load {load.load_id}: no row was settled in the available time."
                ) from stop
            return reached, "unsettled"
        finally:
            if writer.unanswered:
                load.lease.stray_requests()
        reached = self._save_settled(folder, state, settler.settled, number, BATCH_START)
        return replace(reached, settled=True), "settled"

    def _settler(
        self, load: "_Load", folder: str, writer: BatchWriter[Mark], settled: Settled
    ) -> Settler:
        def listed(chunk: ChunkProgress) -> Sequence[Series]:
            # Without the rows that the file's rules refuse: only accepted rows are read.
            return chunk_series(load.load_id, load.plan.generation, chunk)[1:]

        s3, bucket = self._s3, self._work_bucket
        digest, look = key_digest(load.plan.digest_key), self._look(load)
        rows = SuspectRows(s3, bucket, digest, self._pages(load), listed, look)
        settler = TotalsSettler if load.rules.adds_up else LastRowSettler
        return settler(s3, bucket, folder, load.chunks, rows, writer, settled, load.rules)

    def _restore_digests(self, load: "_Load") -> None:
        """Restores missing digests until the time is up."""
        bucket, pages = self._work_bucket, self._pages(load)
        for _ in restore_digests(self._s3, bucket, load.load_id, load.plan, load.chunks, pages):
            if self._is_late(load):
                break

    def _pages(self, load: "_Load") -> Callable[[int], ChunkPages]:
        """Returns a function that returns the pages of a chunk, given the chunk's index."""
        plan = load.plan
        if plan.chunk:
            chunks = [plan.chunk]
        else:
            stored = read_json(self._s3, plan.bucket, plan.key)
            chunks = [Chunk.from_json(chunk) for chunk in stored]

        def pages(index: int) -> ChunkPages:
            is_last = index == plan.chunks - 1
            return ChunkPages(
                self._s3, load.file, chunks[index], load.schema, load.load_id, is_last=is_last
            )

        return pages

    def _settled(self, load: "_Load", state: EqualKeys) -> Settled:
        """Returns the results of earlier calls."""
        settled = Settled(
            {},
            state.rows_superseded,
            state.rows_combined,
            state.rows_refused,
            state.first_refused,
            state.rows_put_again,
        )
        s3, bucket = self._s3, self._work_bucket
        if state.parts:
            settled.parts = read_json(s3, bucket, state.parts)
        if state.open_keys:
            settled.open_keys = set(read_lines(s3, bucket, state.open_keys))
        if state.totals:
            lines = read_lines(s3, bucket, state.totals)
            settled.totals = Totals.from_lines(tuple(load.rules.summed), lines)
        return settled

    def _save_settled(
        self, folder: str, state: EqualKeys, settled: Settled, batch: int, place: Place
    ) -> EqualKeys:
        """Writes the results to the work bucket, and returns the new progress.

        The objects' names contain the position reached, so a call that repeats the work replaces
        them with equal objects.
        """
        name = f"{batch:06d}"
        if place.chunk is not None:
            name += f"-{place.chunk:06d}-{place.line}"
        s3, bucket = self._s3, self._work_bucket
        open_keys = totals = parts = None
        if settled.open_keys:
            open_keys = f"{folder}/open-keys-{name}"
            write_lines(s3, bucket, open_keys, sorted(settled.open_keys))
        if settled.totals:
            # Once all are added, they stay the same.
            totals = f"{folder}/totals-{'all' if place.are_added else 'part'}-{name}"
            write_lines(s3, bucket, totals, settled.totals.to_lines())
        if settled.parts:
            parts = f"{folder}/parts-{name}.json"
            write_json(s3, bucket, parts, settled.parts)
        return replace(
            state,
            batch=batch,
            chunk=place.chunk,
            line=place.line,
            are_added=place.are_added,
            open_keys=open_keys,
            totals=totals,
            parts=parts,
            rows_superseded=settled.rows_superseded,
            rows_combined=settled.rows_combined,
            rows_refused=settled.rows_refused,
            first_refused=settled.first_refused,
            rows_put_again=settled.rows_put_again,
        )

    def _is_late(self, load: "_Load", seconds: float = 0.0) -> bool:
        """Whether too little time is left for a step of this length and for saving the progress."""
        return self._clock() + seconds > load.deadline - CHECKPOINT_SECONDS

    def _look(self, load: "_Load") -> Callable[[], None]:
        """Returns a function that raises WritingStopped if the time is up, and Overtaken if another
        load has claimed the object."""
        next_look = self._clock() + LOOK_SECONDS

        def look() -> None:
            nonlocal next_look
            if self._is_late(load):
                raise WritingStopped
            if self._clock() > next_look:
                next_look = self._clock() + LOOK_SECONDS
                if load.lease.overtaken():
                    raise Overtaken

        return look


class _Load(NamedTuple):
    """The load whose equal keys a call settles."""

    load_id: str
    file: File
    plan: Plan
    schema: TableSchema
    rules: EqualKeyRules
    chunks: Sequence[ChunkProgress]
    lease: WriterLease
    deadline: float
