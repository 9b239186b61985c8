"""Where CSV records begin and end, and what their fields are: RFC 4180, as real files have it.

One definition, shared by the planner (``chunks``) and the writer (``writing``):

- A quote opens a quoted field only at the field's start; elsewhere it is data (``5" pipe``).
- Inside quotes everything is data, newlines too; ``""`` is one quote.
- A record ends at LF or CRLF outside quotes, or at the end of the file. A lone CR is data.
- Text after a closing quote belongs to the field and makes its record malformed.
- A line is what a count of LF says.

The module works on bytes: every byte it looks for is ASCII, and in UTF-8 no byte of a longer
character is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

QUOTE = ord('"')
DELIMITERS = (b",", b";", b"\t", b"|")

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes after which a record is given up. DynamoDB's own limit for an item is 400 KB."""

_LAST_BYTE = itemgetter(slice(-1, None))


class QuoteScanner:
    """Tells, block after block, which bytes of a stream stand outside quotes.

    The stream must start at a record's start. State is carried from block to block, so blocks may
    be cut anywhere, even between the two halves of ``""``.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._opens_after = _opens_after(delimiter)
        self._may_precede = {b"", delimiter, b"\n"}
        self._opening = re.compile(b'[%b\n]"' % re.escape(delimiter))
        self._inside = False
        self._quote_pending = False
        self._previous = ord("\n")

    @property
    def inside_quotes(self) -> bool:
        """Whether the stream, if it ended here, would end within an unclosed quote."""
        return self._inside and not self._quote_pending

    def outside(self, block: bytes) -> list[tuple[int, int]]:
        """The half-open ranges of this block that are outside quotes, in order.

        An LF within such a range ends a record; no other LF does.
        """
        if not block:
            return []
        # One search for a single byte, which is C's memchr, finds each quote; the byte beside it
        # tells what the quote does. Where quotes are many they may all be data, so the next one
        # that opens a field is looked for instead.
        find = block.find
        find_opening = self._opening.search
        size = len(block)
        many = _many_quotes(block)
        opens_after = self._opens_after
        inside = self._inside
        ranges = []
        first = position = 0  # of the range outside quotes, and of what is still to be searched
        if self._quote_pending:
            self._quote_pending = False
            if block[0] == QUOTE:
                position = 1
            else:
                inside = False
        elif not inside and block[0] == QUOTE:
            inside = self._previous in opens_after
            position = 1
        self._previous = block[-1]
        while True:
            if many and not inside:
                match = find_opening(block, position)
                quote = match.end() - 1 if match else -1
            else:
                quote = find(b'"', position)
            if quote < 0:
                if not inside:
                    ranges.append((first, size))
                break
            position = quote + 1
            if not inside:
                if block[quote - 1] in opens_after:
                    inside = True
                    ranges.append((first, quote))
            elif position == size:
                self._quote_pending = True
                break
            elif block[position] == QUOTE:
                position += 1
            else:
                inside = False
                first = position
        self._inside = inside
        return ranges

    def pass_over(self, block: bytes) -> int:
        """Read a block as ``outside`` does. Answers the index after its last record end, or 0."""
        if _many_quotes(block):
            end = self._toggle(block)
            if end is not None:
                return end
        return last_record_end(block, self.outside(block))

    def _toggle(self, block: bytes) -> int | None:
        """``pass_over`` for a block with many quotes, some five times as fast as one by one. None,
        and nothing is changed, if a quote in it is data.

        If none is, each quote leads from outside quotes into them or out again; a ``""`` within
        quotes does both at once. So every second piece between quotes is outside; and if each of
        these is empty, or ends with what a quote opens after, then no quote was data.
        """
        pieces = block.split(b'"')
        start = 1 if self.inside_quotes else 0  # the first piece outside
        if start == 0 and block[0] == QUOTE and self._previous not in self._opens_after:
            return None
        outside = pieces[start::2]
        ends_outside = len(pieces) % 2 != start
        before_quotes = outside[:-1] if ends_outside else outside
        if not set(map(_LAST_BYTE, before_quotes)) <= self._may_precede:
            return None
        self._quote_pending = ends_outside and block[-1] == QUOTE
        self._inside = self._quote_pending or not ends_outside
        self._previous = block[-1]
        joined = b'"'.join(outside)
        newline = joined.rfind(b"\n")
        if newline < 0:
            return 0
        at = start + 2 * joined.count(b'"', 0, newline)  # the piece with the last record end
        after = [pieces[at].rpartition(b"\n")[2], *pieces[at + 1 :]]
        return len(block) - len(b'"'.join(after))


def _many_quotes(block: bytes) -> bool:
    """Whether a byte in 32 is a quote, judged by the block's beginning."""
    return block.count(b'"', 0, 4096) * 32 > min(len(block), 4096)


