"""The ledger table in memory, used by the product's own ledger classes. It supports the DynamoDB
expressions that those classes use."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads

T = TypeVar("T", Loads, Chunks, Claims)


class EntriesInMemory:
    """Stands in for `ingestion.ledger.store.Entries`."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], dict[str, Any]] = {}

    def get(self, owner: str, entry: str) -> dict[str, Any] | None:
        found = self.entries.get((owner, entry))
        return dict(found) if found else None

    def query(self, owner: str, prefix: str) -> Iterator[dict[str, Any]]:
        for name in sorted(self.entries):
            if name[0] == owner and name[1].startswith(prefix):
                yield dict(self.entries[name])

    def put(self, owner: str, entry: str, values: Mapping[str, Any]) -> None:
        self.entries[owner, entry] = _kept({**values, "load_id": owner, "entry": entry})

    def put_if(
        self,
        owner: str,
        entry: str,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
    ) -> bool:
        held = self.entries.get((owner, entry))
        if held:
            terms = [term.split(" = ") for term in condition.split(" AND ") if term]
            if not terms or any(held[name] != condition_values[value] for name, value in terms):
                return False
        self.put(owner, entry, values)
        return True

    def update(
        self,
        owner: str,
        entry: str,
        attributes: Mapping[str, Any],
        more: str = "",
        more_values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        held = self.entries.setdefault((owner, entry), {"load_id": owner, "entry": entry})
        held |= _kept(attributes)
        values = more_values or {}
        for name, value in re.findall(r"if_not_exists\((\w+), (:\w+)\)", more):
            held.setdefault(name, values[value])
        for name in re.findall(r"REMOVE (\w+)", more):
            held.pop(name, None)
        for name, value in re.findall(r"ADD (\w+) (:\w+)", more):
            held[name] = sorted({*held.get(name, []), *values[value]})
        return dict(held)

    def delete(self, owner: str, entry: str) -> None:
        self.entries.pop((owner, entry), None)

    def over(self, kind: type[T]) -> T:
        """One of the ledger's classes over these entries."""
        made: Any = kind(cast(Any, None), "")
        made._entries = self
        return cast(T, made)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the values by way of JSON: a value that JSON can't hold, DynamoDB can't either."""
    return dict(json.loads(json.dumps(values)))
