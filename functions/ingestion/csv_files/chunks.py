"""Decides where to cut a file into chunks, so that each can be read like a file of its own.

A chunk begins at the first plain row at or after each multiple of the chunk size, unless the line
end before it may be escaped. No record of several lines contains such a row after its first line,
so such a cut never splits a record, and it can be found without reading the text before it. If
MAX_SEARCH bytes hold no such row, the file is read from the start of the chunk before, and cut at
the first end of a record at or after the multiple.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

from ingestion.csv_files.layout import Layout
from ingestion.csv_files.multiline import MAX_ESCAPE_BYTES, is_plain_row, may_be_escaped
from ingestion.csv_files.records import MAX_RECORD_BYTES, without_line_end
from ingestion.csv_files.sections import END_MARK, Section

MAX_SEARCH = MAX_RECORD_BYTES
"""Bytes after a multiple of the chunk size that are searched for a plain row."""

_FIRST_READ = 16 * 1024
"""Bytes of the first read in search of a boundary. They usually hold a plain row."""


class Boundary(NamedTuple):
    """Where the chunk that belongs to `multiple` begins.

    `start` is None if it can't be found without reading the file from the chunk before.
    """

    multiple: int
    start: int | None


class BoundaryFinder:
    """Finds boundaries in a stream that begins at `offset` of the file.

    `boundaries` has the boundaries found so far, in order, beginning with the one of `multiple`.
    """

    def __init__(self, offset: int, multiple: int, chunk_size: int, layout: Layout) -> None:
        self.boundaries: list[Boundary] = []
        self._multiple = multiple
        self._chunk_size = chunk_size
        self._layout = layout
        self._text = b""
        self._offset = offset  # of the text
        self._search_from = multiple - 1  # for the LF before the next line

    def feed(self, block: bytes) -> None:
        end = self._offset + len(self._text) + len(block)
        if end <= self._search_from:
            self._text = (self._text + block[-MAX_ESCAPE_BYTES:])[-MAX_ESCAPE_BYTES:]
            self._offset = end - len(self._text)
        else:
            self._text += block
            self._find(complete=False)

    def finish(self) -> None:
        """Notes that the file ends here. There is no boundary after its last plain row."""
        self._find(complete=True)

    def _find(self, *, complete: bool) -> None:
        text, offset = self._text, self._offset
        end = offset + len(text)
        while True:
            newline = text.find(b"\n", max(0, self._search_from - offset))
            start = end if newline < 0 else offset + newline + 1
            if start >= self._multiple + MAX_SEARCH:
                self._add(None)
                continue
            if newline < 0:
                self._forget(end)
                self._search_from = max(self._search_from, end)
                return
            line_end = text.find(b"\n", newline + 1) + 1
            line = text[newline + 1 : line_end or len(text)]
            if not (line_end or complete or len(line) > MAX_RECORD_BYTES):
                self._forget(offset + newline)
                self._search_from = max(self._search_from, offset + newline)
                return
            row = without_line_end(line)
            # Where rows have one field, a line of an end mark looks like a row.
            if (
                row.strip(END_MARK)
                and is_plain_row(row, self._layout)
                and not may_be_escaped(text, newline, self._layout.syntax)
            ):
                self._add(start)
            else:
                self._search_from = offset + line_end - 1 if line_end else end

    def _forget(self, position: int) -> None:
        """Forgets the text before `position` of the file, except what `may_be_escaped`
        needs."""
        kept = max(0, position - self._offset - MAX_ESCAPE_BYTES)
        self._text, self._offset = self._text[kept:], self._offset + kept

    def _add(self, start: int | None) -> None:
        self.boundaries.append(Boundary(self._multiple, start))
        reached = self._multiple if start is None else start
        self._multiple = next_multiple(reached, self._chunk_size)
        self._search_from = max(self._search_from, self._multiple - 1)


def next_multiple(offset: int, chunk_size: int) -> int:
    """The first multiple of the chunk size after an offset."""
    return (offset // chunk_size + 1) * chunk_size


def find_boundary(
    read: Callable[[int, int], bytes], multiple: int, end: int, chunk_size: int, layout: Layout
) -> Boundary | None:
    """Finds the boundary of one multiple with a few small reads.

    `read` returns the bytes of a half-open range of the file, which ends at `end`. Returns None
    if the file ends before a boundary.
    """
    at, size = max(0, multiple - 1 - MAX_ESCAPE_BYTES), _FIRST_READ
    finder = BoundaryFinder(at, multiple, chunk_size, layout)
    while not finder.boundaries and at < end:
        until = min(end, at + size)
        finder.feed(read(at, until))
        at = until
        size *= 4
        if at == end:
            finder.finish()
    return finder.boundaries[0] if finder.boundaries else None


def cut(
    start: int,
    end: int,
    boundaries: Iterable[Boundary],
    sections_from: Callable[[int], Generator[Section]],
) -> list[tuple[int, int]]:
    """The half-open byte ranges of a file's chunks. Its rows are in `[start, end)`.

    `sections_from` reads the file from the start of a chunk to the end of the file.
    """
    starts = [start]
    unknown: list[int] = []
    for boundary in [*boundaries, Boundary(end, end)]:
        if boundary.start is None:
            unknown.append(boundary.multiple)
            continue
        if unknown:
            with closing(sections_from(starts[-1])) as sections:
                for record_end in _first_ends(sections, starts[-1], unknown):
                    if record_end > starts[-1]:
                        starts.append(record_end)
            unknown = []
        if boundary.start > starts[-1]:
            starts.append(boundary.start)
    starts = [one for one in starts if one < end]
    return list(pairwise([*starts, end]))


def _first_ends(
    sections: Iterable[Section], offset: int, multiples: Sequence[int]
) -> Iterator[int]:
    """For each multiple, the first record end at or after it, unless only an end mark follows."""
    wanted = iter(multiples)
    multiple = next(wanted)
    for section in sections:
        if section.end_mark_lines:
            return  # it may begin on the last record's line, so the two must not be separated
        ends = [offset]  # of the record before the section
        if multiple < offset + section.size:
            ends += [offset + record.end for record in section.records()][:-1]
        for record_end in ends:
            while record_end >= multiple:
                yield record_end
                following = next(wanted, None)
                if following is None:
                    return
                multiple = following
        offset += section.size
