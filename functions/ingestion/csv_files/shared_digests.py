"""Finds digests that occur in several chunks of a file, from the chunks' sorted digests.

The digests are compared one range of values at a time, so that memory does not grow with the file.
The digests found are grouped by the last chunk that has them: if the keys are equal, the row to
write is in that chunk.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ingestion.csv_files.key_digests import DIGEST_BITS

MAX_DIGESTS_AT_A_TIME = 2**20
"""Digests to compare at a time: some 100 bytes of memory each."""

Slices = Mapping[int, "array[int]"]
"""The sorted digests in one range of values, by chunk."""


@dataclass
class Suspects:
    """Digests with the same last chunk, whose rows may have equal keys.

    `others` lists the earlier chunks of all digests, one digest after the other. `counts` has
    the number of earlier chunks of each digest.
    """

    digests: "array[int]" = field(default_factory=lambda: array("Q"))
    counts: "array[int]" = field(default_factory=lambda: array("I"))
    others: "array[int]" = field(default_factory=lambda: array("I"))

    def add(self, digest: int, others: Sequence[int]) -> None:
        self.digests.append(digest)
        self.counts.append(len(others))
        self.others.extend(others)

    def __iter__(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Each digest with the earlier chunks that have it."""
        at = 0
        for digest, count in zip(self.digests, self.counts, strict=True):
            yield digest, self.others[at : at + count]
            at += count

    def part(self, start: int, end: int) -> "Suspects":
        """The digests at the positions `[start, end)`."""
        first = sum(self.counts[:start])
        last = first + sum(self.counts[start:end])
        return Suspects(self.digests[start:end], self.counts[start:end], self.others[first:last])


def find_suspects(slices: Slices, repeated: Slices, low: int, high: int) -> dict[int, Suspects]:
    """The digests in `[low, high)` that several chunks have, by the last of these chunks.

    `repeated` are digests that one chunk has more than once. They are included even if no other
    chunk has them.
    """
    found: dict[int, Suspects] = {}
    total = sum(map(len, slices.values()))
    parts = -(-total // MAX_DIGESTS_AT_A_TIME) or 1
    for part in range(parts):
        edges = low + (high - low) * part // parts, low + (high - low) * (part + 1) // parts
        _find(_cut(slices, *edges), _cut(repeated, *edges), found)
    return found


def _cut(slices: Slices, low: int, high: int) -> dict[int, "array[int]"]:
    return {
        chunk: values[bisect_left(values, low) : bisect_left(values, high)]
        for chunk, values in slices.items()
    }


def _find(slices: Slices, repeated: Slices, found: dict[int, Suspects]) -> None:
    seen: set[int] = set()
    shared: set[int] = set().union(*repeated.values())
    for values in slices.values():
        shared.update(seen.intersection(values))
        seen.update(values)
    if not shared:
        return
    del seen
    chunks: dict[int, list[int]] = {digest: [] for digest in sorted(shared)}
    for chunk in sorted(slices):
        for digest in shared.intersection(slices[chunk]):
            chunks[digest].append(chunk)
    for digest, having in chunks.items():
        if having[-1] not in found:
            found[having[-1]] = Suspects()
        found[having[-1]].add(digest, having[:-1])


# ---------------------------------------------------------------- As bytes


class GroupPlace(NamedTuple):
    """The place of one last chunk's suspects in the packed bytes."""

    chunk: int
    start: int
    digests: int
    others: int

    @property
    def end(self) -> int:
        return self.start + 12 * self.digests + 4 * self.others


def pack_suspects(found: Mapping[int, Suspects]) -> bytes:
    """Packs groups into bytes: a table of contents, then the groups, highest last chunk first."""
    chunks = sorted(found, reverse=True)
    contents = array("I", [len(chunks)])
    for chunk in chunks:
        contents.extend((chunk, len(found[chunk].digests), len(found[chunk].others)))
    parts = [contents.tobytes()]
    for chunk in chunks:
        group = found[chunk]
        parts += [group.digests.tobytes(), group.counts.tobytes(), group.others.tobytes()]
    return b"".join(parts)


def read_contents(packed: bytes) -> list[GroupPlace] | int:
    """The table of contents, or its size in bytes if `packed` does not hold all of it."""
    [groups] = array("I", packed[:4])
    start = 4 + 12 * groups
    if len(packed) < start:
        return start
    numbers = iter(array("I", packed[4:start]))
    places = []
    for chunk, digests, others in zip(numbers, numbers, numbers, strict=True):
        places.append(GroupPlace(chunk, start, digests, others))
        start = places[-1].end
    return places


def unpack_group(packed: bytes, place: GroupPlace) -> Suspects:
    """Unpacks a group from its bytes."""
    counts = 8 * place.digests
    others = 12 * place.digests
    return Suspects(
        array("Q", packed[:counts]), array("I", packed[counts:others]), array("I", packed[others:])
    )


# ---------------------------------------------------------------- Batches


class Piece(NamedTuple):
    """The suspects `[first, last)` of one group, which is in the packed bytes of `slab`."""

    slab: int
    place: GroupPlace
    first: int
    last: int


def batches(contents: Mapping[int, Iterable[GroupPlace]], limit: int) -> Iterator[list[Piece]]:
    """All suspects in batches of at most `limit`, highest last chunk first.

    `contents` are tables of contents by slab. A chunk's suspects are divided only if there are
    more than `limit`, so that each chunk is read for as few batches as possible.
    """
    by_chunk: dict[int, list[Piece]] = {}
    for slab in sorted(contents):
        for place in contents[slab]:
            by_chunk.setdefault(place.chunk, []).append(Piece(slab, place, 0, place.digests))
    batch: list[Piece] = []
    size = 0
    for chunk in sorted(by_chunk, reverse=True):
        pieces = by_chunk[chunk]
        if batch and size + sum(piece.last for piece in pieces) > limit:
            yield batch
            batch, size = [], 0
        for piece in pieces:
            rest = piece
            while size + rest.last - rest.first > limit:
                middle = rest.first + limit - size
                yield [*batch, rest._replace(last=middle)]
                batch, size = [], 0
                rest = rest._replace(first=middle)
            batch.append(rest)
            size += rest.last - rest.first
    if batch:
        yield batch


def slab_edges(slabs: int) -> list[tuple[int, int]]:
    """The half-open ranges of values that split all digests into slabs of equal width."""
    return list(pairwise((slab << DIGEST_BITS) // slabs for slab in range(slabs + 1)))
