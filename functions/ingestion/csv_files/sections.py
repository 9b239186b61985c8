"""Reads a chunk as sections: stretches of whole records, about one block long each.

The sections cover every byte of the chunk, including the file's end mark. Memory: one block, plus
up to twice MAX_RECORD_BYTES where a closing quote must be searched for.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from ingestion.csv_files.layout import Layout
from ingestion.csv_files.multiline import Kind, Scan, Special, scan
from ingestion.csv_files.records import MAX_RECORD_BYTES, Record, without_line_end

END_MARK = b"\x1a\x00"
"""Bytes that may follow a file's last record: Ctrl-Z, and NULs as padding."""

_LINE_ENDS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Section:
    """Some whole records of a chunk."""

    text: bytes
    """The text to read, without the end mark. Of a record that is too long, only its start."""
    size: int
    """Bytes that the section takes up in the chunk."""
    special: Sequence[Special] = ()
    """See `Scan`."""
    quoted: Sequence[re.Match[bytes]] | None = None
    """See `Scan`."""
    too_long: bool = False
    """Whether the section is one line that is longer than MAX_RECORD_BYTES."""
    end_mark_lines: int = 0
    """Lines after the text that belong to the end mark."""
    line_ends_left_out: int = 0
    """LFs that belong to the section but are not in its text."""

    @property
    def line_ends(self) -> int:
        """All LFs of the section, including those in fields and in the end mark."""
        return self.text.count(b"\n") + self.line_ends_left_out

    def records(self, start: int = 0, end: int | None = None) -> Iterator[Record]:
        """The records of the section, or of a part that consists of whole records.

        Lines are counted from the part's start, bytes from the section's start.
        """
        text = self.text
        if self.too_long:
            yield Record(text, 1, self.size, "record_too_long")
            return
        stop = len(text) if end is None else end
        line = 1
        at = start
        for one in [*self.special_between(start, stop), Special(stop, stop, Kind.ROW)]:
            while at < one.start:
                line_end = text.find(b"\n", at, one.start) + 1 or one.start
                yield Record(without_line_end(text[at:line_end]), line, self._end(line_end))
                line += 1
                at = line_end
            if one.start < one.end:
                raw = without_line_end(text[one.start : one.end])
                problem = "stray_quote" if one.kind is Kind.STRAY_QUOTE else None
                record = Record(raw, line, self._end(one.end), problem)
                yield record
                line += record.lines
                at = one.end

    def special_between(self, start: int, end: int) -> Sequence[Special]:
        """The special ranges that begin in `[start, end)`."""
        if not self.special:
            return ()
        first = bisect_left(self.special, start, key=attrgetter("start"))
        return self.special[first : bisect_left(self.special, end, key=attrgetter("start"))]

    def quoted_between(self, start: int, end: int) -> Sequence[re.Match[bytes]] | None:
        """The quoted records that begin in `[start, end)`, or None as for `quoted`."""
        if self.quoted is None or (start == 0 and end == len(self.text)):
            return self.quoted
        first = bisect_left(self.quoted, start, key=re.Match.start)
        return self.quoted[first : bisect_left(self.quoted, end, key=re.Match.start)]

    def before(self, position: int) -> "Section":
        """The section up to `position`, where a record must end."""
        if position == self.size:
            return self
        return Section(
            self.text[:position],
            position,
            self.special_between(0, position),
            self.quoted_between(0, position),
        )

    def _end(self, position: int) -> int:
        """Where a record ends in the section. The last one includes what follows the text."""
        return self.size if position == len(self.text) else position


def read_sections(blocks: Iterable[bytes], layout: Layout, *, ends_file: bool) -> Iterator[Section]:
    """Reads the sections of a chunk from its blocks. The chunk begins at a record.

    `ends_file` says whether the chunk ends the file, and so may have an end mark.
    """
    return _Reader(blocks, layout, ends_file).sections()


