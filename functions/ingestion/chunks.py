"""The plan: a file's data part cut into byte ranges that begin and end at records."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ingestion.records import QuoteScanner


@dataclass(frozen=True)
class Chunk:
    """A half-open byte range of one object version that begins and ends at records."""

    index: int
    bucket: str
    key: str
    version: str | None
    start: int
    end: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def cut_at_records(
    blocks: Iterable[bytes], start: int, chunk_size: int, delimiter: bytes
) -> Iterator[tuple[int, int]]:
    """Half-open ranges that tile the stream exactly, each ending at the first record end that
    makes it at least ``chunk_size`` bytes long (the last one is what remains).

    ``start`` is the offset in the object of the first byte of ``blocks``, a record's start. A quote
    that is never closed makes the rest of the file one range. Memory: one block.
    """
    scanner = QuoteScanner(delimiter)
    range_start = start
    offset = start
    for block in blocks:
        for first, last in scanner.outside(block):
            while True:
                # The LF must be the range's last byte or beyond.
                earliest = max(first, range_start + chunk_size - 1 - offset)
                newline = block.find(b"\n", earliest, last) if earliest < last else -1
                if newline < 0:
                    break
                range_end = offset + newline + 1
                yield range_start, range_end
                range_start = range_end
        offset += len(block)
    if range_start < offset:
        yield range_start, offset
