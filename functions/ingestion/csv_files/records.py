"""Parses single CSV records: RFC 4180, with the deviations that real files have.

- A quote opens a quoted field only at the field's start; elsewhere it is data (``5" pipe``).
- Inside quotes everything is data, including line ends; ``""`` is one quote.
- A line ends at LF, CR LF or CR CR LF. A lone CR is data.
- Text after a closing quote makes its record malformed.
- A byte order mark or a form feed at a record's start is dropped.

``multiline`` decides which records of several lines count as one record. The module works on bytes.
This is safe: it only searches for ASCII bytes, which are never part of a longer UTF-8 character.
"""

import re
from enum import Enum
from typing import NamedTuple

QUOTE = ord('"')
LF = ord("\n")
FORM_FEED = ord("\f")
DELIMITERS = (b",", b";", b"\t", b"|")

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes of the longest record, without its LF. DynamoDB's own limit for an item is 400 KB."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MARKS = re.compile(rb"(?:\xef\xbb\xbf|\f)+")
LINE_END = re.compile(rb"\r{0,2}\n")


class Record(NamedTuple):
    """One record and its place in the text that it was found in."""

    raw: bytes
    """Without its line end."""
    line: int
    """The line it starts at; the text's first line is 1."""
    end: int
    """Bytes from the text's start to the byte after the record's line end."""
    problem: str | None = None
    """Why it is refused before its fields are read: ``stray_quote`` or ``record_too_long``."""

    @property
    def lines(self) -> int:
        """How many lines it takes up."""
        return self.raw.count(b"\n") + 1


class State(Enum):
    """How far a record could be read."""

    CLOSED = "to its end"
    OPEN = "to the end of the text, where it is not over yet"
    MALFORMED = "to text that follows a closing quote"
    TOO_MANY_FIELDS = "to the end of as many fields as were asked for"


class Taken(NamedTuple):
    """How far a record was read, and its whole fields with the quotes around them."""

    state: State
    end: int
    fields: list[bytes]


class MalformedField(NamedTuple):
    """The zero-based field of a record in which text follows a closing quote."""

    field: int


def without_line_end(line: bytes) -> bytes:
    """A line without its line end, if it has one."""
    if not line.endswith(b"\n"):
        return line
    return line[:-1].removesuffix(b"\r").removesuffix(b"\r")


def without_marks(line: bytes) -> bytes:
    """A record without the byte order marks and form feeds at its start."""
    return line[marks_end(line) :]


def marks_end(text: bytes, start: int = 0) -> int:
    """The end of the byte order marks and form feeds at the start of a record."""
    match = _MARKS.match(text, start)
    return match.end() if match else start


def record_pattern(delimiter: bytes, width: int) -> re.Pattern[bytes]:
    """A pattern for a record of ``width`` fields, perhaps with a delimiter at its end, and its line
    end, as ``take_record`` reads it.

    One thing differs: an unquoted last field includes the CRs of the line end.
    """
    mark = re.escape(delimiter)
    field = rb'("(?:[^"]++|"")*+"|[^"\n%b][^\n%b]*+|)' % (mark, mark)
    fields = mark.join([field] * width)
    return re.compile(rb"(?:\xef\xbb\xbf|\f)*+%b(?:%b())?\r{0,2}\n" % (fields, mark))


def fields_of(match: re.Match[bytes]) -> list[bytes]:
    """The fields of a record that ``record_pattern`` matches, with the quotes around them.

    A delimiter at the record's end adds an empty field, as in ``take_record``.
    """
    fields = list(match.groups())
    if fields[-1] is None:  # no delimiter at the end
        fields.pop()
    if fields[-1].endswith(b"\r"):
        fields[-1] = fields[-1].removesuffix(b"\r").removesuffix(b"\r")
    return fields


def take_record(
    text: bytes, start: int, stop: int, delimiter: bytes, max_fields: int, *, complete: bool
) -> Taken:
    """Read the record that begins at ``start``, however many lines it has.

    ``text`` is read up to ``stop``. If it is ``complete``, a record may end there without line end.
    """
    at = marks_end(text, start)
    return take_fields(text, at, stop, delimiter, max_fields, complete=complete)


def take_fields(
    text: bytes, at: int, stop: int, delimiter: bytes, max_fields: int, *, complete: bool
) -> Taken:
    """Read a record like ``take_record``, but from the start of any of its fields."""
    fields: list[bytes] = []
    newline = text.find(b"\n", at, stop)
    while len(fields) < max_fields:
        if at < stop and text[at] == QUOTE:
            end = closing_quote(text, at + 1, stop) + 1
            if not end or (end == stop and not complete):
                return Taken(State.OPEN, stop, fields)
            fields.append(text[at:end])
            if end == stop:
                return Taken(State.CLOSED, end, fields)
            if text[end] != delimiter[0]:
                line_end = LINE_END.match(text, end, stop)
                if line_end:
                    return Taken(State.CLOSED, line_end.end(), fields)
                return Taken(State.MALFORMED, end, fields)
            if newline < end:
                newline = text.find(b"\n", end, stop)
        else:
            end = text.find(delimiter, at, stop if newline < 0 else newline)
            if end < 0 and newline < 0:
                if not complete:
                    return Taken(State.OPEN, stop, fields)
                return Taken(State.CLOSED, stop, [*fields, text[at:stop]])
            if end < 0:
                fields.append(without_line_end(text[at : newline + 1]))
                return Taken(State.CLOSED, newline + 1, fields)
            fields.append(text[at:end])
        at = end + 1
    return Taken(State.TOO_MANY_FIELDS, at, fields)


def closing_quote(text: bytes, at: int, stop: int) -> int:
    """The position of the quote that closes a field, or -1. ``at`` is after the opening one."""
    quote = text.find(b'"', at, stop)
    while quote >= 0 and quote + 1 < stop and text[quote + 1] == QUOTE:
        quote = text.find(b'"', quote + 2, stop)
    return quote


def values_of(fields: list[bytes]) -> list[bytes]:
    """The values of the fields that ``take_record`` returns, without their quotes."""
    return [one[1:-1].replace(b'""', b'"') if one.startswith(b'"') else one for one in fields]


def split_fields(raw: bytes, delimiter: bytes) -> list[bytes] | MalformedField:
    """The values, without quotes, of the fields of a record without marks and line end."""
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
