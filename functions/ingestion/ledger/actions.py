"""Ledger entries of what people did to loads: who dismissed, stopped or undid one, when and why."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingestion.ledger.store import Entries, Entry, now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PREFIX = "action#"


class Actions:
    """Reads and writes the entries of actions in the ledger table `table`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def record(
        self, load_id: str, action: str, by: str | None, reason: str | None, **facts: Any
    ) -> None:
        """Records an action, such as `dismiss`, on a load. Earlier actions are kept.

        `by` is the ARN of the caller, `reason` their words, and `facts` what else is known.
        """
        at = now()
        values = {**facts, "action": action, "by": by, "reason": reason, "at": at}
        self._entries.put(load_id, f"{_PREFIX}{at}#{action}", values)

    def all(self, load_id: str) -> Iterator[Entry]:
        """Yields a load's actions, the oldest first."""
        return self._entries.query(load_id, _PREFIX)
