"""Ledger entries of undoing a load: the claim that keeps loads from writing, and the progress.

Undoing a load deletes the items with its lineage, so none of its writers may run at the same time.
`versions` keeps writers apart, and an undo takes part in that like a load: it claims the object,
waits for the writers' leases, and takes leases itself while it deletes. The claim is held by
`undo#LOAD`, which is not the id of a load, so it stops every writer of the object, and the
object's bytes don't count as loaded.

The ledger's entries of the load's chunks are deleted before the first item is. A later execution of
the load then writes every row again.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ingestion.executions import IsRunning
from ingestion.ledger.claims import Claim, Claims
from ingestion.ledger.store import Entries, Entry, deserialize, now
from ingestion.ledger.versions import Turns, WriterLease

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

UNDONE = "UNDONE"
"""The status of a load whose items are deleted, or are being deleted."""

_INDEX = "loads"
_LOAD = "load"
_PROGRESS = ("chunk#", "equal-keys#")
_DELETES_AT_A_TIME = 16


@dataclass(frozen=True)
class UndoProgress:
    """How far the undoing of a load has got. Times are in the ledger's format."""

    by: str | None
    """The ARN of the caller that began it."""
    reason: str | None
    started_at: str
    line: int = 0
    """The line of the file up to which the items are deleted."""
    items_deleted: int = 0
    finished_at: str | None = None


class Undo:
    """Undoes one load. `load` is its entry in the ledger table `table`."""

    def __init__(
        self, s3: "S3Client", client: "DynamoDBClient", table: str, load: Mapping[str, Any]
    ) -> None:
        self._claims = Claims(client, table)
        self._turns = Turns(s3, self._claims)
        self._entries = Entries(client, table)
        self._load_id = load["load_id"]
        # Corrected rows belong to the object that they were refused in.
        claimed = load.get("resubmits") or load
        holder = f"undo#{self._load_id}"
        self._claim = Claim(claimed["bucket"], claimed["key"], claimed.get("version_id"), holder)

    def claim(self, is_running: IsRunning) -> bool:
        """Claims the object, so that the load's writers stop, and no other load begins to write.

        Returns False if a later version has claimed it, which has the same effect on the load's
        writers. Raises ClaimHeld if an execution of the same version is running.
        """
        return self._turns.claim(self._claim, is_running)

    def writing_until(self) -> int | None:
        """Seconds since the epoch until which one of the load's calls may still write. None if
        none can."""
        leases = self._claims.leases(self._claim.object_url)
        until = [one.until for one in leases if one.load_id == self._load_id]
        return max((one for one in until if one > self._turns.now()), default=None)

    def lease(self, seconds: float) -> WriterLease:
        """Takes a lease, for which loads of the object wait before they write."""
        return self._turns.lease(self._claim.object_url, self._claim.load_id, seconds)

    def begin(self, by: str | None, reason: str | None) -> UndoProgress:
        """Records that the load is being undone, and deletes the ledger's entries of its chunks.

        Returns the progress that is recorded, if the undo is to be continued.
        """
        load = self._entries.get(self._load_id, _LOAD) or {}
        progress = undo_progress(load)
        if load.get("status") != UNDONE or progress is None or progress.finished_at:
            progress = UndoProgress(by, reason, now())
            values = {"status": UNDONE, "undo": vars(progress)}
            self._entries.update(self._load_id, _LOAD, values)
        names = (
            entry["entry"]
            for prefix in _PROGRESS
            for entry in self._entries.query(self._load_id, prefix)
        )
        with ThreadPoolExecutor(_DELETES_AT_A_TIME) as pool:
            list(pool.map(lambda name: self._entries.delete(self._load_id, name), names))
        return progress

    def save(self, progress: UndoProgress) -> None:
        """Records the progress. The status stays as it is: an execution may work on the load."""
        self._entries.update(self._load_id, _LOAD, {"undo": vars(progress)})

    def finish(self, progress: UndoProgress, restorable: str | None) -> UndoProgress:
        """Records the end, and releases the object.

        `restorable` is the newest earlier version that was loaded. From then on, it can be loaded
        again, and so can later ones. If it is None, the claim keeps the version that is undone.
        """
        held = self._claims.newest(self._claim.object_url)
        if restorable is not None and held == self._claim:
            self._claims.move(held, replace(self._claim, version_id=restorable))
        done = replace(progress, finished_at=now())
        self.save(done)
        return done


def undo_progress(load: Mapping[str, Any]) -> UndoProgress | None:
    """How far undoing a load has got, given its entry. None if it was never undone."""
    recorded = load.get("undo")
    return UndoProgress(**recorded) if recorded else None


def loads_of_object(client: "DynamoDBClient", table: str, object_url: str) -> Iterator[Entry]:
    """Yields the entries of all loads of an object, the newest first."""
    pages = client.get_paginator("query").paginate(
        TableName=table,
        IndexName=_INDEX,
        KeyConditionExpression="object_url = :url",
        FilterExpression="entry = :load",
        ExpressionAttributeValues={":url": {"S": object_url}, ":load": {"S": _LOAD}},
        ScanIndexForward=False,
    )
    for page in pages:
        yield from map(deserialize, page["Items"])
