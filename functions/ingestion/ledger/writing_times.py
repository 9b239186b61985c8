"""Determines when each chunk was written, and whether it was certainly written after another."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.claims import Lease
from ingestion.ledger.store import seconds

CLOCK_SKEW_SECONDS = 2.0
"""The most seconds by which the clocks of two functions may differ. The Amazon Time Sync Service
sets Lambda's clocks, so they differ by milliseconds."""


class WritingTime(NamedTuple):
    """The time in which the rows of a chunk were written, in seconds since the epoch."""

    began: float
    """No call whose results are in the ledger wrote a row of the chunk before this time."""
    ended: float
    """No call wrote a row of the chunk after this time."""
    may_have_overlapped: bool
    """Whether two calls may have written rows of the chunk at the same time. Then the earlier of
    two rows with equal keys may have been written last."""

    def is_after(self, other: "WritingTime") -> bool:
        """Whether this chunk was certainly begun after all rows of the other one were written."""
        return other.ended + CLOCK_SKEW_SECONDS <= self.began


def writing_times(
    chunks: Sequence[ChunkProgress], leases: Iterable[Lease], alone_since: str | None
) -> Mapping[int, WritingTime]:
    """Returns the writing time of each finished chunk, by its index.

    `leases` are the leases of calls whose results the ledger has not recorded. Another load may
    have written the same rows before `alone_since`. If that is None, it may still write them.
    """
    left: dict[int | None, list[Lease]] = {}
    for lease in leases:
        left.setdefault(lease.chunk, []).append(lease)
    alone = seconds(alone_since) if alone_since else float("inf")
    times = {}
    for chunk in chunks:
        rounds = [(seconds(began), seconds(ended)) for began, ended, *_ in chunk.rounds]
        others = left.get(chunk.index, [])
        began = min(first for first, _ in rounds)
        # The end of a lease is rounded down to whole seconds, so that nothing waits for a lease
        # that has expired. Here it has to be rounded up.
        ended = max([last for _, last in rounds] + [lease.until + 1.0 for lease in others])
        if began < alone:
            times[chunk.index] = WritingTime(began, max(ended, alone), True)
        else:
            times[chunk.index] = WritingTime(began, ended, bool(others))
    return times
