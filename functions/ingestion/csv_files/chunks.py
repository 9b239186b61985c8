"""The plan: a file's data part cut into byte ranges that begin and end at records."""

from collections.abc import Iterable, Iterator

from ingestion.csv_files.records import QuoteScanner, last_record_end


class Cutter:
    """Cuts a stream that starts at a record's start into ranges of at least ``chunk_size`` bytes.

    Each range ends at the first record end that makes it long enough. ``start`` is the offset of
    the stream's first byte. Memory: nothing but the state.
    """

    def __init__(self, start: int, chunk_size: int, delimiter: bytes) -> None:
        self._scanner = QuoteScanner(delimiter)
        self._chunk_size = chunk_size
        self._range_start = start
        self._offset = start
        self._last_record_end = start

    def feed(self, block: bytes) -> list[tuple[int, int]]:
        """The half-open ranges that are complete by the end of this block."""
        ranges = []
        if self._offset + len(block) < self._range_start + self._chunk_size:
            end_in_block = self._scanner.pass_over(block)
        else:
            outside = self._scanner.outside(block)
            for first, last in outside:
                while True:
                    # The LF must be the range's last byte or beyond.
                    earliest = max(first, self._range_start + self._chunk_size - 1 - self._offset)
                    newline = block.find(b"\n", earliest, last) if earliest < last else -1
                    if newline < 0:
                        break
                    end = self._offset + newline + 1
                    ranges.append((self._range_start, end))
                    self._range_start = end
            end_in_block = last_record_end(block, outside)
        if end_in_block:
            self._last_record_end = self._offset + end_in_block
        self._offset += len(block)
        return ranges

    def finish(self, *, broken: bool = False) -> list[tuple[int, int]]:
        """The last range, if anything is left. A stream that broke off ends with its last whole
        record, since half a record could be taken for a row. Otherwise a quote that is never closed
        makes the rest of the stream one range."""
        end = self._last_record_end if broken else self._offset
        return [(self._range_start, end)] if self._range_start < end else []


def cut_at_records(
    blocks: Iterable[bytes], start: int, chunk_size: int, delimiter: bytes
) -> Iterator[tuple[int, int]]:
    """Half-open ranges that tile the stream of ``blocks`` exactly, see Cutter."""
    cutter = Cutter(start, chunk_size, delimiter)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.finish()
