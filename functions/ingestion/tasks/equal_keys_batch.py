"""Settles batches of equal keys: reads chunks again, the last one first, so that its rows win."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestion.contracts import RefusedRow
from ingestion.csv_files.equal_keys import SUPERSEDED, KeyedRow
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.shared_digests import Suspects
from ingestion.csv_files.totals import Totals
from ingestion.dynamodb.batch_writer import BatchWriter, WritingStopped
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.writing_times import WritingTime
from ingestion.s3.refused_rows import write_part
from ingestion.tasks.equal_key_rules import EqualKeyRules
from ingestion.tasks.suspect_rows import SuspectRows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_PENDING_ROWS = 20_000
"""Superseded or refused rows per part, each of up to 2 kB of text."""


class Mark(NamedTuple):
    """Identifies a row to the batch writer, which serves one batch after another."""

    batch: int
    chunk: int
    line: int


class Batch:
    """The suspects of a batch: which digests to look for in which chunk."""

    def __init__(
        self, suspects: Iterable[tuple[int, Suspects]], times: Mapping[int, WritingTime]
    ) -> None:
        self.wanted: dict[int, array[int]] = {}
        self._certain: dict[int, array[int]] = {}
        for last, group in suspects:
            certain = self._certain.setdefault(last, array("Q"))
            for digest, others in group:
                self._want(last, digest)
                for chunk in others:
                    self._want(chunk, digest)
                if not times[last].may_have_overlapped and all(
                    times[last].is_after(times[chunk]) for chunk in others
                ):
                    certain.append(digest)

    def _want(self, chunk: int, digest: int) -> None:
        if chunk not in self.wanted:
            self.wanted[chunk] = array("Q")
        self.wanted[chunk].append(digest)

    @property
    def chunks(self) -> list[int]:
        """The batch's chunks, the last one first."""
        return sorted(self.wanted, reverse=True)

    def certain(self, chunk: int) -> frozenset[int]:
        """The digests whose last chunk this is, and whose rows in this chunk were certainly written
        after their rows in all other chunks."""
        return frozenset(self._certain.get(chunk, ()))


class Place(NamedTuple):
    """A place in a batch: everything up to `line` of `chunk` is settled. If `are_added`, all
    rows of the batch are added up, and the totals are put up to that line."""

    chunk: int | None = None
    line: int = 0
    are_added: bool = False


BATCH_START = Place()


@dataclass
class Settled:
    """The results so far."""

    parts: dict[str, list[str]]
    """Parts that list superseded and refused rows, by chunk."""
    rows_superseded: int = 0
    rows_combined: int = 0
    rows_refused: int = 0
    first_refused: dict[str, Any] | None = None
    """As in the ledger's entry."""
    rows_put_again: int = 0
    open_keys: set[bytes] = field(default_factory=set)
    """The keys found so far in the chunks of the batch."""
    totals: Totals | None = None
    """The totals of the batch so far, if rows are added up."""

    def add_part(self, chunk: int, part: str, rows: Sequence[RefusedRow]) -> None:
        """Counts the rows of a part that lists rows of a chunk in the order of their lines."""
        self.parts.setdefault(str(chunk), []).append(part)
        first = rows[0]
        if first.reason == SUPERSEDED.reason:
            self.rows_superseded += len(rows)
            return
        self.rows_refused += len(rows)
        before = self.first_refused
        if before is None or (chunk, first.line) < (before["chunk"], before["line"]):
            self.first_refused = {
                "chunk": chunk,
                "line": first.line,
                "column": first.column,
                "reason": first.reason,
            }


class _Winner(NamedTuple):
    line: int
    key: bytes
    is_put: bool


