"""Ledger entries of a load's generation: its chunks, and how far its equal keys are settled."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ingestion.contracts import ChunkResult
from ingestion.ledger.store import Entries, Entry, now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class ChunkProgress:
    """How far one chunk has got. Lines are counted from the chunk's own start.

    A checkpoint has ``finished`` false; every row before ``next_byte`` is then accounted for.
    """

    index: int
    start: int
    end: int
    next_byte: int
    finished: bool = False
    lines: int = 0
    """The sum of ``row_lines``, ``blank_lines``, ``repeated_headers`` and ``end_mark_lines``."""
    row_lines: int = 0
    """Of all rows read, refused ones too; a row may have several lines."""
    blank_lines: int = 0
    repeated_headers: int = 0
    end_mark_lines: int = 0
    line_ends: int = 0
    """LFs among the bytes, counted without regard to records, to compare ``lines`` with."""
    rows_read: int = 0
    rows_written: int = 0
    rows_superseded: int = 0
    rows_refused: int = 0
    rows_refused_by_table: int = 0
    """Of the refused ones those that are good rows, but not for this table."""
    refused_parts: int = 0
    """Complete parts of rows that the file's rules refuse, see ``s3.refused_rows``."""
    refused_open_rows: int = 0
    """Such rows in one more part, which a checkpoint has left incomplete."""
    refused_by_table_parts: int = 0
    refused_by_table_open_rows: int = 0
    superseded_parts: int = 0
    first_refused: dict[str, Any] | None = None
    """The first refused row: ``{"line", "column", "reason"}``."""
    warnings: dict[str, list[int]] = field(default_factory=dict)
    """For each kind of warning the number of rows and the line of the first one."""
    throttles: int = 0
    """Answers by which the table took less than it was asked to."""
    rounds: list[list[str]] = field(default_factory=list)
    """When each call of Write Chunk that got on began and ended, in ISO 8601, and its lease's id.
    Each of them had read what the one before it saved, so they did not overlap."""
    distinct_keys: int = 0
    """Digests of accepted rows' keys that the finished chunk has in the work bucket."""
    repeated_keys: int = 0
    """How many of them it has more than once."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def result(self, *, overtaken: bool = False, table_replaced: bool = False) -> ChunkResult:
        """What Write Chunk answers of this progress."""
        return ChunkResult(
            index=self.index,
            finished=self.finished,
            overtaken=overtaken,
            table_replaced=table_replaced,
            next_byte=self.next_byte,
            rows_read=self.rows_read,
            rows_written=self.rows_written,
            rows_superseded=self.rows_superseded,
            rows_refused=self.rows_refused,
            throttles=self.throttles,
        )


@dataclass(frozen=True)
class EqualKeys:
    """How far the equal keys of a load's chunks are settled, see ``tasks.settle_equal_keys``. The
    entry is replaced whole."""

    alone_since: str | None
    """That of the load's claim. What was settled before the load got its claim back is void."""
    step: int = 0
    """Counts the times that the entry was replaced."""
    settled: bool = False
    slabs_searched: int = 0
    slabs_with_suspects: list[int] = field(default_factory=list)
    suspects: int = 0
    """Digests that several chunks have, or one chunk whose calls may have overlapped."""
    batch: int = 0
    """How many batches of suspects are settled."""
    chunk: int | None = None
    """In the next batch, the chunk to go on with, None for its first one;"""
    line: int = 0
    """the line of it that was settled last;"""
    open_keys: str | None = None
    """and the object that holds the keys met so far."""
    parts: str | None = None
    """The object that names the parts with superseded rows, by chunk."""
    rows_superseded: int = 0
    rows_put_again: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Chunks:
    """Reads and writes the entries of loads' chunks in ``table``."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def chunk(self, load_id: str, generation: str, index: int) -> ChunkProgress | None:
        """How far a chunk has got, or None if it has recorded nothing."""
        entry = self._entries.get(load_id, _chunk_name(generation, index))
        return _known(ChunkProgress, entry) if entry else None

    def all(self, load_id: str, generation: str) -> Iterator[ChunkProgress]:
        """All recorded chunks of a load, by index."""
        for entry in self._entries.query(load_id, f"chunk#{generation}#"):
            yield _known(ChunkProgress, entry)

    def save(
        self, load_id: str, generation: str, before: ChunkProgress | None, after: ChunkProgress
    ) -> tuple[ChunkProgress, bool]:
        """Replace what the ledger held ``before`` of a chunk, unless another call has done so in
        between or the chunk is finished. Returns what the ledger holds then, and whether that is
        ``after``."""
        saved = self._entries.put_if(
            load_id,
            _chunk_name(generation, after.index),
            after.to_json() | {"updated_at": now()},
            "finished = :false AND next_byte = :next_byte" if before else "",
            {":false": False, ":next_byte": before.next_byte} if before else {},
        )
        if saved:
            return after, True
        held = self.chunk(load_id, generation, after.index) or after
        # An answer that was lost makes the SDK ask again, and the second time it is refused.
        return held, held.rounds == after.rounds

    def equal_keys(self, load_id: str, generation: str) -> EqualKeys | None:
        """How far the load's equal keys are settled, or None if nothing is recorded of it."""
        entry = self._entries.get(load_id, _equal_keys_name(generation))
        return _known(EqualKeys, entry) if entry else None

    def save_equal_keys(
        self, load_id: str, generation: str, before: EqualKeys | None, after: EqualKeys
    ) -> bool:
        """Replace the entry unless another call has done so in between."""
        return self._entries.put_if(
            load_id,
            _equal_keys_name(generation),
            after.to_json() | {"updated_at": now()},
            "step = :step" if before else "",
            {":step": before.step} if before else {},
        )


def _chunk_name(generation: str, index: int) -> str:
    return f"chunk#{generation}#{index:06d}"


def _equal_keys_name(generation: str) -> str:
    return f"equal-keys#{generation}"


T = TypeVar("T", ChunkProgress, EqualKeys)


def _known(kind: type[T], entry: Entry) -> T:
    """An entry without what the class does not know."""
    names = kind.__dataclass_fields__
    return kind(**{name: entry[name] for name in names if name in entry})
