"""Parses single CSV records: RFC 4180, with the deviations that real files have.

- A quote opens a quoted field only at the field's start; elsewhere it is data (`5" pipe`).
- Inside quotes everything is data, including line ends; `""` is one quote.
- An escape character, if the file has one, makes what follows it data, even a line end outside
  quotes.
- A line ends at LF, CR LF or CR CR LF. A lone CR is data.
- Text after a closing quote makes its record malformed.
- A byte order mark or a form feed at a record's start is dropped.

`multiline` decides which records of several lines count as one record. The module works on bytes,
see `syntax`.
"""

import re
from enum import Enum
from typing import NamedTuple

from ingestion.csv_files.syntax import Syntax

LF = ord("\n")
FORM_FEED = ord("\f")

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
    """Why it is refused before its fields are read: `stray_quote` or `record_too_long`."""

    @property
    def lines(self) -> int:
        """How many lines it takes up."""
        return self.raw.count(b"\n") + 1


class State(Enum):
    """How far a record could be read."""

    CLOSED = "to its end"
    OPEN = "to the end of the text, where the record is still open"
    ESCAPED = "to an escape character at the end of the text, outside quotes"
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


def fields_of(match: re.Match[bytes]) -> list[bytes]:
    """The fields of a record that `Syntax.record_pattern` matches, with the quotes around them.

    A delimiter at the record's end adds an empty field, as in `take_record`.
    """
    fields = list(match.groups())
    if fields[-1] is None:  # no delimiter at the end
        fields.pop()
    if fields[-1].endswith(b"\r"):
        fields[-1] = fields[-1].removesuffix(b"\r").removesuffix(b"\r")
    return fields


def is_comment(text: bytes, syntax: Syntax, start: int = 0) -> bool:
    """Whether a comment begins at `start`, where a record could begin."""
    comment = syntax.comment
    return comment is not None and text.startswith(comment, marks_end(text, start))


def take_record(
    text: bytes, start: int, stop: int, syntax: Syntax, max_fields: int, *, complete: bool
) -> Taken:
    """Reads the record that begins at `start`, however many lines it has.

    `text` is read up to `stop`. If it is `complete`, a record may end there without line end.
    """
    at = marks_end(text, start)
    return take_fields(text, at, stop, syntax, max_fields, complete=complete)


def take_fields(
    text: bytes, at: int, stop: int, syntax: Syntax, max_fields: int, *, complete: bool
) -> Taken:
    """Reads a record like `take_record`, but from the start of any of its fields."""
    if not syntax.is_simple:
        return _take_any_fields(text, at, stop, syntax, max_fields, complete=complete)
    delimiter = syntax.delimiter
    quote = syntax.quote_byte
    fields: list[bytes] = []
    newline = text.find(b"\n", at, stop)
    while len(fields) < max_fields:
        if at < stop and text[at] == quote:
            end = quoted_end(text, at + 1, stop, syntax)
            if end < 0 or (end == stop and not complete):
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


def _take_any_fields(
    text: bytes, at: int, stop: int, syntax: Syntax, max_fields: int, *, complete: bool
) -> Taken:
    """Reads fields like `take_fields`, in any syntax."""
    fields: list[bytes] = []
    while len(fields) < max_fields:
        if syntax.skip_initial_space:
            while text.startswith(b" ", at, stop):
                at += 1
        quoted = syntax.quote is not None and text.startswith(syntax.quote, at, stop)
        if quoted:
            end = quoted_end(text, at + len(syntax.quote or b""), stop, syntax)
            if end < 0:
                return Taken(State.OPEN, stop, fields)
        else:
            end = unquoted_end(text, at, stop, syntax)
        if end == stop:
            if not complete:
                return Taken(State.OPEN, stop, fields)
            return Taken(State.CLOSED, stop, [*fields, text[at:stop]])
        if text.startswith(syntax.delimiter, end, stop):
            fields.append(text[at:end])
            at = end + len(syntax.delimiter)
            continue
        if quoted:
            fields.append(text[at:end])
            line_end = LINE_END.match(text, end, stop)
            if line_end:
                return Taken(State.CLOSED, line_end.end(), fields)
            return Taken(State.MALFORMED, end, fields)
        if text[end] != LF:
            return Taken(State.ESCAPED, stop, fields)
        fields.append(without_line_end(text[at : end + 1]))
        return Taken(State.CLOSED, end + 1, fields)
    return Taken(State.TOO_MANY_FIELDS, at, fields)


def quoted_end(text: bytes, at: int, stop: int, syntax: Syntax) -> int:
    """The end of the quote that closes a field, or -1. `at` is after the opening one."""
    if not syntax.is_simple:
        match = syntax.within_quotes.match(text, at, stop)
        return match.end() if match else -1
    quote, quote_byte = syntax.opening, syntax.quote_byte
    found = text.find(quote, at, stop)
    while found >= 0 and found + 1 < stop and text[found + 1] == quote_byte:
        found = text.find(quote, found + 2, stop)
    return found + 1 or -1


def unquoted_end(text: bytes, at: int, stop: int, syntax: Syntax) -> int:
    """The end of an unquoted field, with the CRs of a line end after it. `at` is within it.

    It ends at a delimiter, an LF, an escape character with nothing after it, or `stop`.
    """
    match = syntax.unquoted.match(text, at, stop)
    return match.end() if match else at


def split_fields(raw: bytes, syntax: Syntax) -> list[bytes] | MalformedField:
    """The values, without quotes, of the fields of a record without marks and line end."""
    if not syntax.is_simple or syntax.null_sequence is not None:
        fields = split_as_written(raw, syntax)
        return fields if isinstance(fields, MalformedField) else syntax.values_of(fields)
    quote, delimiter = syntax.opening, syntax.delimiter
    if quote not in raw:
        return raw.split(delimiter)
    fields = []
    position = 0
    while True:
        if raw[position : position + 1] == quote:
            closing = raw.index(quote, position + 1)
            while raw[closing + 1 : closing + 2] == quote:
                closing = raw.index(quote, closing + 2)
            fields.append(raw[position + 1 : closing].replace(quote + quote, quote))
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


def split_as_written(raw: bytes, syntax: Syntax) -> list[bytes] | MalformedField:
    """The fields of a record without marks and line end, with their quotes and escape characters.

    `Syntax.values_of` returns their values.
    """
    if not syntax.has_special(raw, len(raw)):
        return syntax.split(raw)
    taken = take_fields(raw, 0, len(raw), syntax, len(raw) + 1, complete=True)
    if taken.state is State.MALFORMED:
        return MalformedField(len(taken.fields) - 1)
    return taken.fields
