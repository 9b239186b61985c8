"""Whose turn it is: of two versions of one key, the later one's rows must win.

BatchWriteItem takes no conditions, so nothing at the table can keep an older version's write from
landing after a newer one's. The ledger keeps them apart instead:

- A claim per object holds the newest version that has claimed it, and only ever moves forward.
  The order is that of the object's versions in S3.
- A writer first takes a lease (an entry that runs out a little after its function must have ended),
  then looks at the newest claim, and looks again every few seconds. A load that has been overtaken
  stops.
- A newer load first claims the object, then waits until nobody holds a lease.

Lease before look, claim before wait: whichever of the two comes first, one of them sees the other.
A crash leaves nothing to release, since leases run out by themselves.

An execution waits for the writers of an earlier execution of the same load as well, which may go on
after it was stopped: of rows with equal keys, the earlier one must not land after the later one.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ingestion.ledger.claims import Claim, Claims, Lease

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OVERTAKEN = (
    "A later version of the object has taken over. What this load had written by then stays in the "
    "table where the later version has no such row."
)

LEASE_MARGIN_SECONDS = 60
LOOK_SECONDS = 5.0
"""How often a writer looks whether it has been overtaken."""


class Turns:
    """Keeps the versions of an object apart. ``now`` gives seconds since the epoch."""

    def __init__(
        self, s3: "S3Client", claims: Claims, now: Callable[[], float] = time.time
    ) -> None:
        self._s3 = s3
        self._claims = claims
        self._now = now

    def newest(self, object_url: str) -> Claim | None:
        """Who has claimed an object last, or None."""
        return self._claims.newest(object_url)

    def claim(self, wanted: Claim) -> bool:
        """Claim an object for a load; False if a later version has claimed it already.

        A claim for the same version replaces the load (it is loaded again on demand).
        """
        while True:
            held = self._claims.newest(wanted.object_url)
            if held == wanted:
                return True
            if held and held.version_id != wanted.version_id and not self._is_later(wanted, held):
                return False
            if self._claims.move(held, wanted):
                return True

    def move_on(self, held: Claim, version_id: str | None) -> bool:
        """Let the load that holds the claim hold it for a later version with the same bytes; False
        if that version is not later, or if the claim has moved meanwhile."""
        wanted = replace(held, version_id=version_id)
        if wanted == held:
            return True
        return self._is_later(wanted, held) and self._claims.move(held, wanted)

    def writers(self, object_url: str) -> int:
        """How many writers may still be writing rows of any version of the object."""
        return sum(lease.until > self._now() for lease in self._claims.leases(object_url))

    def lease(self, object_url: str, load_id: str, seconds: float) -> "WriterLease":
        """Take a writer's lease for at most ``seconds`` of its function's time."""
        lease_id = uuid.uuid4().hex
        until = int(self._now() + seconds) + LEASE_MARGIN_SECONDS
        self._claims.take_lease(object_url, lease_id, Lease(load_id, until))
        return WriterLease(self._claims, object_url, lease_id, load_id)

    def _is_later(self, one: Claim, other: Claim) -> bool:
        """Whether ``one`` is the later version. S3 lists a key's versions newest first; one that is
        not listed any more was deleted or has expired, and is older than any that is."""
        if one.version_id is None or other.version_id is None:
            # Without versions there is but one content, and reading any other answers 412.
            return True
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=one.bucket, Prefix=one.key
        )
        for page in pages:
            for version in page.get("Versions", []):
                if version["Key"] != one.key:
                    return False  # keys are listed in order, so both are gone
                if version["VersionId"] in (one.version_id, other.version_id):
                    return bool(version["VersionId"] == one.version_id)
        return False


class WriterLease:
    """One writer's lease. Leaving the ``with`` block gives it back."""

    def __init__(self, claims: Claims, object_url: str, lease_id: str, load_id: str) -> None:
        self._claims = claims
        self._object_url = object_url
        self._lease_id = lease_id
        self._load_id = load_id

    def __enter__(self) -> "WriterLease":
        return self

    def __exit__(self, *_: object) -> None:
        self._claims.give_lease_back(self._object_url, self._lease_id)

    def overtaken(self) -> bool:
        """Whether another load has claimed the object since."""
        newest = self._claims.newest(self._object_url)
        return newest is not None and newest.load_id != self._load_id
