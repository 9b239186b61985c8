"""Finds rows with equal keys in a file whose chunks have been read.

Rows are compared by the 62-bit digests of their keys. In a file of ten million rows, the chance
that two different keys have equal digests is about 1 in 100,000.
"""

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import compress, islice
from operator import eq
from pathlib import Path
from typing import NamedTuple

from ingestion.csv_files.equal_keys import rows_with
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.shared_digests import slab_edges
from tickets.check.rows import Reading, Rows

MAX_SHOWN = 5
_SLAB_DIGESTS = 2**20
_MAX_LOOKED_AT = 1000
"""Repeated digests of each slab among which the first ones in the file are searched for."""


class EqualRows(NamedTuple):
    """The lines of two rows with equal keys."""

    line: int
    later_line: int


def count_earlier(reading: Reading, rows: Sequence[Rows]) -> tuple[int, list[EqualRows]]:
    """The number of accepted rows whose key a later row has too, and the lines of some of them.

    `rows` has the rows of each chunk.
    """
    chunks = range(len(rows))
    different = 0
    found: list[tuple[int, int]] = []  # the first chunk of a digest that occurs again, the digest
    with ExitStack() as files:
        distinct, repeated = (
            [files.enter_context(_Digests(reading.digests_path(chunk, kind))) for chunk in chunks]
            for kind in ("distinct", "repeated")
        )
        total = sum(one.distinct for one in rows)
        for low, high in slab_edges(-(-total // _SLAB_DIGESTS) or 1):
            values, twice = _sorted(distinct, low, high), _sorted(repeated, low, high)
            shared = list(compress(values, map(eq, values, islice(values, 1, None))))
            different += len(values) - len(shared)
            for digest in islice(
                array("Q", array("d", [*twice, *shared]).tobytes()), _MAX_LOOKED_AT
            ):
                found.append((next(chunk for chunk in chunks if digest in distinct[chunk]), digest))
    accepted = sum(one.accepted for one in rows)
    wanted = {digest for _, digest in sorted(found)[:MAX_SHOWN]}
    return accepted - different, list(_lines(reading, rows, wanted)) if wanted else []


def _sorted(files: Sequence["_Digests"], low: int, high: int) -> list[float]:
    """The digests in `[low, high)` of all files, ascending, as the floats with the same bits.

    Python merges ascending runs quickly, and floats faster than integers.
    """
    values = array("d")
    for one in files:
        values.frombytes(one.between(low, high))
    return sorted(values)


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

    def __contains__(self, digest: int) -> bool:
        at = bisect_left(self._values, digest)
        return at < self._size and self._values[at] == digest

    def between(self, low: int, high: int) -> bytes:
        """The digests in `[low, high)`, as they are in the file."""
        first = bisect_left(self._values, low)
        last = bisect_left(self._values, high, first)
        return self._values[first:last].tobytes()
