"""Ledger entries of loads and of their plans. The ledger is a separate DynamoDB table.

The partition key of a load's entries is its id. There is one entry for the load, and one for the
plan of each generation. `chunks` adds one for each chunk and one for equal keys. `attempts`
are the entries of the load's executions, under their own names. All writes are conditional or
repeatable, so a task can run twice, or be killed after any write and run again. The ledger never
contains the values of a row.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingestion.contracts import Reason
from ingestion.ledger.attempts import FAILED, LOADED, OVERTAKEN, Attempts
from ingestion.ledger.store import Entries, Entry, now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOAD = "load"
_ENDINGS = {"SUCCEEDED": LOADED, "OVERTAKEN": OVERTAKEN, "FAILED": FAILED}


class Loads:
    """Reads and writes the entries of loads and plans in the ledger table `table`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)
        self.attempts = Attempts(client, table)

    def open_load(self, load_id: str, facts: Mapping[str, Any], execution_arn: str) -> None:
        """Records that an execution is working on a load, and adds `facts` to the load's entry.

        The load's first execution sets `started_at`.
        """
        self._entries.update(
            load_id,
            _LOAD,
            {**facts, "status": "RUNNING"},
            more=", started_at = if_not_exists(started_at, :now) "
            "REMOVE finished_at, reasons ADD executions :execution",
            more_values={":now": now(), ":execution": {execution_arn}},
        )

    def load(self, load_id: str) -> Entry | None:
        """Returns the load's entry, or None if there is none."""
        return self._entries.get(load_id, _LOAD)

    def note(self, load_id: str, facts: Mapping[str, Any]) -> None:
        """Adds facts to a load's entry."""
        self._entries.update(load_id, _LOAD, facts)

    def fix_plan(self, load_id: str, generation: str, chunk_size: int, digest_key: str) -> Entry:
        """Records the chunk size and the digest key of a load's generation, unless it has them.

        Returns the entry of the plan, with the recorded values. So a load that is planned again is
        divided and digested in the same way.
        """
        return self._entries.update(
            load_id,
            _plan_name(generation),
            {"planned_at": now()},
            more=", chunk_size = if_not_exists(chunk_size, :size), "
            "digest_key = if_not_exists(digest_key, :key)",
            more_values={":size": chunk_size, ":key": digest_key},
        )

    def note_plan(self, load_id: str, generation: str, plan: Mapping[str, Any]) -> None:
        """Records the plan of a load's generation, and makes it the current plan of the load."""
        self._entries.update(load_id, _plan_name(generation), {"plan": plan})
        self.note(load_id, {"plan": plan, "generation": generation})

    def generations(self, load_id: str) -> list[str]:
        """Returns the generations for which a load has been planned, over all its executions."""
        entries = self._entries.query(load_id, _plan_name(""))
        return [str(entry["entry"]).removeprefix(_plan_name("")) for entry in entries]

    def all(self, load_ids: Iterable[str]) -> Iterator[Entry]:
        """Yields the entries of the loads that have one, in any order."""
        return self._entries.get_all((load_id, _LOAD) for load_id in load_ids)

    def close_load(
        self, load_id: str, status: str, facts: Mapping[str, Any], execution: str | None = None
    ) -> None:
        """Records how a load ended: `SUCCEEDED`, `FAILED` or `OVERTAKEN`. Adds `facts`.

        The same is recorded for its `execution`, a name. It is None for an execution of an
        earlier release that does not pass it.
        """
        if execution:
            self.attempts.close(execution, _ENDINGS[status], facts)
        self.note(load_id, {**facts, "status": status, "finished_at": now()})

    def refuse_load(
        self, load_id: str, reasons: Sequence[Reason], execution: str | None = None
    ) -> None:
        """Records that the file of a load is refused, and why. See `close_load`."""
        first = reasons[0]
        facts = {
            "summary": " ".join(reason.detail for reason in reasons),
            "reasons": [reason.to_json() for reason in reasons],
            "first_error": {"line": first.line, "column": first.column, "reason": first.reason},
        }
        self.close_load(load_id, "FAILED", facts, execution)


def _plan_name(generation: str) -> str:
    return f"plan#{generation}"
