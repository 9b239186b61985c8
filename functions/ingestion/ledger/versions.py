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

A writer's lease also tells Settle Equal Keys that the call existed: it is taken before the call
reads its chunk's entry and deleted after the ledger has taken what the call did. A call that ends
in any other way leaves its lease, with the time after which nothing of it can reach the table.

An execution waits for the writers of an earlier execution of the same load as well, which may go on
after it was stopped: of rows with equal keys, the earlier one must not land after the later one.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.ledger.claims import Claim, Claims, Lease
from ingestion.ledger.store import timestamp

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OVERTAKEN = (
    "A later version of the object has taken over. What this load had written by then stays in the "
    "table where the later version has no such row."
)

LEASE_MARGIN_SECONDS = 60
"""How long after its function's end, or after its connection broke, a request may still reach the
table."""
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

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now()

    def note_alone(self, object_url: str, load_id: str) -> None:
        """Record that no other load's writer is left, unless that is recorded already."""
        held = self._claims.newest(object_url)
        if held and held.load_id == load_id and held.alone_since is None:
            self._claims.note_alone(held, timestamp(self._now()))

    def writers(self, object_url: str) -> int:
        """How many writers may still be writing rows of any version of the object."""
        return sum(lease.until > self._now() for lease in self._claims.leases(object_url))

    def leases(self, object_url: str, load_id: str, generation: str) -> list[Lease]:
        """The leases of a load's writers that have not been given back."""
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
        """Take a writer's lease for at most ``seconds`` of its function's time."""
        now = self._now()
        until = int(now + seconds) + LEASE_MARGIN_SECONDS
        lease = Lease(load_id, int(now), until, generation, chunk)
        return WriterLease(self._claims, object_url, lease, self._now)

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
    """One writer's lease, which ends with the ``with`` block: it is deleted if ``give_back`` was
    called, and else stays as a sign that the call existed."""

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
        """Say that nobody needs to know of this call: it wrote nothing, or what it wrote is in the
        ledger."""
        self._is_given_back = True

    def stray_requests(self) -> None:
        """Say that the table may yet carry out a request that it did not answer."""
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
            # The lease runs out by itself. What went wrong first is what should be reported.

    def overtaken(self) -> bool:
        """Whether another load has claimed the object since."""
        newest = self._claims.newest(self._object_url)
        return newest is not None and newest.load_id != self._lease.load_id
