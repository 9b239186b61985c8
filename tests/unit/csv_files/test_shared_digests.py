"""Digests that several chunks have, found by ranges of values, against a dictionary."""

from array import array
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files import shared_digests
from ingestion.csv_files.shared_digests import (
    GroupPlace,
    Suspects,
    batches,
    find_suspects,
    pack_suspects,
    read_contents,
    slab_edges,
    unpack_group,
)

MAX = 2**62 - 1
DIGESTS = st.integers(0, MAX) | st.sampled_from([0, 1, 2**32, 2**61, MAX])
CHUNKS = st.lists(st.sets(DIGESTS, max_size=12), max_size=6)

Plain = dict[int, dict[int, list[int]]]
"""Last chunk -> digest -> earlier chunks."""


def slices(chunks: list[set[int]]) -> dict[int, "array[int]"]:
    return {index: array("Q", sorted(digests)) for index, digests in enumerate(chunks)}


def plain(found: dict[int, Suspects]) -> Plain:
    return {
        last: {digest: list(others) for digest, others in group} for last, group in found.items()
    }


def by_dictionary(chunks: list[set[int]], repeated: dict[int, set[int]]) -> Plain:
    having = defaultdict(list)
    for index, digests in enumerate(chunks):
        for digest in digests:
            having[digest].append(index)
    expected: Plain = defaultdict(dict)
    for digest, indexes in having.items():
        if len(indexes) > 1 or any(digest in one for one in repeated.values()):
            expected[indexes[-1]][digest] = indexes[:-1]
    return dict(expected)


@given(CHUNKS, st.integers(1, 9), st.integers(1, 4))
@settings(deadline=None)
def test_all_slabs_together_hold_what_a_dictionary_finds(
    chunks: list[set[int]], at_a_time: int, slabs: int
) -> None:
    repeated = {0: set(sorted(chunks[0])[:3])} if chunks else {}
    found: Plain = defaultdict(dict)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_digests, "MAX_DIGESTS_AT_A_TIME", at_a_time)
        for low, high in slab_edges(slabs):
            within = [{one for one in digests if low <= one < high} for digests in chunks]
            twice = {
                index: array("Q", sorted(one for one in digests if low <= one < high))
                for index, digests in repeated.items()
            }
            part = find_suspects(slices(within), twice, low, high)
            for last, group in plain(part).items():
                assert not found[last].keys() & group.keys()
                found[last] |= group
    assert dict(found) == by_dictionary(chunks, repeated)


def test_the_slabs_are_all_values() -> None:
    for slabs in (1, 3, 7, 64):
        edges = slab_edges(slabs)
        assert (edges[0][0], edges[-1][1], len(edges)) == (0, 2**62, slabs)
        assert all(one[1] == two[0] for one, two in pairwise(edges))


# ---------------------------------------------------------------- as bytes

FOUND = {
    7: Suspects(array("Q", [3, 2**61]), array("I", [1, 3]), array("I", [2, 0, 1, 6])),
    2: Suspects(array("Q", [9]), array("I", [0]), array("I")),
    9: Suspects(array("Q", [1]), array("I", [1]), array("I", [8])),
}


def test_packed_groups_are_found_by_their_places() -> None:
    packed = pack_suspects(FOUND)
    contents = read_contents(packed)
    assert isinstance(contents, list)
    assert [place.chunk for place in contents] == [9, 7, 2]
    assert {
        place.chunk: unpack_group(packed[place.start : place.end], place) for place in contents
    } == FOUND
    assert contents[-1].end == len(packed)


def test_too_few_bytes_tell_how_many_the_contents_have() -> None:
    packed = pack_suspects(FOUND)
    size = read_contents(packed[:10])
    assert size == 4 + 3 * 12
    assert read_contents(packed[:size]) == read_contents(packed)


def test_a_part_of_a_group_has_its_digests_and_their_chunks() -> None:
    group = Suspects(array("Q", [1, 2, 3]), array("I", [2, 0, 1]), array("I", [4, 5, 6]))
    assert [(digest, list(others)) for digest, others in group.part(0, 2)] == [(1, [4, 5]), (2, [])]
    assert [(digest, list(others)) for digest, others in group.part(2, 3)] == [(3, [6])]


# ---------------------------------------------------------------- batches


def place(chunk: int, digests: int) -> GroupPlace:
    return GroupPlace(chunk, 0, digests, 0)


def made(
    contents: dict[int, list[GroupPlace]], limit: int
) -> list[list[tuple[int, int, int, int]]]:
    """The slab, the chunk, the first and the last suspect of each piece."""
    return [
        [(piece.slab, piece.place.chunk, piece.first, piece.last) for piece in batch]
        for batch in batches(contents, limit)
    ]


def test_batches_begin_with_the_last_chunk_and_do_not_divide_a_chunk_that_fits() -> None:
    contents = {0: [place(9, 4), place(3, 2)], 1: [place(9, 2), place(8, 5)]}
    assert made(contents, 10) == [
        [(0, 9, 0, 4), (1, 9, 0, 2)],
        [(1, 8, 0, 5), (0, 3, 0, 2)],
    ]


def test_a_chunk_with_more_suspects_than_a_batch_may_have_is_divided() -> None:
    contents = {0: [place(9, 4)], 1: [place(9, 5), place(8, 1)]}
    assert made(contents, 3) == [
        [(0, 9, 0, 3)],
        [(0, 9, 3, 4), (1, 9, 0, 2)],
        [(1, 9, 2, 5)],
        [(1, 8, 0, 1)],
    ]


@given(
    st.dictionaries(
        st.integers(0, 3),
        st.dictionaries(st.integers(0, 5), st.integers(1, 9), max_size=4),
        max_size=3,
    ),
    st.integers(1, 12),
)
def test_every_suspect_is_in_one_batch(sizes: dict[int, dict[int, int]], limit: int) -> None:
    contents = {slab: [place(*one) for one in chunks.items()] for slab, chunks in sizes.items()}
    found = made(contents, limit)
    assert all(0 < sum(last - first for *_, first, last in batch) <= limit for batch in found)
    each = [
        (slab, chunk, at)
        for batch in found
        for slab, chunk, first, last in batch
        for at in range(first, last)
    ]
    assert sorted(each) == sorted(
        (slab, chunk, at)
        for slab, chunks in sizes.items()
        for chunk, size in chunks.items()
        for at in range(size)
    )
    chunks = [chunk for _, chunk, _ in each]
    assert chunks == sorted(chunks, reverse=True)