class _Reader:
    def __init__(self, blocks: Iterable[bytes], layout: Layout, ends_file: bool) -> None:
        self._blocks = iter(blocks)
        self._layout = layout
        self._ends_file = ends_file
        self._text = b""
        """Text of the chunk that has been read but is in no section yet."""
        self._complete = False

    def sections(self) -> Iterator[Section]:
        wanted = 1
        while True:
            self._fill(wanted)
            while (long_line := self._long_line()) is not None:
                # A record that reaches into the long line would be too long as well.
                if long_line:
                    yield self._section(self._text[:long_line], complete=True)
                yield from self._read_long_line()
            if self._complete:
                yield from self._last_sections()
                return
            section = self._section(self._text, complete=False)
            if section.size:
                yield section
            # Twice as much each time, so that scanning the same text again costs no more than twice
            # its size in total.
            wanted = max(1, 2 * len(self._text))

    def _fill(self, wanted: int) -> None:
        """Reads at least one block, until there are `wanted` bytes or the chunk ends."""
        pieces = [self._text] if self._text else []
        size = len(self._text)
        for block in self._blocks:
            pieces.append(block)
            size += len(block)
            if size >= wanted:
                break
        else:
            self._complete = True
        self._text = pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _section(self, text: bytes, *, complete: bool) -> Section:
        """Takes a section from the text that has been read, which begins with `text`."""
        if self._ends_file and not complete:
            text = text[: end_mark_start(text)]
        found = scan(text, self._layout, complete=complete)
        self._text = self._text[found.end :]
        return _section(text, found)

    def _last_sections(self) -> Iterator[Section]:
        """The rest of a chunk that has been read to its end."""
        text = self._text
        self._text = b""
        mark_start = end_mark_start(text) if self._ends_file else len(text)
        body, mark = text[:mark_start], text[mark_start:]
        left_out = 0
        if mark and body and not body.endswith(b"\n"):
            # The end mark begins on the last record's line.
            line, line_end, mark = mark.partition(b"\n")
            body += line_end
            left_out = len(line)
        if body:
            found = scan(body, self._layout, complete=True)
            yield replace(_section(body, found), size=len(body) + left_out)
        if mark:
            line_ends = mark.count(b"\n")
            lines = line_ends + (not mark.endswith(b"\n"))
            yield Section(b"", len(mark), end_mark_lines=lines, line_ends_left_out=line_ends)

    def _long_line(self) -> int | None:
        """The start of the first line that is longer than MAX_RECORD_BYTES."""
        text = self._text
        at = 0
        while len(text) - at > MAX_RECORD_BYTES:
            newline = text.rfind(b"\n", at, at + MAX_RECORD_BYTES + 1)
            if newline < 0:
                return at
            at = newline + 1
        return None

    def _read_long_line(self) -> Iterator[Section]:
        """Skips the first line of `self._text`, which is too long."""
        head = self._text[:MAX_RECORD_BYTES]
        block, at, size = self._text, MAX_RECORD_BYTES, 0
        padding = block[at] in END_MARK  # whether only padding follows the head
        while True:
            newline = block.find(b"\n", at)
            line = block[at:] if newline < 0 else block[at:newline]
            padding = padding and not line.strip(END_MARK + b"\r")
            if newline >= 0:
                size += newline + 1
                self._text = block[newline + 1 :]
                break
            size += len(block)
            following = next(self._blocks, None)
            if following is None:
                self._text, self._complete = b"", True
                break
            block, at = following, 0
        line_end = b"" if newline < 0 else b"\n"
        if not (padding and self._ends_file and self._is_over()):
            yield Section(head, size, too_long=True, line_ends_left_out=len(line_end))
            return
        body = head.rstrip(END_MARK)
        if body:
            body += line_end
            yield replace(_section(body, scan(body, self._layout, complete=True)), size=size)
        else:
            yield Section(b"", size, end_mark_lines=1, line_ends_left_out=len(line_end))

    def _is_over(self) -> bool:
        if not self._text and not self._complete:
            self._fill(1)
        return self._complete and not self._text


def _section(text: bytes, found: Scan) -> Section:
    return Section(text[: found.end], found.end, found.special, found.quoted)


def end_mark_start(text: bytes) -> int:
    """The start of the end mark at the end of a text, or the text's end if it has none.

    An end mark of several lines is recognized if it has at most MAX_RECORD_BYTES bytes.
    """
    body = len(text.rstrip(END_MARK + _LINE_ENDS))
    tail = text[body:]
    start = body + len(tail) - len(tail.lstrip(_LINE_ENDS))
    return start if len(text) - start <= MAX_RECORD_BYTES else len(text)
