"""A ticket file of any size that is never on disk: each byte range is generated when it is read.

It repeats one tile of 1,000 rows. Every ticket id contains the number of its tile, so no two rows
of the file have equal keys. A `Mixture` sets what the rows contain.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

TILE_ROWS = 1_000
BAD_QUANTITY = "two"

_MARK = b"@@@@@@@@"
_PRODUCTS = [
    "Baguette",
    "Jalapeños 250 g",
    "Olive oil extra virgin",
    'Pipe 5" copper',
    "Müsli crunchy",
    "Paper towels pack of 6",
    "味噌 miso",
    "Rye bread sliced",
]
_QUOTED_FIELDS = [
    '"Tomatoes, on the vine"',
    '"Sponge ""Super Soft"", twin pack"',
    '"Gift card\nwith envelope"',
    '"Notebook, A5"',
    '"Cheese, ""old""; 300 g"',
]
_CATEGORIES = ["Bakery", "Produce", "Pantry", "Hardware", "Household", ""]
_STORES = ["Lyon", "Zürich", "Leeds North", "Gdańsk", "Málaga", ""]


class Mixture(NamedTuple):
    """What the rows of a file contain besides plain fields."""

    quoted_percent: int
    """The percentage of rows with a quoted field, 0 or 5. One in five of these fields contains a
    newline."""
    inch_marks: bool
    """Whether one row in eight has a quote as data within an unquoted field."""
    bad_rows: int
    """The number of rows per tile that must be refused."""


EVERYTHING = Mixture(5, True, 1)
NO_QUOTES = Mixture(0, False, 0)
QUOTED = Mixture(5, False, 0)
QUOTED_AND_INCHES = Mixture(5, True, 0)


class TicketFile:
    """A file of at least `size` bytes, which ends with a whole tile."""

    header = b"ticket_id,product,basket_id,timestamp,category,quantity,store\r\n"

    def __init__(self, size: int, mixture: Mixture = EVERYTHING) -> None:
        self._tile = _tile(mixture)
        self.tile_size = len(self._tile)
        self.tiles = -(-(size - len(self.header)) // self.tile_size)
        self.size = self.size_of(self.tiles)
        self.rows = self.tiles * TILE_ROWS
        self.etag = hashlib.sha256(f"{self.size} {mixture}".encode()).hexdigest()[:32]

    def size_of(self, tiles: int) -> int:
        """The size in bytes of the header and of this number of tiles."""
        return len(self.header) + tiles * self.tile_size

    def blocks(self, start: int, end: int, block_size: int) -> Iterator[bytes]:
        """Yields the bytes from `start` to before `end` in blocks of `block_size`; the last
        one may be shorter."""
        buffer = bytearray()
        position = start
        while position < end or buffer:
            while position < end and len(buffer) < block_size:
                piece = self._piece(position)[: end - position]
                buffer += piece
                position += len(piece)
            yield bytes(buffer[:block_size])
            del buffer[:block_size]

    def _piece(self, position: int) -> bytes:
        """The bytes from `position` to the end of the header or of the tile that contains it."""
        if position < len(self.header):
            return self.header[position:]
        number, offset = divmod(position - len(self.header), self.tile_size)
        return self._tile.replace(_MARK, b"%08d" % number)[offset:]


def _tile(mixture: Mixture) -> bytes:
    lines = []
    for row in range(TILE_ROWS):
        product = _PRODUCTS[row % len(_PRODUCTS)]
        if not mixture.inch_marks:
            product = product.replace('"', " inch")
        if mixture.quoted_percent and row % 20 == 7:
            product = _QUOTED_FIELDS[row // 20 % len(_QUOTED_FIELDS)]
        quantity = BAD_QUANTITY if row < mixture.bad_rows else str(1 + row % 12)
        lines.append(
            f"T{_MARK.decode()}-{row // 4:03d}{'abcd'[row % 4]},{product},"
            f"B{_MARK.decode()}-{row // 8:03d},2026-{1 + row % 12:02d}-{1 + row % 28:02d}"
            f"T{8 + row % 12:02d}:{row % 60:02d}:00Z,{_CATEGORIES[row % len(_CATEGORIES)]},"
            f"{quantity},{_STORES[row % len(_STORES)]}\r\n"
        )
    return "".join(lines).encode()
