"""The files that the benchmarks write, and what the stub must have received after that.

Python's csv module reads the expected rows from the file, without any code of `ingestion`.
"""

import csv
import io
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.ticket_file import TILE_ROWS, Mixture, TicketFile

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
_MASK = 2**64 - 1


class Expected(NamedTuple):
    """What GET /stats of stub.c must return after it has received rows exactly once."""

    rows: int
    hash: int
    """The sum of `item_hash` over all items, modulo 2^64."""
    superseded: int = 0
    """How many of the rows a later one replaces."""


class Sample:
    """A file on disk, at most as large as one chunk. A benchmark may write any number of its tiles
    of 1,000 rows: the first `size(tiles)` bytes contain them."""

    source = "tickets"

    def __init__(self, path: Path, mixture: Mixture, size: int) -> None:
        self.path = path
        # A TicketFile ends with the tile that reaches the size. A chunk must not be larger than the
        # size, so the last tile is left out.
        made = TicketFile(size, mixture)
        self.tiles = made.tiles - 1
        self._made = made
        path.write_bytes(b"".join(made.blocks(0, made.size_of(self.tiles), 2**20)))
        self._expected = list(_expected(path, self.tiles))

    @staticmethod
    def bytes_per_row_of(mixture: Mixture) -> float:
        return TicketFile(0, mixture).tile_size / TILE_ROWS

    def size(self, tiles: int) -> int:
        return self._made.size_of(tiles)

    def expected(self, tiles: int) -> Expected:
        return self._expected[tiles]


def _expected(path: Path, tiles: int) -> Iterator[Expected]:
    """Yields what is expected after 0, 1, 2, ... tiles."""
    total = 0
    with io.TextIOWrapper(path.open("rb"), encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        yield Expected(0, 0)
        for count, row in enumerate(rows, 1):
            total = (total + item_hash(item_of(row))) & _MASK
            if count % TILE_ROWS == 0:
                yield Expected(count, total)
    if count != tiles * TILE_ROWS:
        raise ValueError(f"{path} has {count} rows instead of {tiles * TILE_ROWS}.")


def item_of(row: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The attributes of a row's item, each with its type and value."""
    return {name: ("N" if name == "quantity" else "S", row[name]) for name in COLUMNS}


def item_hash(item: Mapping[str, tuple[str, str]]) -> int:
    """The hash of an item, as stub.c computes it."""
    attributes = [_attribute_hash(name, kind, value) for name, (kind, value) in item.items()]
    return _mixed(sum(attributes) & _MASK)


@lru_cache(maxsize=4096)  # most values are repeated many times
def _attribute_hash(name: str, kind: str, value: str) -> int:
    value_crc = zlib.crc32(value.encode(), ord(kind))
    return _mixed(zlib.crc32(name.encode()) << 32 | value_crc)


def _mixed(value: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea and Flood, 2014)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
