"""Searches the chunks' digests for suspects, for Settle Equal Keys, and stores them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.config import Config

from ingestion.csv_files.shared_digests import (
    GroupPlace,
    Piece,
    Suspects,
    batches,
    find_suspects,
    pack_suspects,
    read_contents,
    slab_edges,
    unpack_group,
)
from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import digests_key, suspects_key
from ingestion.s3.work_bucket import read_range
from ingestion.tasks.digest_files import DigestSection

if TYPE_CHECKING:
    from array import array

    from mypy_boto3_s3 import S3Client

SLAB_DIGESTS = 32 * 2**20
"""Digests per slab, of all chunks: 256 MiB. Each chunk's share is read by one ranged GET."""
MAX_SUSPECTS = 2**20
"""Suspects per batch. Each takes some 300 bytes while their chunks are read again."""
MAX_SUSPECTS_TO_ADD = 2**18
"""The same if rows are added up, where each takes up to 1 kB."""

_THREADS = 16
_CONTENTS_BYTES = 64 * 1024

PARALLEL_READS = Config(max_pool_connections=_THREADS)
"""For the client of S3. Otherwise botocore keeps only 10 connections open."""


class SuspectSearch:
    """Searches the digests of a generation's chunks. A digest that occurs more than once in one of
    the `overlapped` chunks is a suspect too; if rows are added up (`adds_up`), in any chunk."""

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        load_id: str,
        generation: str,
        chunks: Sequence[ChunkProgress],
        overlapped: Sequence[int],
        *,
        adds_up: bool = False,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._load_id = load_id
        self._generation = generation
        self._max_suspects = MAX_SUSPECTS_TO_ADD if adds_up else MAX_SUSPECTS
        keys = {chunk.index: digests_key(load_id, generation, chunk.index) for chunk in chunks}
        self._distinct = {
            chunk.index: DigestSection(bucket, keys[chunk.index], 0, chunk.distinct_keys)
            for chunk in chunks
            if chunk.distinct_keys
        }
        self._repeated = {
            chunk.index: DigestSection(
                bucket, keys[chunk.index], chunk.distinct_keys, chunk.repeated_keys
            )
            for chunk in chunks
            if chunk.repeated_keys and (adds_up or chunk.index in overlapped)
        }
        total = sum(section.size for section in self._distinct.values())
        self.slabs = -(-total // SLAB_DIGESTS) or 1

    def search(self, slab: int) -> int:
        """Finds the suspects of a slab and stores them. Returns how many there are."""
        low, high = slab_edges(self.slabs)[slab]
        with _threads() as threads:
            distinct = self._read(self._distinct, low, high, threads)
            repeated = self._read(self._repeated, low, high, threads)
        found = find_suspects(distinct, repeated, low, high)
        del distinct, repeated
        if found:
            self._s3.put_object(Bucket=self._bucket, Key=self._key(slab), Body=pack_suspects(found))
        return sum(len(group.digests) for group in found.values())

    def batches(self, slabs: Sequence[int]) -> list[list[Piece]]:
        """The suspects of these slabs, in the batches in which they are settled."""
        with _threads() as threads:
            contents = dict(zip(slabs, threads.map(self._contents, slabs), strict=True))
        return list(batches(contents, self._max_suspects))

    def suspects(self, batch: Sequence[Piece]) -> Iterator[tuple[int, Suspects]]:
        """The suspects of a batch, with their last chunk. A chunk may come several times."""
        by_slab: dict[int, list[Piece]] = {}
        for piece in batch:
            by_slab.setdefault(piece.slab, []).append(piece)
        with _threads() as threads:
            for suspects in threads.map(self._suspects_in, by_slab, by_slab.values()):
                yield from suspects

    def _suspects_in(self, slab: int, pieces: Sequence[Piece]) -> list[tuple[int, Suspects]]:
        # One GET for all pieces: batches and slabs have the same order, so the pieces are adjacent.
        start, end = pieces[0].place.start, pieces[-1].place.end
        packed = read_range(self._s3, self._bucket, self._key(slab), start, end)
        found = []
        for _, place, first, last in pieces:
            group = unpack_group(packed[place.start - start : place.end - start], place)
            found.append((place.chunk, group.part(first, last)))
        return found

    def _contents(self, slab: int) -> list[GroupPlace]:
        size = _CONTENTS_BYTES
        while True:
            contents = read_contents(read_range(self._s3, self._bucket, self._key(slab), 0, size))
            if isinstance(contents, list):
                return contents
            size = contents

    def _read(
        self,
        sections: Mapping[int, DigestSection],
        low: int,
        high: int,
        threads: ThreadPoolExecutor,
    ) -> "dict[int, array[int]]":
        values = threads.map(lambda one: one.read(self._s3, low, high), sections.values())
        return dict(zip(sections, values, strict=True))

    def _key(self, slab: int) -> str:
        return suspects_key(self._load_id, self._generation, slab)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "digests")
