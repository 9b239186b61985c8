"""The ledger: what is recorded of every load, in a DynamoDB table of its own.

Under a load's id there is one entry for the load and one for each chunk. All writes are conditional
or repeatable, so a task may be run twice, or killed after any one of them and run again. The ledger
never holds a row's values.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingestion.ledger.chunks import ChunkProgress, chunk_entry_name, chunk_progress
from ingestion.ledger.store import Entries, Entry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOAD = "load"


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
        entry = self._entries.get(load_id, chunk_entry_name(index))
        return chunk_progress(entry) if entry else None

    def chunks(self, load_id: str) -> Iterator[ChunkProgress]:
        """All recorded chunks of a load, by index."""
        return map(chunk_progress, self._entries.query(load_id, "chunk#"))

    def save_chunk(self, load_id: str, progress: ChunkProgress) -> ChunkProgress:
        """Record a chunk's progress unless the ledger already has it further on or finished, as
        after two deliveries of one task. Returns what the ledger holds then."""
        saved = self._entries.put_if(
            load_id,
            chunk_entry_name(progress.index),
            progress.to_json() | {"updated_at": _now()},
            "finished = :false AND next_byte <= :next_byte",
            {":false": False, ":next_byte": progress.next_byte},
        )
        return progress if saved else self.chunk(load_id, progress.index) or progress


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
