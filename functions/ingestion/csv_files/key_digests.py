"""Digests of the rows' keys, 8 bytes each and sorted, to find keys that may be equal.

Equal keys have equal digests, but different keys may too. So equal digests only show which rows to
compare; `equal_keys` compares the keys themselves.
"""

import secrets
from array import array
from bisect import bisect_left, bisect_right
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
"""Digests to sort at a time: 32 MB as Python floats."""
MANY_EQUAL = 1024
"""If a run has at least this many equal digests, two are kept and the others are only counted,
because a range of values can't separate equal digests, and all digests of a range are sorted in
memory."""

_SECRET_BYTES = 16

Digest = Callable[[Iterable[EncodedKey]], list[int]]
"""Returns the digests of keys, in the order of the keys."""


def new_secret() -> str:
    """Returns a random key for the digests of a load, in hexadecimal."""
    return secrets.token_hex(_SECRET_BYTES)


def key_digest(secret: str) -> Digest:
    """Returns the digest function of a load. `secret` is the load's random key, in hexadecimal.

    Its first 64 bits are xxh3's seed, which is mixed with every part of a key, so that nobody can
    make keys with equal digests without knowing it. A prefix wouldn't prevent that: xxh3 hashes
    each 16 bytes of a short input separately and adds up the results. An execution that began
    before the stack was updated may have an empty `secret`; its seed is 0.
    """
    seed = int(secret[:16] or "0", 16)
    join = b"\0".join  # no value of an EncodedKey has a NUL, so different keys join differently

    def digests(keys: Iterable[EncodedKey]) -> list[int]:
        return [xxh3_64_intdigest(join(key), seed) >> 2 for key in keys]

    return digests


class DigestRange(NamedTuple):
    """The digests in one range of values, ascending."""

    distinct: "array[int]"
    repeated: "array[int]"
    """The distinct digests that occur more than once."""


class KeyDigests:
    """The digests of a chunk's accepted rows. Memory: 8 bytes per row, and 40 MB while sorting."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._runs: list[array[int]] = []  # of RUN_DIGESTS each, sorted
        self._recent: array[int] = array("Q")  # of the rows after those, in the file's order
        self._forgotten: array[int] = array("Q")
        self._surplus: Counter[int] = Counter()  # digests that are not kept in runs

    def __len__(self) -> int:
        return len(self._runs) * RUN_DIGESTS + len(self._recent) - len(self._forgotten)

    def add(self, keys: Iterable[EncodedKey]) -> None:
        self._recent.extend(self._digest(keys))
        # Another RUN_DIGESTS stay in the file's order, for `keep`.
        while len(self._recent) >= 2 * RUN_DIGESTS:
            run = _integers(_sorted(self._recent[:RUN_DIGESTS]))
            self._drop_surplus(run)
            self._runs.append(run)
            del self._recent[:RUN_DIGESTS]

    def keep(self, count: int) -> None:
        """Forgets all rows except the first `count`. At most RUN_DIGESTS rows can be
        forgotten."""
        surplus = len(self) - count
        if surplus > len(self._recent):
            raise ValueError(f"{surplus} rows are more than can be forgotten.")
        del self._recent[len(self._recent) - surplus :]

    def clear(self) -> None:
        """Forgets all rows."""
        self._runs.clear()
        self._surplus.clear()
        self._recent = array("Q")

    def forget(self, keys: Iterable[EncodedKey]) -> None:
        """Forgets one row for each of these keys, because the table has refused it."""
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
            values = self._without(values, self._forgotten[forgotten_before:forgotten])
            yield _digest_range(_sorted(values))
            forgotten_before = forgotten

    def _drop_surplus(self, run: "array[int]") -> None:
        """Keeps two of MANY_EQUAL or more equal digests in a run, and counts the others."""
        step = MANY_EQUAL // 2
        starts, ends = islice(run, 0, None, step), islice(run, step - 1, None, step)
        for value in set(compress(run[::step], map(eq, starts, ends))):
            first, last = bisect_left(run, value), bisect_right(run, value)
            if last - first >= MANY_EQUAL:
                del run[first + 2 : last]
                self._surplus[value] += last - first - 2

    def _without(self, values: "array[int]", forgotten: "array[int]") -> "array[int]":
        """The values, with one occurrence removed for each forgotten one."""
        if not forgotten:
            return values
        left = Counter(forgotten)
        left.subtract({value: self._surplus[value] for value in left if value in self._surplus})
        kept: array[int] = array("Q")
        for value in values:
            if left[value] > 0:
                left[value] -= 1
            else:
                kept.append(value)
        return kept

    def repeated(self) -> "array[int]":
        """The digests that occur more than once, ascending."""
        found: array[int] = array("Q")
        for part in self.ranges():
            found.extend(part.repeated)
        return found


def _sorted(digests: "array[int]") -> list[float]:
    """The digests ascending, reinterpreted as the floats with the same bits.

    The floats sort in the same order (IEEE 754), and in half the time.
    """
    values = array("d", digests.tobytes()).tolist()
    values.sort()
    return values


def _integers(values: Iterable[float]) -> "array[int]":
    """The digests that have the same bits as the floats."""
    return array("Q", array("d", values).tobytes())


def _digest_range(values: list[float]) -> DigestRange:
    twice = list(compress(values, map(eq, values, islice(values, 1, None))))
    if not twice:
        return DigestRange(_integers(values), array("Q"))
    return DigestRange(_integers(dict.fromkeys(values)), _integers(dict.fromkeys(twice)))
