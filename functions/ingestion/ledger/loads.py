"""The ledger: what is recorded of every load, in a DynamoDB table of its own.

Under a load's id there is one entry for the load and one for each chunk. All writes are conditional
or repeatable, so a task may be run twice, or killed after any one of them and run again. The ledger
never holds a row's values.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ingestion.ledger.store import Entries, Entry, now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOAD = "load"


class Loads:
    """Reads and writes what is recorded of loads in ``table``."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def open_load(self, load_id: str, facts: Mapping[str, Any], execution_arn: str) -> None:
        """Record that an execution works on a load; the first one sets ``started_at``."""
        self._entries.update(
            load_id,
            _LOAD,
            {**facts, "status": "RUNNING"},
            more=", started_at = if_not_exists(started_at, :now) "
            "REMOVE finished_at ADD executions :execution",
            more_values={":now": now(), ":execution": {execution_arn}},
        )

    def load(self, load_id: str) -> Entry | None:
        """The load's entry, or None."""
        return self._entries.get(load_id, _LOAD)

    def note(self, load_id: str, facts: Mapping[str, Any]) -> None:
        """Add facts to a load's entry."""
        self._entries.update(load_id, _LOAD, facts)

    def fix_plan(self, load_id: str, generation: str, chunk_size: int, digest_key: str) -> Entry:
        """Settle the chunk size and the digests' key of a load's generation, once: planned again,
        it is cut and digested the same way. Returns the generation's entry, with what holds."""
        return self._entries.update(
            load_id,
            _plan_name(generation),
            {"planned_at": now()},
            more=", chunk_size = if_not_exists(chunk_size, :size), "
            "digest_key = if_not_exists(digest_key, :key)",
            more_values={":size": chunk_size, ":key": digest_key},
        )

    def note_plan(self, load_id: str, generation: str, plan: Mapping[str, Any]) -> None:
        """Record the plan of a load's generation, which is the load's plan from now on."""
        self._entries.update(load_id, _plan_name(generation), {"plan": plan})
        self.note(load_id, {"plan": plan, "generation": generation})

    def close_load(self, load_id: str, status: str, facts: Mapping[str, Any]) -> None:
        """Record that a load ended ``SUCCEEDED``, ``FAILED`` or ``OVERTAKEN``, and its facts."""
        self.note(load_id, {**facts, "status": status, "finished_at": now()})


def _plan_name(generation: str) -> str:
    return f"plan#{generation}"
