"""Claims and leases in memory, for tests that choose the order in which several loads act.

test_claims.py runs the same cases against it and against `ingestion.ledger.claims.Claims`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ingestion.ledger.claims import Claim, Lease

Answer = TypeVar("Answer")


class ClaimsInMemory:
    """Behaves like `Claims`. Calls `before` before each operation and `after` with its answer.

    entries: another instance whose claims and leases this one shares.
    """

    def __init__(self, entries: "ClaimsInMemory | None" = None) -> None:
        self.newest_of: dict[str, Claim] = entries.newest_of if entries else {}
        self.writers: dict[tuple[str, str], Lease] = entries.writers if entries else {}
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[Any], None] = lambda answer: None

    def newest(self, object_url: str) -> Claim | None:
        self.before()
        return self._answer(self.newest_of.get(object_url))

    def move(self, held: Claim | None, wanted: Claim) -> Any:
        self.before()
        now = self.newest_of.get(wanted.object_url)
        if now is not None and not (held and _is_same(now, held)):
            return self._answer(False)
        if held and held.load_id == wanted.load_id:
            wanted = replace(wanted, replaces=held.replaces, alone_since=held.alone_since)
        elif held:
            wanted = replace(wanted, replaces=held.load_id)
        self.newest_of[wanted.object_url] = wanted
        return self._answer(True)

    def note_alone(self, held: Claim, alone_since: str) -> Any:
        self.before()
        now = self.newest_of.get(held.object_url)
        if not (now and _is_same(now, held)):
            return self._answer(False)
        self.newest_of[held.object_url] = replace(held, alone_since=alone_since)
        return self._answer(True)

    def leases(self, object_url: str) -> list[Lease]:
        self.before()
        return self._answer([one for key, one in self.writers.items() if key[0] == object_url])

    def put_lease(self, object_url: str, lease_id: str, lease: Lease) -> None:
        self.before()
        self.writers[object_url, lease_id] = lease
        self._answer(None)

    def delete_lease(self, object_url: str, lease_id: str) -> None:
        self.before()
        self.writers.pop((object_url, lease_id), None)
        self._answer(None)

    def _answer(self, answer: Answer) -> Answer:
        self.after(answer)
        return answer


def _is_same(one: Claim, other: Claim) -> bool:
    return (one, one.execution_arn) == (other, other.execution_arn)
