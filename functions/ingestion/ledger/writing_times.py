"""When the chunks of a load were written: what is certain about the order of their writes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.claims import Lease
from ingestion.ledger.store import seconds

CLOCK_SKEW_SECONDS = 2.0
"""How far the clocks of two functions may be apart. Those of Lambda are set by the Amazon Time Sync
Service and differ by milliseconds."""


class WritingTime(NamedTuple):
    """In seconds since the epoch."""

    began: float
    """No row of the chunk was written before."""
    ended: float
    """None was written after."""
    may_have_overlapped: bool
    """Whether two calls may have written rows of the chunk at a time, so that an earlier one of two
    rows with equal keys may have been written last."""

    def is_after(self, other: "WritingTime") -> bool:
        """Whether whatever this chunk wrote was certainly written after all of the other's."""
        return other.ended + CLOCK_SKEW_SECONDS <= self.began


def writing_times(
    chunks: Sequence[ChunkProgress], leases: Iterable[Lease], alone_since: str | None
) -> Mapping[int, WritingTime]:
    """The writing time of each finished chunk.

    ``leases`` are those of the load's calls that did not end with an entry in the ledger. Before
    ``alone_since`` another load may have written the same rows (None: it may still have).
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
        # A lease's whole seconds are rounded down, lest anyone should wait for one that has ended.
        ended = max([last for _, last in rounds] + [lease.until + 1.0 for lease in others])
        if began < alone:
            times[chunk.index] = WritingTime(began, max(ended, alone), True)
        else:
            times[chunk.index] = WritingTime(began, ended, bool(others))
    return times
