"""A ticket file of any size that is on no disk: any byte range of it is made when it is read.

It is one tile of 1,000 rows again and again, with the tile's number in every ticket id, so that no
two rows of the file have equal keys. Of the rows 5 % have a quoted field, 1 % one with newlines,
and one row in a thousand is to be refused.
"""

import hashlib
from collections.abc import Iterator

TILE_ROWS = 1_000
BAD_ROWS_PER_TILE = 1
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
_QUOTED = [
    '"Tomatoes, on the vine"',
    '"Sponge ""Super Soft"", twin pack"',
    '"Gift card\nwith envelope"',
    '"Notebook, A5"',
    '"Cheese, ""old""; 300 g"',
]
_CATEGORIES = ["Bakery", "Produce", "Pantry", "Hardware", "Household", ""]
_STORES = ["Lyon", "Zürich", "Leeds North", "Gdańsk", "Málaga", ""]


class TicketFile:
    """A file of at least ``size`` bytes; ends with a whole tile."""

    header = b"ticket_id,product,basket_id,timestamp,category,quantity,store\r\n"

    def __init__(self, size: int) -> None:
        self._tile = _tile()
        self.tiles = -(-(size - len(self.header)) // len(self._tile))
        self.size = len(self.header) + self.tiles * len(self._tile)
        self.rows = self.tiles * TILE_ROWS
        self.etag = hashlib.sha256(f"{self.size}".encode()).hexdigest()[:32]

    def blocks(self, start: int, end: int, block_size: int) -> Iterator[bytes]:
        """The half-open byte range in blocks of ``block_size``; the last may be shorter."""
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
        """From ``position`` to the end of the header or of the tile that it is in."""
        if position < len(self.header):
            return self.header[position:]
        number, offset = divmod(position - len(self.header), len(self._tile))
        return self._tile.replace(_MARK, b"%08d" % number)[offset:]


def _tile() -> bytes:
    lines = []
    for row in range(TILE_ROWS):
        product = _PRODUCTS[row % len(_PRODUCTS)]
        if row % 20 == 7:
            product = _QUOTED[row // 20 % len(_QUOTED)]
        quantity = BAD_QUANTITY if row < BAD_ROWS_PER_TILE else str(1 + row % 12)
        lines.append(
            f"T{_MARK.decode()}-{row // 4:03d}{'abcd'[row % 4]},{product},"
            f"B{_MARK.decode()}-{row // 8:03d},2026-{1 + row % 12:02d}-{1 + row % 28:02d}"
            f"T{8 + row % 12:02d}:{row % 60:02d}:00Z,{_CATEGORIES[row % len(_CATEGORIES)]},"
            f"{quantity},{_STORES[row % len(_STORES)]}\r\n"
        )
    return "".join(lines).encode()
