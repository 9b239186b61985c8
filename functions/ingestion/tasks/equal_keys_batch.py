"""Settles a batch of equal keys by reading its chunks again, the last one first."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ingestion.contracts import RefusedRow
from ingestion.csv_files.equal_keys import KeyedRow, rows_with
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.key_digests import Digest
from ingestion.csv_files.sections import Section
from ingestion.csv_files.shared_digests import Suspects
from ingestion.dynamodb.batch_writer import BatchWriter, WritingStopped
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.writing_times import WritingTime
from ingestion.s3.refused_rows import Series, read_rows, write_part
from ingestion.tasks.chunk_rows import ChunkPages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_PENDING_ROWS = 20_000
"""Superseded rows per part, each of up to 2 kB of text."""


class Mark(NamedTuple):
    """Identifies a row to the batch writer."""

    chunk: int
    line: int


class Batch:
    """The suspects of a batch: which digests to look for in which chunk."""

    def __init__(
        self, suspects: Iterable[tuple[int, Suspects]], times: Mapping[int, WritingTime]
    ) -> None:
        self.wanted: dict[int, array[int]] = {}
        self._certain: dict[int, array[int]] = {}
        earlier: dict[int, set[int]] = {}
        for last, group in suspects:
            if last not in earlier:
                self._certain[last] = array("Q")
                earlier[last] = _written_before(last, times)
            for digest, others in group:
                self._want(last, digest)
                for chunk in others:
                    self._want(chunk, digest)
                if not times[last].may_have_overlapped and earlier[last].issuperset(others):
                    self._certain[last].append(digest)

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


def _written_before(last: int, times: Mapping[int, WritingTime]) -> set[int]:
    """The chunks that were certainly written before a chunk was begun."""
    return {chunk for chunk, time in times.items() if times[last].is_after(time)}


@dataclass
class Settled:
    """The results of the batches settled so far."""

    parts: dict[str, list[str]]
    """Parts that list superseded rows, by chunk."""
    rows_superseded: int = 0
    rows_put_again: int = 0
    open_keys: set[bytes] = field(default_factory=set)
    """The keys met so far in the chunks of the batch."""


class _Winner(NamedTuple):
    line: int
    key: bytes
    is_put: bool


class BatchSettler:
    """Settles batches one after another with one writer. ``look`` is called before each page, and
    raises WritingStopped when there is no more time."""

    def __init__(
        self,
        s3: "S3Client",
        work_bucket: str,
        folder: str,
        writer: BatchWriter[Mark],
        digest: Digest,
        look: Callable[[], None],
        settled: Settled,
    ) -> None:
        self._s3 = s3
        self._work_bucket = work_bucket
        self._folder = folder
        self._writer = writer
        self._digest = digest
        self._look = look
        self.settled = settled
        self._superseded: list[RefusedRow] = []  # this and _winners: rows not yet settled
        self._winners: list[_Winner] = []
        self._keys: list[EncodedKey] = []  # of the rows to be put next
        self._requests: list[bytes] = []
        self.line = 0
        """The last settled line of the current chunk."""

    def settle_chunk(
        self,
        batch: Batch,
        number: int,
        progress: ChunkProgress,
        pages: ChunkPages,
        listed: Sequence[Series],
        after_line: int,
    ) -> None:
        """Settle the rows of a chunk after ``after_line``, except those that Write Chunk has
        ``listed``. If it raises WritingStopped, ``line`` is the last settled line."""
        index = progress.index
        wanted, certain = frozenset(batch.wanted[index]), batch.certain(index)
        found = set()
        self.line = line = after_line
        place = f"{index:06d}-{number:06d}"
        try:
            for row in self._rows(progress, pages, listed, wanted):
                found.add(row.digest)
                if row.line <= after_line:
                    continue
                line = row.line
                self._settle(row, is_certain=row.digest in certain, mark=Mark(index, line))
                if len(self._superseded) >= MAX_PENDING_ROWS:
                    self._drain(Mark(index, line))
                    self._commit(line, index, place)
            self._drain(Mark(index, line))
        except WritingStopped:
            self._commit(self._settled_line(Mark(index, line)), index, place)
            raise
        self._commit(line, index, place)
        if found != wanted:
            raise AccountingError(
                f"Chunk {index} has {len(found)} of the {len(wanted)} keys that its digests tell."
            )

    def _rows(
        self,
        progress: ChunkProgress,
        pages: ChunkPages,
        listed: Sequence[Series],
        wanted: frozenset[int],
    ) -> Iterator[KeyedRow]:
        """Yield the chunk's last row of each wanted key."""
        # Rows that the chunk itself has found superseded, or the table has refused.
        rows = read_rows(self._s3, self._work_bucket, listed)
        left_out = next(rows, None)
        sections = pages.sections(progress.start, progress.end)
        for row in rows_with(wanted, self._watched(sections), pages.reader, self._digest):
            while left_out and left_out.line < row.line:
                left_out = next(rows, None)
            if not left_out or left_out.line != row.line:
                yield row

    def _watched(self, sections: Iterable[Section]) -> Iterator[Section]:
        for section in sections:
            self._look()
            yield section

    def _settle(self, row: KeyedRow, *, is_certain: bool, mark: Mark) -> None:
        key = b"\0".join(row.key)
        if key in self.settled.open_keys:
            self._superseded.append(row.superseded())
            return
        # Each key is met once per chunk, so this chunk's keys join open_keys only on commit.
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
        return mark.line if mark and mark.chunk == reached.chunk else self.line

    def _commit(self, line: int, index: int, place: str) -> None:
        """Count the rows up to a line as settled, and forget those after it."""
        rows = [row for row in self._superseded if row.line <= line]
        winners = [winner for winner in self._winners if winner.line <= line]
        self._superseded, self._winners = [], []
        self.line = max(self.line, line)
        if rows:
            part = f"{self._folder}/{place}-{rows[0].line}-{rows[-1].line}.jsonl"
            write_part(self._s3, self._work_bucket, part, rows)
            self.settled.parts.setdefault(str(index), []).append(part)
            self.settled.rows_superseded += len(rows)
        self.settled.open_keys.update(winner.key for winner in winners)
        self.settled.rows_put_again += sum(winner.is_put for winner in winners)
