"""Finds rows with equal keys in a file whose chunks have been read.

Rows are compared by the 62-bit digests of their keys. In a file of ten million rows, the chance
that two different keys have equal digests is about 1 in 100,000.
"""

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ingestion.csv_files.equal_keys import rows_with
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.shared_digests import find_suspects, slab_edges
from tickets.check.rows import Reading, Rows

MAX_SHOWN = 5
_SLAB_DIGESTS = 2**20


class EqualRows(NamedTuple):
    """The lines of two rows with equal keys: the later one, and the one before it that it
    supersedes."""

    line: int
    superseded_by: int


def count_superseded(reading: Reading, rows: Sequence[Rows]) -> tuple[int, list[EqualRows]]:
    """The number of accepted rows that a later row supersedes, and the lines of some of them.

    ``rows`` are those of each chunk.
    """
    chunks = len(rows)
    accepted, distinct = (sum(one.accepted for one in rows), sum(one.distinct for one in rows))
    wanted: dict[int, int] = {}  # digests, and the first chunk that has them
    shared = 0
    with ExitStack() as files:
        all_of_them, repeated = (
            [
                files.enter_context(_Digests(reading.digests_path(chunk, kind)))
                for chunk in range(chunks)
            ]
            for kind in ("distinct", "repeated")
        )
        for low, high in slab_edges(-(-distinct // _SLAB_DIGESTS) or 1):
            slices = {chunk: one.between(low, high) for chunk, one in enumerate(all_of_them)}
            twice = {chunk: one.between(low, high) for chunk, one in enumerate(repeated)}
            for last, suspects in find_suspects(slices, twice, low, high).items():
                for digest, others in suspects:
                    shared += len(others)
                    first = others[0] if others else last
                    wanted[digest] = first
            if len(wanted) > MAX_SHOWN:
                wanted = dict(sorted(wanted.items(), key=lambda one: one[1])[:MAX_SHOWN])
    superseded = accepted - distinct + shared
    return superseded, list(_lines(reading, rows, set(wanted))) if wanted else []


def _lines(reading: Reading, rows: Sequence[Rows], wanted: set[int]) -> Iterator[EqualRows]:
    """The lines of the first rows with these digests. Reads the file again, up to these rows."""
    digest = key_digest(reading.digest_key)
    seen: dict[int, int] = {}
    lines = reading.file.lines_before_data
    for chunk, read in zip(reading.chunks, rows, strict=True):
        pages = reading.pages(chunk)
        for row in rows_with(wanted, pages.sections(chunk.start, chunk.end), pages.reader, digest):
            if row.digest in seen:
                yield EqualRows(seen.pop(row.digest), lines + row.line)
                wanted = wanted - {row.digest}
                if not wanted:
                    return
            elif row.digest in wanted:
                seen[row.digest] = lines + row.line
        lines += read.lines


class _Digests:
    """A file of ascending digests."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> "_Digests":
        self._file = self._path.open("rb")
        self._size = self._path.stat().st_size // 8
        self._map = (
            mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if self._size else b""
        )
        self._values = memoryview(self._map).cast("Q")
        return self

    def __exit__(self, *_: object) -> None:
        self._values.release()
        if isinstance(self._map, mmap.mmap):
            self._map.close()
        self._file.close()

    def between(self, low: int, high: int) -> "array[int]":
        """The digests in ``[low, high)``."""
        first = bisect_left(self._values, low)
        last = bisect_left(self._values, high, first)
        return array("Q", self._values[first:last].tobytes())
