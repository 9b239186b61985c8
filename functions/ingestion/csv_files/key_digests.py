"""Digests of the rows' keys: 8 bytes each, kept sorted, so that equal keys are found without rows.

Equal keys have equal digests. The reverse need not hold, so equal digests only say which rows to
compare; whether their keys are equal is decided by the keys themselves (``equal_keys``).
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import compress, islice
from operator import eq
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from ingestion.csv_files.item_json import EncodedKey

DIGEST_BITS = 62
"""Bits of a digest. With 62 of 64 bits, a digest is also the bit pattern of a finite float."""
RUN_DIGESTS = 2**20
"""Digests that are sorted at a time: 32 MB as Python's floating-point numbers."""

Digest = Callable[[Iterable[EncodedKey]], list[int]]
"""Gives the digests of keys, in their order."""


def key_digest(secret: str) -> Digest:
    """The digest function of one load. ``secret`` is the load's random key, in hexadecimal.

    Without the secret nobody can make keys whose digests are equal. It stands before the key, since
    xxh3's seed alone does not protect short inputs.
    """
    prefix = bytes.fromhex(secret)
    join = b"\0".join  # no value of an EncodedKey has a NUL, so different keys join differently

    def digests(keys: Iterable[EncodedKey]) -> list[int]:
        return [xxh3_64_intdigest(prefix + join(key)) >> 2 for key in keys]

    return digests


class DigestRange(NamedTuple):
    """The digests of one range of values, ascending."""

    distinct: "array[int]"
    repeated: "array[int]"
    """Those of the distinct ones that occur more than once."""


class KeyDigests:
    """The digests of a chunk's accepted rows. Memory: 8 bytes per row, and 40 MB while sorting."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._runs: list[array[int]] = []  # of RUN_DIGESTS each, sorted
        self._recent: array[int] = array("Q")  # the rows' digests since, in the file's order
        self._forgotten: array[int] = array("Q")

    def __len__(self) -> int:
        return len(self._runs) * RUN_DIGESTS + len(self._recent) - len(self._forgotten)

    def add(self, keys: Iterable[EncodedKey]) -> None:
        self._recent.extend(self._digest(keys))
        # As many again stay in the file's order, for `keep`.
        while len(self._recent) >= 2 * RUN_DIGESTS:
            self._runs.append(_integers(_sorted(self._recent[:RUN_DIGESTS])))
            del self._recent[:RUN_DIGESTS]

    def keep(self, count: int) -> None:
        """Forget all rows but the first ``count``, at most RUN_DIGESTS of them."""
        surplus = len(self) - count
        if surplus > len(self._recent):
            raise ValueError(f"{surplus} rows are more than can be forgotten.")
        del self._recent[len(self._recent) - surplus :]

    def clear(self) -> None:
        """Forget all rows."""
        self._runs.clear()
        self._recent = array("Q")

    def forget(self, keys: Iterable[EncodedKey]) -> None:
        """Forget one row for each of these keys: the table has refused it."""
        self._forgotten = array("Q", sorted([*self._forgotten, *self._digest(keys)]))

    def ranges(self) -> Iterator[DigestRange]:
        """All digests, by ranges of values, in ascending order."""
        recent = _sorted(self._recent)
        if not self._runs and not self._forgotten:
            yield _digest_range(recent)
            return
        runs = [*self._runs, _integers(recent)]
        parts = len(self) // RUN_DIGESTS + 1
        starts = [0] * len(runs)
        forgotten_before = 0
        for part in range(1, parts + 1):
            edge = (part << DIGEST_BITS) // parts
            ends = [bisect_left(run, edge) for run in runs]
            values: array[int] = array("Q")
            for run, start, end in zip(runs, starts, ends, strict=True):
                values += run[start:end]
            starts = ends
            forgotten = bisect_left(self._forgotten, edge)
            values = _without(values, self._forgotten[forgotten_before:forgotten])
            yield _digest_range(_sorted(values))
            forgotten_before = forgotten

    def repeated(self) -> "array[int]":
        """The digests that occur more than once, ascending."""
        found: array[int] = array("Q")
        for part in self.ranges():
            found.extend(part.repeated)
        return found


def _sorted(digests: "array[int]") -> list[float]:
    """The digests ascending, as the floating-point numbers that have their bits. These are in the
    same order (IEEE 754), and a list of them is sorted in half the time."""
    values = array("d", digests.tobytes()).tolist()
    values.sort()
    return values


def _integers(values: Iterable[float]) -> "array[int]":
    """The digests whose bits the numbers have."""
    return array("Q", array("d", values).tobytes())


def _without(values: "array[int]", forgotten: "array[int]") -> "array[int]":
    """The values less one for each that is forgotten."""
    if not forgotten:
        return values
    left = Counter(forgotten)
    kept: array[int] = array("Q")
    for value in values:
        if left.get(value):
            left[value] -= 1
        else:
            kept.append(value)
    return kept


def _digest_range(values: list[float]) -> DigestRange:
    twice = list(compress(values, map(eq, values, islice(values, 1, None))))
    if not twice:
        return DigestRange(_integers(values), array("Q"))
    return DigestRange(_integers(dict.fromkeys(values)), _integers(dict.fromkeys(twice)))
