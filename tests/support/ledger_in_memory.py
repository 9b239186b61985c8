"""The ledger table in memory, used by the product's own ledger classes. It supports the DynamoDB
expressions that those classes use."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from ingestion.ledger.attempts import Attempts
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.slots import Slots

T = TypeVar("T", Loads, Attempts, Chunks, Claims, Slots)


class EntriesInMemory:
    """Stands in for `ingestion.ledger.store.Entries`."""

    def __init__(self) -> None:
        self._owned: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    def get(self, owner: str, entry: str) -> dict[str, Any] | None:
        found = self._owned[owner].get(entry)
        return dict(found) if found else None

    def query(self, owner: str, prefix: str, limit: int | None = None) -> Iterator[dict[str, Any]]:
        owned = self._owned[owner]
        for name in sorted(name for name in owned if name.startswith(prefix))[:limit]:
            yield dict(owned[name])

    def put(self, owner: str, entry: str, values: Mapping[str, Any]) -> None:
        self._owned[owner][entry] = _kept({**values, "load_id": owner, "entry": entry})

    def delete_if(self, owner: str, entry: str, condition: str, values: Mapping[str, Any]) -> None:
        held = self._owned[owner].get(entry)
        if held and _meets(held, condition, values):
            self.delete(owner, entry)

    def put_if(
        self,
        owner: str,
        entry: str,
        values: Mapping[str, Any],
        condition: str,
        condition_values: Mapping[str, Any],
    ) -> bool:
        held = self._owned[owner].get(entry)
        if held and not (condition and _meets(held, condition, condition_values)):
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
        held = self._owned[owner].setdefault(entry, {"load_id": owner, "entry": entry})
        held |= _kept(attributes)
        values = more_values or {}
        for name, value in re.findall(r"if_not_exists\((\w+), (:\w+)\)", more):
            held.setdefault(name, values[value])
        for names in re.findall(r"REMOVE (\w+(?:, \w+)*)", more):
            for name in names.split(", "):
                held.pop(name, None)
        for name, value in re.findall(r"ADD (\w+) (:\w+)", more):
            held[name] = sorted({*held.get(name, []), *values[value]})
        return dict(held)

    def delete(self, owner: str, entry: str) -> None:
        self._owned[owner].pop(entry, None)

    def over(self, kind: type[T]) -> T:
        """One of the ledger's classes over these entries."""
        made: Any = kind(cast(Any, None), "")
        made._entries = self
        if isinstance(made, Loads):
            made.attempts = self.over(Attempts)
        return cast(T, made)


def _meets(held: Mapping[str, Any], condition: str, values: Mapping[str, Any]) -> bool:
    terms = [term.split(" = ") for term in condition.split(" AND ")]
    return all(held[name] == values[value] for name, value in terms)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the values by way of JSON: a value that JSON can't hold, DynamoDB can't either."""
    return dict(json.loads(json.dumps(values)))
