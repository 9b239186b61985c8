"""The ledger: what is recorded of every load, in a DynamoDB table of its own.

Under a load's id there is one entry for the load and one for each chunk. All writes are conditional
or repeatable, so a task may be run twice, or killed after any one of them and run again. The ledger
never holds a row's values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.entries import Entries, Entry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOAD = "load"


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
    blank_lines: int = 0
    rows_read: int = 0
    rows_written: int = 0
    rows_superseded: int = 0
    rows_refused: int = 0
    refused_parts: list[str] = field(default_factory=list)
    unread: dict[str, Any] | None = None
    """Where reading had to stop for good: ``{"reason", "line", "bytes"}``."""
    throttles: int = 0
    """Answers by which the table took less than it was asked to."""
    rounds: list[list[str]] = field(default_factory=list)
    """When each call of Write Chunk that got on began and ended, in ISO 8601."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Ledger:
    """Reads and writes what is recorded of loads in ``table``."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def now(self) -> str:
        """The time as the ledger notes it."""
        return _now()

    def open_load(self, load_id: str, facts: Mapping[str, Any], execution_arn: str) -> None:
        """Record that an execution works on a load; the first one sets ``started_at``."""
        self._entries.update(
            load_id,
            _LOAD,
            {**facts, "status": "RUNNING"},
            more=", started_at = if_not_exists(started_at, :now) "
            "REMOVE finished_at ADD executions :execution",
            more_values={":now": _now(), ":execution": {execution_arn}},
        )

    def load(self, load_id: str) -> Entry | None:
        """The load's entry, or None."""
        return self._entries.get(load_id, _LOAD)

    def note(self, load_id: str, facts: Mapping[str, Any]) -> None:
        """Add facts to a load's entry."""
        self._entries.update(load_id, _LOAD, facts)

    def fix_chunk_size(self, load_id: str, chunk_size: int) -> Entry:
        """Settle the chunk size of a load, once: whoever plans it again cuts it the same way.
        Returns the load's entry, with the size that holds."""
        return self._entries.update(
            load_id,
            _LOAD,
            {"planned_at": _now()},
            more=", chunk_size = if_not_exists(chunk_size, :size)",
            more_values={":size": chunk_size},
        )

    def close_load(self, load_id: str, status: str, facts: Mapping[str, Any]) -> None:
        """Record that a load ended ``SUCCEEDED``, ``FAILED`` or ``OVERTAKEN``, and its facts."""
        self.note(load_id, {**facts, "status": status, "finished_at": _now()})

    def chunk(self, load_id: str, index: int) -> ChunkProgress | None:
        """How far a chunk has got, or None if it has recorded nothing."""
        entry = self._entries.get(load_id, _chunk_entry(index))
        return _chunk_progress(entry) if entry else None

    def chunks(self, load_id: str) -> Iterator[ChunkProgress]:
        """All recorded chunks of a load, by index."""
        return map(_chunk_progress, self._entries.query(load_id, "chunk#"))

    def save_chunk(self, load_id: str, progress: ChunkProgress) -> ChunkProgress:
        """Record a chunk's progress unless the ledger already has it further on or finished, as
        after two deliveries of one task. Returns what the ledger holds then."""
        saved = self._entries.put_if(
            load_id,
            _chunk_entry(progress.index),
            progress.as_json() | {"updated_at": _now()},
            "finished = :false AND next_byte <= :next_byte",
            {":false": False, ":next_byte": progress.next_byte},
        )
        return progress if saved else self.chunk(load_id, progress.index) or progress


def _chunk_entry(index: int) -> str:
    return f"chunk#{index:06d}"


def _chunk_progress(entry: Entry) -> ChunkProgress:
    names = ChunkProgress.__dataclass_fields__
    # An entry of an earlier release lacks the newer ones.
    return ChunkProgress(**{name: entry[name] for name in names if name in entry})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
