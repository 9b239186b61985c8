"""Coordinates the loads of one object, so that the rows of its latest version win.

BatchWriteItem supports no conditions, so the table can't prevent a write of an older version from
arriving after one of a newer version. The ledger keeps the two apart instead:

- Each object has one claim, which names the newest version that has claimed the object. The claim
  only moves forward, in the order of the object's versions in S3.
- A writer first takes a lease, which is an entry that expires shortly after the writer's function
  must have ended. Then it reads the claim, and reads it again every few seconds. If another load
  holds the claim, the writer stops.
- A newer load first claims the object. Then it waits until all leases are given back or expired.

A writer takes its lease before it reads the claim, and a load claims the object before it reads the
leases. So whichever comes first, at least one of them finds the other. After a crash there is
nothing to release, because leases expire.

A lease also shows Settle Equal Keys that a call existed. The call takes it before it reads its
chunk's entry, and deletes it after the ledger has accepted the call's results. If a call ends in
any other way, its lease stays, with the time after which none of its requests can reach the table.

An execution also waits for a running execution of the same version, and for the writers of one that
has ended. They may continue after that execution was stopped. If two rows have equal keys, such a
writer could write the earlier row after this execution has written the later one.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.executions import IsRunning
from ingestion.ledger.claims import Claim, Claims, Lease
from ingestion.ledger.store import timestamp

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OVERTAKEN = (
    "A later version of the object has taken over. What this load had written by then stays in the "
    "table where the later version has no such row."
)

LEASE_MARGIN_SECONDS = 60
"""Seconds for which a request may still reach the table after its function has ended or its
connection has broken."""
LOOK_SECONDS = 5.0
"""Seconds between two checks of a writer whether it has been overtaken."""


class ClaimHeld(Exception):
    """A running execution has claimed the same version of the object."""


class Turns:
    """Claims objects for loads, and leases them to writers. `now` returns seconds since the
    epoch."""

    def __init__(
        self, s3: "S3Client", claims: Claims, now: Callable[[], float] = time.time
    ) -> None:
        self._s3 = s3
        self._claims = claims
        self._now = now

    def newest(self, object_url: str) -> Claim | None:
        """Returns the newest claim on an object, or None if no load has claimed it."""
        return self._claims.newest(object_url)

    def claim(self, wanted: Claim, is_running: IsRunning = lambda execution_arn: False) -> bool:
        """Claims an object for a load. Returns False if a later version has claimed it already.

        If another execution has claimed the same version and is not running any more, this one
        takes over the claim: the version is loaded again on demand. Raises ClaimHeld if it is
        running.
        """
        while True:
            held = self._claims.newest(wanted.object_url)
            if held == wanted and held.execution_arn == wanted.execution_arn:
                return True
            if held and _is_same_content(held, wanted):
                if held.execution_arn and is_running(held.execution_arn):
                    raise ClaimHeld
            elif held and not self._is_later(wanted, held):
                return False
            if self._claims.move(held, wanted):
                return True

    def claim_alone(self, wanted: Claim) -> bool:
        """Claims an object for a load if nothing else may be writing it.

        Returns False if Take Turn has to decide: a later version or another execution of the same
        version has claimed the object, or its writers may still be running.
        """
        try:
            # Only Take Turn may look up executions, so any other one counts as running.
            if not self.claim(wanted, is_running=lambda execution_arn: True):
                return False
        except ClaimHeld:
            return False
        if self.writers(wanted.object_url):
            return False
        self.note_alone(wanted.object_url, wanted.load_id)
        return True

    def is_overtaken(self, wanted: Claim) -> bool:
        """Whether a later version has claimed the object of `wanted`."""
        held = self._claims.newest(wanted.object_url)
        return (
            held is not None
            and not _is_same_content(held, wanted)
            and not self._is_later(wanted, held)
        )

    def move_on(self, held: Claim, version_id: str | None) -> bool:
        """Moves a load's claim to a later version with the same bytes.

        Returns False if that version is not later, or if the claim has moved in the meantime.
        """
        wanted = replace(held, version_id=version_id)
        if wanted == held:
            return True
        return self._is_later(wanted, held) and self._claims.move(held, wanted)

    def now(self) -> float:
        """Returns the current time in seconds since the epoch."""
        return self._now()

    def note_alone(self, object_url: str, load_id: str) -> None:
        """Records in a load's claim that no writers are left, unless it is already recorded."""
        held = self._claims.newest(object_url)
        if held and held.load_id == load_id and held.alone_since is None:
            self._claims.note_alone(held, timestamp(self._now()))

    def writers(self, object_url: str) -> int:
        """Counts the writers that may still be writing rows of any version of the object."""
        return sum(lease.until > self._now() for lease in self._claims.leases(object_url))

    def leases(self, object_url: str, load_id: str, generation: str) -> list[Lease]:
        """Returns the leases of a load's generation that were not given back, including expired
        ones."""
        return [
            lease
            for lease in self._claims.leases(object_url)
            if (lease.load_id, lease.generation) == (load_id, generation)
        ]

    def lease(
        self,
        object_url: str,
        load_id: str,
        seconds: float,
        generation: str = "",
        chunk: int | None = None,
    ) -> "WriterLease":
        """Takes a lease for a writer whose function must end within `seconds`."""
        now = self._now()
        until = int(now + seconds) + LEASE_MARGIN_SECONDS
        lease = Lease(load_id, int(now), until, generation, chunk)
        return WriterLease(self._claims, object_url, lease, self._now)

    def _is_later(self, one: Claim, other: Claim) -> bool:
        """Whether `one` is the later version.

        S3 lists the versions of a key from the newest to the oldest. A version that is not listed
        was deleted or has expired, and counts as older than any listed one.
        """
        if one.version_id is None or other.version_id is None:
            # In an unversioned bucket, an object has only its current content. A load of any other
            # content fails to read it (412). Corrected rows of other content can still be read.
            return one.resubmits is None
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=one.bucket, Prefix=one.key
        )
        for page in pages:
            for version in page.get("Versions", []):
                if version["Key"] != one.key:
                    return False  # keys are listed in order, so neither version is listed
                if version["VersionId"] in (one.version_id, other.version_id):
                    return bool(version["VersionId"] == one.version_id)
        return False