def _opens_after(delimiter: bytes) -> tuple[int, int]:
    """The bytes right behind which a quote opens a field; it does at a stream's start, too."""
    return delimiter[0], ord("\n")


def last_record_end(block: bytes, outside: Sequence[tuple[int, int]]) -> int:
    """The index after the last LF in the ranges ``outside`` of a block, 0 if there is none."""
    for first, last in reversed(outside):
        newline = block.rfind(b"\n", first, last)
        if newline >= 0:
            return newline + 1
    return 0


class Record(NamedTuple):
    """One record with its place in the stream."""

    raw: bytes
    """Without its line end."""
    line: int
    """The line it starts at; the stream's first line is 1."""
    end: int
    """Bytes from the stream's start to the byte after the record's line end."""
    problem: str | None = None
    """Set for the rest of a stream that can't be read as a record: ``unclosed_quote`` (the stream
    ends within quotes) or ``record_too_long`` (over MAX_RECORD_BYTES). Nothing follows."""

    @property
    def lines(self) -> int:
        """LFs in the record, the one at its end not counted."""
        return self.raw.count(b"\n")


def read_records(blocks: Iterable[bytes], delimiter: bytes) -> Iterator[Record]:
    """The records of a stream of blocks that starts at a record's start.

    Blank lines come as records with empty ``raw``. Memory: one block and one record.
    """
    scanner = QuoteScanner(delimiter)
    carried = bytearray()
    line = 1
    end = 0
    for block in blocks:
        begin = 0
        for first, last in scanner.outside(block):
            newline = block.find(b"\n", first, last)
            while newline >= 0:
                raw = block[begin:newline]
                if carried:
                    raw = bytes(carried) + raw
                    carried.clear()
                end += len(raw) + 1
                if len(raw) > MAX_RECORD_BYTES:
                    yield Record(raw, line, end, "record_too_long")
                    return
                lines = raw.count(b"\n") + 1
                yield Record(raw.removesuffix(b"\r"), line, end)
                line += lines
                begin = newline + 1
                newline = block.find(b"\n", begin, last)
        carried += block[begin:]
        if len(carried) > MAX_RECORD_BYTES:
            yield Record(bytes(carried), line, end + len(carried), "record_too_long")
            return
    if carried:
        problem = "unclosed_quote" if scanner.inside_quotes else None
        yield Record(bytes(carried), line, end + len(carried), problem)


