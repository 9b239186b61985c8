"""Ledger entries of an object: the newest claim on it, and the leases of its writers.

Their partition key is the object's URL. The claim is the entry `"newest"`, and each lease is an
entry `"writer#<id>"`. `versions` describes what they are for.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from ingestion.contracts import File
from ingestion.ledger.store import Entries

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_NEWEST = "newest"
LEASE_DAYS = 400
"""Days for which a lease that was not given back is kept after it expires. Settle Equal Keys needs
it, and an execution can take up to a year. Then DynamoDB's Time to Live deletes it."""


@dataclass(frozen=True)
class Claim:
    """A load's claim to an object. Only the load that holds it may write the object's rows."""

    bucket: str
    key: str
    version_id: str | None
    load_id: str
    execution_arn: str = field(default="", compare=False)
    """The execution of the load. Empty if an execution of an earlier release made the claim."""
    replaces: str | None = field(default=None, compare=False)
    """The load that held the claim before this load and before the load of its corrected rows."""
    alone_since: str | None = field(default=None, compare=False)
    """When Take Turn found that no call was writing the object's rows. None until then, and
    again if the load loses the claim and gets it back."""
    resubmits: str | None = field(default=None, compare=False)
    """The load whose corrected rows the load writes. Otherwise None."""

    @classmethod
    def of(cls, file: File, load_id: str, execution_arn: str) -> Self:
        """The claim of a file's load. Corrected rows claim the object version that they belong to,
        so that they can't replace the rows of a later one."""
        original = file.resubmits
        if original is None:
            return cls(file.bucket, file.key, file.version_id, load_id, execution_arn)
        return cls(
            original.bucket,
            original.key,
            original.version_id,
            load_id,
            execution_arn,
            resubmits=original.load_id,
        )

    @property
    def object_url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def original_load_id(self) -> str:
        """The load itself, or the one whose corrected rows it writes."""
        return self.resubmits or self.load_id


@dataclass(frozen=True)
class Lease:
    """The time in which a call may write rows of a load, in whole seconds since the epoch.

    A lease is deleted when the ledger has recorded the results of the call. If the call ends in
    any other way, the lease stays and shows that the call existed.
    """

    load_id: str
    began: int
    until: int
    generation: str = ""
    chunk: int | None = None
    """None for a call of Settle Equal Keys, which only writes rows that win."""


class Claims:
    """Reads and writes claims and leases in the ledger table `table`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)

    def newest(self, object_url: str) -> Claim | None:
        """Returns the newest claim on an object, or None if no load has claimed it."""
        entry = self._entries.get(object_url, _NEWEST)
        if entry is None:
            return None
        return Claim(
            entry["bucket"],
            entry["key"],
            entry["version_id"] or None,
            entry["held_by"],
            entry.get("execution_arn", ""),
            entry["replaces"],
            entry.get("alone_since"),
            entry.get("resubmits"),
        )

    def move(self, held: Claim | None, wanted: Claim) -> bool:
        """Replaces the claim `held` by `wanted`. Returns False if the ledger has another claim.

        `held` is None if no load has claimed the object.
        """
        if held and held.load_id == wanted.load_id:
            wanted = replace(wanted, replaces=held.replaces, alone_since=held.alone_since)
        elif held and held.original_load_id == wanted.original_load_id:
            wanted = replace(wanted, replaces=held.replaces)
        elif held:
            wanted = replace(wanted, replaces=held.original_load_id)
        return self._entries.put_if(wanted.object_url, _NEWEST, _values(wanted), *_is_held(held))

    def note_alone(self, held: Claim, alone_since: str) -> bool:
        """Records `alone_since` in the claim `held`. Returns False if the claim has moved."""
        values = _values(held) | {"alone_since": alone_since}
        return self._entries.put_if(held.object_url, _NEWEST, values, *_is_held(held))

    def leases(self, object_url: str) -> list[Lease]:
        """Returns all writers' leases on an object, including expired ones."""
        entries = self._entries.query(object_url, "writer#")
        return [
            Lease(
                entry["held_by"],
                entry.get("began", 0),  # missing if an earlier release took the lease
                entry["until"],
                entry.get("generation", ""),
                entry.get("chunk"),
            )
            for entry in entries
        ]

    def put_lease(self, object_url: str, lease_id: str, lease: Lease) -> None:
        """Creates or replaces a lease."""
        values = {
            "held_by": lease.load_id,
            "began": lease.began,
            "until": lease.until,
            "generation": lease.generation,
            "chunk": lease.chunk,
            "expires_at": lease.until + LEASE_DAYS * 86_400,  # the table's Time to Live attribute
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
        "execution_arn": claim.execution_arn,
        "replaces": claim.replaces,
        "alone_since": claim.alone_since,
        "resubmits": claim.resubmits,
    }


def _is_held(held: Claim | None) -> tuple[str, dict[str, str]]:
    """Returns the condition expression that the claim has not moved, and its values."""
    if held is None:
        return "", {}
    condition = "held_by = :load AND version_id = :version"
    values = {":load": held.load_id, ":version": held.version_id or ""}
    if held.execution_arn:
        condition += " AND execution_arn = :execution"
        values[":execution"] = held.execution_arn
    return condition, values