class Settler:
    """What is needed to settle batches one after another, with one writer for all of them."""

    def __init__(
        self,
        s3: "S3Client",
        work_bucket: str,
        folder: str,
        chunks: Sequence[ChunkProgress],
        rows: SuspectRows,
        writer: BatchWriter[Mark],
        settled: Settled,
        rules: EqualKeyRules,
    ) -> None:
        self._s3 = s3
        self._work_bucket = work_bucket
        self._folder = folder
        self._chunks = chunks
        self._rows = rows
        self._writer = writer
        self._rules = rules
        self.settled = settled
        self.place = BATCH_START

    def settle(self, batch: Batch, number: int, start: Place) -> None:
        """Settles the rest of a batch, from `start` on. If it raises WritingStopped, `place` is
        where to go on."""
        raise NotImplementedError

    def _list(self, rows: Sequence[RefusedRow], number: int, index: int) -> None:
        """Writes a part with rows of a chunk that a batch leaves out, and counts them."""
        if rows:
            name = f"{index:06d}-{number:06d}-{rows[0].line}-{rows[-1].line}.jsonl"
            part = f"{self._folder}/{name}"
            write_part(self._s3, self._work_bucket, part, rows)
            self.settled.add_part(index, part, rows)


class LastRowSettler(Settler):
    """The last row of each key wins, and the others are left out."""

    _left_out: list[RefusedRow]  # this and _winners: rows not yet settled
    _winners: list[_Winner]
    _keys: list[EncodedKey]  # of the rows to be put next
    _requests: list[bytes]

    def settle(self, batch: Batch, number: int, start: Place) -> None:
        self._left_out, self._winners, self._keys, self._requests = [], [], [], []
        self.place = start
        for index in batch.chunks:
            if start.chunk is None or index <= start.chunk:
                after_line = start.line if index == start.chunk else 0
                self._settle_chunk(batch, number, index, after_line)
        self.settled.open_keys.clear()
        self.place = BATCH_START

    def _settle_chunk(self, batch: Batch, number: int, index: int, after_line: int) -> None:
        """Settles the rows of a chunk after `after_line`."""
        wanted, certain = frozenset(batch.wanted[index]), batch.certain(index)
        line = after_line
        self.place = Place(index, line)
        try:
            for row in self._rows.read(self._chunks[index], wanted):
                if row.line <= after_line:
                    continue
                line = row.line
                mark = Mark(number, index, line)
                self._settle(row, is_certain=row.digest in certain, mark=mark)
                if len(self._left_out) >= MAX_PENDING_ROWS:
                    self._drain(mark)
                    self._commit(line, number, index)
            self._drain(Mark(number, index, line))
        except WritingStopped:
            self._commit(self._settled_line(Mark(number, index, line)), number, index)
            raise
        self._commit(line, number, index)

    def _settle(self, row: KeyedRow, *, is_certain: bool, mark: Mark) -> None:
        key = b"\0".join(row.key)
        if key in self.settled.open_keys:
            self._left_out.append(row.left_out(self._rules.why))
            return
        # Each key occurs once per chunk, so this chunk's keys are added to open_keys on commit.
        self._winners.append(_Winner(row.line, key, is_put=not is_certain))
        if not is_certain:
            self._keys.append(row.key)
            self._requests.append(row.request)
            if len(self._keys) == self._writer.batch_items:
                self._put(mark)

    def _put(self, mark: Mark) -> None:
        keys, requests = self._keys, self._requests
        self._keys, self._requests = [], []
        self._writer.put(keys, requests, mark)

    def _drain(self, mark: Mark) -> None:
        if self._keys:
            self._put(mark)
        self._writer.drain()

    def _settled_line(self, reached: Mark) -> int:
        """The line up to which all winning rows are in the table, after writing was stopped."""
        try:
            self._drain(reached)
        except WritingStopped:
            self._writer.stop()
        else:
            return reached.line
        mark = self._writer.acknowledged
        return mark.line if mark and mark[:2] == reached[:2] else self.place.line

    def _commit(self, line: int, number: int, index: int) -> None:
        """Counts the rows up to a line as settled, and forgets those after it."""
        rows = [row for row in self._left_out if row.line <= line]
        winners = [winner for winner in self._winners if winner.line <= line]
        self._left_out, self._winners = [], []
        self.place = Place(index, max(self.place.line, line))
        self._list(rows, number, index)
        self.settled.open_keys.update(winner.key for winner in winners)
        self.settled.rows_put_again += sum(winner.is_put for winner in winners)