class WholeRecords:
    """Iterates over a stream of blocks as texts of whole records, about one block each.

    The stream starts at a record's start, and so does each text; it ends with an LF, or where the
    stream ends. One after the other the texts are the stream, but for what can't be read as a
    record: that is in ``rest``, and ``problem`` says why, as ``Record.problem`` does. Both are set
    when the iteration is over. Memory: two blocks and one record.
    """

    def __init__(self, blocks: Iterable[bytes], delimiter: bytes) -> None:
        self._blocks = blocks
        self._scanner = QuoteScanner(delimiter)
        self.rest = b""
        self.problem: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        carried = bytearray()
        for block in _at_most(MAX_RECORD_BYTES, self._blocks):
            outside = self._scanner.outside(block)
            end = last_record_end(block, outside)
            # Only the record that began in an earlier block can be too long.
            if end and len(carried) + end > MAX_RECORD_BYTES:
                newline = _first_newline(block, outside)
                if len(carried) + newline > MAX_RECORD_BYTES:
                    self.rest = bytes(carried) + block[:newline]
                    self.problem = "record_too_long"
                    return
            if end:
                yield b"".join((carried, memoryview(block)[:end]))
                carried.clear()
            carried += memoryview(block)[end:]
            if len(carried) > MAX_RECORD_BYTES:
                self.rest = bytes(carried)
                self.problem = "record_too_long"
                return
        if self._scanner.inside_quotes:
            self.rest = bytes(carried)
            self.problem = "unclosed_quote"
        elif carried:
            yield bytes(carried)


def _at_most(size: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The stream in blocks of at most ``size`` bytes."""
    for block in blocks:
        if len(block) <= size:
            yield block
        else:
            for at in range(0, len(block), size):
                yield block[at : at + size]


def _first_newline(block: bytes, outside: Sequence[tuple[int, int]]) -> int:
    """Where the first record end is, in a block that has one outside quotes."""
    return next(
        newline for first, last in outside if (newline := block.find(b"\n", first, last)) >= 0
    )


def quoted_records(text: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """The half-open ranges of the records that have a quoted field, in order, line ends included.

    ``text`` holds whole records, as WholeRecords gives them. What is not in these ranges has no
    quote but those that are data: each LF there ends a record.
    """
    find = text.find
    size = len(text)
    opens_after = _opens_after(delimiter)
    start = position = 0  # at or before the record's start; what is still to be searched
    while True:
        quote = find(b'"', position)
        if quote < 0:
            return
        position = quote + 1
        if quote and text[quote - 1] not in opens_after:
            continue
        start = max(start, text.rfind(b"\n", start, quote) + 1)
        end = 0
        while not end:
            # A quote has opened a field.
            while True:
                quote = find(b'"', position)
                if quote < 0:
                    raise ValueError(
                        "The text ends within quotes, so its last record is not whole."
                    )
                position = quote + 1
                if position == size or text[position] != QUOTE:
                    break
                position += 1
            # It is closed. Does another one open in this record?
            end = find(b"\n", position) + 1 or size
            while True:
                quote = find(b'"', position, end)
                if quote < 0:
                    break
                position = quote + 1
                if text[quote - 1] in opens_after:
                    end = 0
                    break
        yield start, end
        start = position = end


def line_of_problem(record: Record, delimiter: bytes) -> int:
    """The line, in the stream, at which a record's problem begins: where the quote that is still
    open at its end was opened, or else where the record begins."""
    scanner = QuoteScanner(delimiter)
    ranges = scanner.outside(record.raw)
    if not scanner.inside_quotes:
        return record.line
    opening = ranges[-1][1] if ranges else 0
    return record.line + record.raw.count(b"\n", 0, opening)


class MalformedField(NamedTuple):
    """The zero-based field of a record in which text follows a closing quote."""

    field: int


def split_fields(raw: bytes, delimiter: bytes) -> list[bytes] | MalformedField:
    """The values of the fields of a record without problem, quotes taken off."""
    if b'"' not in raw:
        return raw.split(delimiter)
    fields = []
    position = 0
    while True:
        if raw[position : position + 1] == b'"':
            closing = raw.index(b'"', position + 1)
            while raw[closing + 1 : closing + 2] == b'"':
                closing = raw.index(b'"', closing + 2)
            fields.append(raw[position + 1 : closing].replace(b'""', b'"'))
            end = closing + 1
            if end < len(raw) and raw[end : end + 1] != delimiter:
                return MalformedField(len(fields) - 1)
        else:
            end = raw.find(delimiter, position)
            if end < 0:
                end = len(raw)
            fields.append(raw[position:end])
        if end == len(raw):
            return fields
        position = end + 1