class WriterLease:
    """One writer's lease, which ends with the `with` block.

    It is then deleted if `give_back` was called and `stray_requests` was not. Otherwise it
    stays, and shows that the call existed.
    """

    def __init__(
        self, claims: Claims, object_url: str, lease: Lease, now: Callable[[], float]
    ) -> None:
        self.id = uuid.uuid4().hex
        self._claims = claims
        self._object_url = object_url
        self._lease = lease
        self._now = now
        self._is_given_back = False
        self._margin = 0
        claims.put_lease(object_url, self.id, lease)

    def give_back(self) -> None:
        """Marks the lease for deletion: the call wrote nothing, or the ledger has recorded its
        results."""
        self._is_given_back = True

    def stray_requests(self) -> None:
        """Keeps the lease for LEASE_MARGIN_SECONDS after the block, because DynamoDB may still
        carry out a request that it did not answer."""
        self._margin = LEASE_MARGIN_SECONDS

    def __enter__(self) -> "WriterLease":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if self._is_given_back and not self._margin:
                self._claims.delete_lease(self._object_url, self.id)
            else:
                until = min(self._lease.until, int(self._now()) + self._margin)
                ended = replace(self._lease, until=until)
                self._claims.put_lease(self._object_url, self.id, ended)
        except (BotoCoreError, ClientError):
            if error is None:
                raise
            # The lease expires by itself, and the first error is the one to report.

    def overtaken(self) -> bool:
        """Whether another load holds the claim on the object."""
        newest = self._claims.newest(self._object_url)
        return newest is not None and newest.load_id != self._lease.load_id


def _is_same_content(one: Claim, other: Claim) -> bool:
    """Whether two claims are for the same version. Objects without a version are distinguished by
    the load, whose id depends on their content."""
    if one.version_id is None:
        return one.original_load_id == other.original_load_id and other.version_id is None
    return one.version_id == other.version_id
