"""Ledger entries of chunks."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ingestion.contracts import ChunkResult
from ingestion.ledger.store import Entry


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
    refused_parts: list[str] = field(default_factory=list)
    warnings: dict[str, list[int]] = field(default_factory=dict)
    """For each kind of warning the number of rows and the line of the first one."""
    throttles: int = 0
    """Answers by which the table took less than it was asked to."""
    rounds: list[list[str]] = field(default_factory=list)
    """When each call of Write Chunk that got on began and ended, in ISO 8601."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def result(self, *, overtaken: bool = False) -> ChunkResult:
        """What Write Chunk answers of this progress."""
        return ChunkResult(
            index=self.index,
            finished=self.finished,
            overtaken=overtaken,
            next_byte=self.next_byte,
            rows_read=self.rows_read,
            rows_written=self.rows_written,
            rows_superseded=self.rows_superseded,
            rows_refused=self.rows_refused,
            throttles=self.throttles,
        )


def chunk_entry_name(index: int) -> str:
    return f"chunk#{index:06d}"


def chunk_progress(entry: Entry) -> ChunkProgress:
    names = ChunkProgress.__dataclass_fields__
    # An entry of an earlier release lacks the newer ones.
    return ChunkProgress(**{name: entry[name] for name in names if name in entry})
