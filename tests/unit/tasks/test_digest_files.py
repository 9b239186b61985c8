"""Digests in the work bucket, read by ranges of values, however they are spread."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.key_digests import KeyDigests
from ingestion.tasks.digest_files import (
    DigestSection,
    read_lines,
    write_digests,
    write_lines,
)
from tests.support.stack_in_memory import WORK, BucketsInMemory

MAX = 2**62 - 1


class CountingBuckets(BucketsInMemory):
    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        answer = super().get_object(**arguments)
        first, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
        self.sizes.append(last + 1 - first)
        return answer


def written(numbers: Iterable[int]) -> tuple[Any, int, list[int]]:
    buckets: Any = CountingBuckets()
    digests = KeyDigests(lambda keys: [int(key[0]) for key in keys])
    digests.add([(str(one).encode(),) for one in numbers])
    distinct, repeated = write_digests(buckets, WORK, "digests/a", digests)
    return buckets, distinct, list(repeated)


@given(st.lists(st.integers(0, MAX) | st.integers(0, 50), max_size=80), st.integers(1, 5))
@settings(deadline=None)
def test_every_range_of_values_is_read_whole(numbers: list[int], parts: int) -> None:
    buckets, distinct, repeated = written(numbers)
    sections = {
        0: DigestSection(WORK, "digests/a", 0, distinct),
        1: DigestSection(WORK, "digests/a", distinct, len(repeated)),
    }
    edges = [(part << 62) // parts for part in range(parts + 1)]
    for section, expected in ((0, sorted(set(numbers))), (1, repeated)):
        found: list[int] = []
        for low, high in pairwise(edges):
            values = sections[section].read(buckets, low, high)
            assert all(low <= value < high for value in values)
            found += values
        assert found == expected


def test_evenly_spread_digests_are_read_by_one_request_each_for_little_more_than_they_are() -> None:
    size = 100_000
    buckets, _, _ = written(at * (MAX // size) for at in range(size))
    section = DigestSection(WORK, "digests/a", 0, size)
    values = section.read(buckets, MAX // 2, MAX // 2 + MAX // 10)
    assert len(values) in (9_999, 10_000, 10_001)
    assert [size // 8 // 1_000 for size in buckets.sizes] == [11]  # 6 deviations on each side


def test_nothing_is_asked_of_an_empty_section() -> None:
    buckets, distinct, _ = written([])
    assert list(DigestSection(WORK, "digests/a", 0, distinct).read(buckets, 0, 2**62)) == []
    assert buckets.sizes == []


def test_open_keys_are_read_as_they_were_written() -> None:
    buckets: Any = BucketsInMemory()
    keys = {b"T1\0Tea", "Bücher\0\\n".encode(), b"\0"}
    write_lines(buckets, WORK, "open", sorted(keys))
    assert set(read_lines(buckets, WORK, "open")) == keys
