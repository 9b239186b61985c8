"""The suspects of many chunks are read by few requests."""

from array import array
from typing import Any

import pytest

from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import digests_key
from ingestion.tasks.suspect_search import SuspectSearch
from tests.support.stack_in_memory import WORK, BucketsInMemory

SLABS = 3
CHUNKS = {
    index: [
        slab * 2**62 // SLABS + number
        for slab in range(SLABS)
        for number in range(10 * index, 10 * index + 20)
    ]
    for index in range(4)
}
"""The digests by chunk. In each slab, ten of a chunk's are those of the chunk before."""
SUSPECTS = {
    (index, slab * 2**62 // SLABS + 10 * index + number, (index - 1,))
    for index in range(1, 4)
    for slab in range(SLABS)
    for number in range(10)
}


class CountingBuckets(BucketsInMemory):
    def __init__(self) -> None:
        super().__init__()
        self.gets = 0

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        self.gets += 1
        return super().get_object(**arguments)


@pytest.mark.parametrize(("limit", "batches"), [(100, 1), (61, 2), (12, 9)])
def test_the_suspects_of_a_batch_are_read_by_one_request_per_slab(
    monkeypatch: pytest.MonkeyPatch, limit: int, batches: int
) -> None:
    monkeypatch.setattr("ingestion.tasks.suspect_search.SLAB_DIGESTS", 4 * 20)
    monkeypatch.setattr("ingestion.tasks.suspect_search.MAX_SUSPECTS", limit)
    buckets: Any = CountingBuckets()
    for index, digests in CHUNKS.items():
        buckets.objects[WORK, digests_key("a", "g", index)] = array("Q", digests).tobytes()
    chunks = [
        ChunkProgress(index, 0, 1, 1, finished=True, distinct_keys=len(digests))
        for index, digests in CHUNKS.items()
    ]
    search = SuspectSearch(buckets, WORK, "a", "g", chunks, [])
    assert [search.search(slab) for slab in range(search.slabs)] == [30] * SLABS

    found = []
    pieces = search.batches(range(SLABS))
    assert len(pieces) == batches
    for batch in pieces:
        buckets.gets = 0
        found += [
            (last, digest, tuple(others))
            for last, group in search.suspects(batch)
            for digest, others in group
        ]
        assert buckets.gets <= SLABS
    assert len(found) == len(SUSPECTS)
    assert set(found) == SUSPECTS
