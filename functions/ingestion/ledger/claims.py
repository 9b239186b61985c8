"""What the ledger table holds for each object, under its URL: which version has claimed it last
(entry ``"newest"``) and the leases of its writers (``"writer#..."``). See ``versions``."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingestion.ledger.store import Entries

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_NEWEST = "newest"
LEASE_DAYS = 400
"""Days that a lease which was not given back is kept for Settle Equal Keys: more than the year that
an execution can take. The ledger's time to live deletes it after that."""


@dataclass(frozen=True)
class Claim:
    """A load's claim on the rows of an object, by the version that it loads."""

    bucket: str
    key: str
    version_id: str | None
    load_id: str
    replaces: str | None = field(default=None, compare=False)
    """The load that had claimed the object before."""
    alone_since: str | None = field(default=None, compare=False)
    """When the load was told that it is the only one to write the object's rows; None until it is.
    A load that gets the claim back is told anew."""

    @property
    def object_url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Lease:
    """When a call may be writing rows of a load, in seconds since the epoch.

    It is deleted when the call has recorded what it did. The lease of any other call stays, so that
    it is known that there was one.
    """

    load_id: str
    began: int
    until: int
    generation: str = ""
    chunk: int | None = None
    """None for Settle Equal Keys, whose calls write no rows but those that win."""


class Claims:
    """Reads and writes claims and leases in ``table``."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def newest(self, object_url: str) -> Claim | None:
        """Who has claimed an object last, or None."""
        entry = self._entries.get(object_url, _NEWEST)
        if entry is None:
            return None
        return Claim(
            entry["bucket"],
            entry["key"],
            entry["version_id"] or None,
            entry["held_by"],
            entry["replaces"],
            entry.get("alone_since"),
        )

    def move(self, held: Claim | None, wanted: Claim) -> bool:
        """Replace a claim by another; False if it is not (or no longer) ``held``."""
        if held and held.load_id == wanted.load_id:
            wanted = replace(wanted, replaces=held.replaces, alone_since=held.alone_since)
        elif held:
            wanted = replace(wanted, replaces=held.load_id)
        return self._entries.put_if(wanted.object_url, _NEWEST, _values(wanted), *_is_held(held))

    def note_alone(self, held: Claim, alone_since: str) -> bool:
        """Record since when a claim's load writes alone; False if the claim has moved."""
        values = _values(held) | {"alone_since": alone_since}
        return self._entries.put_if(held.object_url, _NEWEST, values, *_is_held(held))

    def leases(self, object_url: str) -> list[Lease]:
        """All writers' leases on an object, those that have run out too."""
        entries = self._entries.query(object_url, "writer#")
        return [
            Lease(
                entry["held_by"],
                entry.get("began", 0),  # of an earlier release
                entry["until"],
                entry.get("generation", ""),
                entry.get("chunk"),
            )
            for entry in entries
        ]

    def put_lease(self, object_url: str, lease_id: str, lease: Lease) -> None:
        """Take a lease, or change one that was taken."""
        values = {
            "held_by": lease.load_id,
            "began": lease.began,
            "until": lease.until,
            "generation": lease.generation,
            "chunk": lease.chunk,
            "expires_at": lease.until + LEASE_DAYS * 86_400,  # the table's time to live
        }
        self._entries.put(object_url, f"writer#{lease_id}", values)

    def delete_lease(self, object_url: str, lease_id: str) -> None:
        self._entries.delete(object_url, f"writer#{lease_id}")


def _values(claim: Claim) -> dict[str, str | None]:
    return {
        "bucket": claim.bucket,
        "key": claim.key,
        "version_id": claim.version_id or "",
        "held_by": claim.load_id,
        "replaces": claim.replaces,
        "alone_since": claim.alone_since,
    }


def _is_held(held: Claim | None) -> tuple[str, dict[str, str]]:
    """The condition that a claim has not moved, and its values."""
    if held is None:
        return "", {}
    return (
        "held_by = :load AND version_id = :version",
        {":load": held.load_id, ":version": held.version_id or ""},
    )
