"""What the ledger table holds for each object, under its URL: which version has claimed it last
(entry ``"newest"``) and the leases of whoever is writing (``"writer#..."``). See ``turns``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestion.ledger.store import Entries

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_NEWEST = "newest"


@dataclass(frozen=True)
class Claim:
    """A load's claim on the rows of an object, by the version that it loads."""

    bucket: str
    key: str
    version_id: str | None
    load_id: str
    replaces: str | None = field(default=None, compare=False)
    """The load that had claimed the object before."""

    @property
    def object_url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Lease:
    """Until when (seconds since the epoch) a writer of a load may be writing."""

    load_id: str
    until: int


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
        )

    def move(self, held: Claim | None, wanted: Claim) -> bool:
        """Replace a claim by another; False if it is not (or no longer) ``held``."""
        replaces = None
        if held:
            replaces = held.replaces if held.load_id == wanted.load_id else held.load_id
        return self._entries.put_if(
            wanted.object_url,
            _NEWEST,
            {
                "bucket": wanted.bucket,
                "key": wanted.key,
                "version_id": wanted.version_id or "",
                "held_by": wanted.load_id,
                "replaces": replaces,
            },
            "held_by = :load AND version_id = :version" if held else "",
            {":load": held.load_id, ":version": held.version_id or ""} if held else {},
        )

    def leases(self, object_url: str) -> list[Lease]:
        """All writers' leases on an object, those that have run out too."""
        entries = self._entries.query(object_url, "writer#")
        return [Lease(entry["held_by"], entry["until"]) for entry in entries]

    def take_lease(self, object_url: str, lease_id: str, lease: Lease) -> None:
        # "expires_at" is the table's time to live: it removes, some time later, what a crash left.
        values = {"held_by": lease.load_id, "until": lease.until, "expires_at": lease.until}
        self._entries.put(object_url, f"writer#{lease_id}", values)

    def give_lease_back(self, object_url: str, lease_id: str) -> None:
        self._entries.delete(object_url, f"writer#{lease_id}")
