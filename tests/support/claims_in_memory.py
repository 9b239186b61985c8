"""Claims and leases without DynamoDB, for tests that decide who comes next.

test_claims.py runs the same cases against it and against `ingestion.ledger.claims.Claims`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ingestion.ledger.claims import Claim, Lease


class ClaimsInMemory:
    """`before` is called before each single thing that is done to the entries, and `after` with its
    answer. Whoever is given another one's entries shares them."""

    def __init__(self, entries: "ClaimsInMemory | None" = None) -> None:
        self.newest_of: dict[str, Claim] = entries.newest_of if entries else {}
        self.writers: dict[tuple[str, str], Lease] = entries.writers if entries else {}
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[Any], None] = lambda answer: None

    def newest(self, object_url: str) -> Claim | None:
        self.before()
        return self._answer(self.newest_of.get(object_url))

    def move(self, held: Claim | None, wanted: Claim) -> bool:
        self.before()
        now = self.newest_of.get(wanted.object_url)
        if now is not None and (held is None or now != held):
            return self._answer(False)
        replaces = None
        if held:
            replaces = held.replaces if held.load_id == wanted.load_id else held.load_id
        self.newest_of[wanted.object_url] = replace(wanted, replaces=replaces)
        return self._answer(True)

    def leases(self, object_url: str) -> list[Lease]:
        self.before()
        return self._answer([one for key, one in self.writers.items() if key[0] == object_url])

    def take_lease(self, object_url: str, lease_id: str, lease: Lease) -> None:
        self.before()
        self.writers[object_url, lease_id] = lease
        self._answer(None)

    def give_lease_back(self, object_url: str, lease_id: str) -> None:
        self.before()
        self.writers.pop((object_url, lease_id), None)
        self._answer(None)

    def _answer(self, answer: Any) -> Any:
        self.after(answer)
        return answer
