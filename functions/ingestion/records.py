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

from collections.abc import Iterable, Iterator
from typing import NamedTuple

QUOTE = ord('"')
DELIMITERS = (b",", b";", b"\t", b"|")

LONGEST_RECORD = 1024 * 1024
"""Bytes after which a record is given up. DynamoDB's own limit for an item is 400 KB."""


class QuoteScanner:
    """Tells, block after block, which bytes of a stream stand outside quotes.

    The stream must start at a record's start. State is carried from block to block, so blocks may
    be cut anywhere, even between the two halves of ``""``.
    """

    def __init__(self, delimiter: bytes) -> None:
        self._after_delimiter = delimiter + b'"'
        self._opens_after = (delimiter[0], ord("\n"))
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
        if not self._inside and block.find(b'"') < 0:
            self._previous = block[-1]
            return [(0, len(block))]
        ranges = []
        position = 0
        after_delimiter = after_newline = -2  # next opening quotes found; -2: not searched yet
        if self._quote_pending:
            self._quote_pending = False
            if block[0] == QUOTE:
                position = 1
            else:
                self._inside = False
        elif not self._inside and block[0] == QUOTE and self._previous in self._opens_after:
            self._inside = True
            position = 1
        while position < len(block):
            if self._inside:
                quote = block.find(b'"', position)
                if quote < 0:
                    break
                if quote + 1 == len(block):
                    self._quote_pending = True
                    break
                if block[quote + 1] == QUOTE:
                    position = quote + 2
                else:
                    self._inside = False
                    position = quote + 1
            else:
                # A quote can't open right behind a closing one, so each search may start at the
                # byte before the next candidate, which is at or after ``position``.
                if -1 != after_delimiter < position:
                    after_delimiter = block.find(self._after_delimiter, position)
                if -1 != after_newline < position:
                    after_newline = block.find(b'\n"', position)
                found = [at for at in (after_delimiter, after_newline) if at >= 0]
                if not found:
                    ranges.append((position, len(block)))
                    break
                opening = min(found) + 1
                ranges.append((position, opening))
                self._inside = True
                position = opening + 1
        self._previous = block[-1]
        return ranges


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
    ends within quotes) or ``record_too_long`` (given up after LONGEST_RECORD). Nothing follows."""

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
                if len(raw) > LONGEST_RECORD:
                    yield Record(raw, line, end, "record_too_long")
                    return
                lines = raw.count(b"\n") + 1
                yield Record(raw.removesuffix(b"\r"), line, end)
                line += lines
                begin = newline + 1
                newline = block.find(b"\n", begin, last)
        carried += block[begin:]
        if len(carried) > LONGEST_RECORD:
            yield Record(bytes(carried), line, end + len(carried), "record_too_long")
            return
    if carried:
        problem = "unclosed_quote" if scanner.inside_quotes else None
        yield Record(bytes(carried), line, end + len(carried), problem)


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
