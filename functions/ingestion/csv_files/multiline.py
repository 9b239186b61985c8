"""Which records of several lines stand, and which lines have a stray quote.

Fields may span lines, so a quote that should not be there can join many rows. A *valid* row has the
file's number of fields, each fitting its column. A *plain row* is a line that, read by itself, is
closed at its end, is valid, and has no quote in an unquoted field. A record of several lines stands
only if

(a) it is closed within MAX_RECORD bytes and before its chunk ends, and is valid;
(b) no line after its first is a plain row, and no line between its first and last is valid by
    itself;
(c) it can't be two rows that a stray quote joined: no field has a line that ends as a row ends
    and a last line that begins as a row begins.

If it does not stand, its first line is refused, and reading restarts at its second line with no
quote open. A record that is closed and has the right number of fields, but whose values are refused
and of whose lines none becomes a row either, remains one record.

(b) and (c) apply where ``Layout.judges_line_ends`` says so.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ingestion.csv_files.layout import Layout
from ingestion.csv_files.records import (
    BYTE_ORDER_MARK,
    FORM_FEED,
    LF,
    MAX_RECORD,
    NotTaken,
    Taken,
    closing_quote,
    fields_of,
    take_record,
    values_of,
    without_line_end,
    without_marks,
)

_MARK_ENDS = BYTE_ORDER_MARK[-1:] + b"\f"
_MANY_QUOTES = 32


class Multiline(NamedTuple):
    """A record of several lines, or the first line of what only looked like one.

    A half-open range of a text, its last line end included.
    """

    start: int
    end: int
    stands: bool
    """If not, the range is a single line with a stray quote."""
    doubtful: bool = False
    """Whether the record of several lines that begins here was valid and failed (b) or (c), or
    could not be judged by them."""


class _NeedsMore(Exception):
    """What follows the text decides."""


def is_plain_row(line: bytes, layout: Layout) -> bool:
    """Whether a line, given without its line end, is a plain row. A chunk may begin at one."""
    return _read_line(without_marks(line), layout) == (True, True)


def _read_line(line: bytes, layout: Layout) -> tuple[bool, bool]:
    """Whether a line without marks and line end is by itself a valid row, and a plain one."""
    invalid = False, False
    if line.count(layout.delimiter) < layout.width - 1 or len(line) > MAX_RECORD:
        return invalid
    plain = True
    if b'"' in line:
        taken = take_record(line, 0, len(line), layout.delimiter, layout.width, complete=True)
        if not isinstance(taken, Taken):
            return invalid
        fields = values_of(taken.fields)
        plain = not any(b'"' in one for one in taken.fields if not one.startswith(b'"'))
    else:
        fields = line.split(layout.delimiter)
    if not _is_valid(fields, layout) or not any(fields) or layout.is_header(line):
        return invalid
    return (True, plain) if _is_utf8(line) else invalid


def _is_valid(fields: list[bytes], layout: Layout) -> bool:
    return len(fields) == layout.width and layout.fits(fields)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def find_multiline(text: bytes, layout: Layout, *, complete: bool) -> tuple[list[Multiline], int]:
    """Find the records of several lines, and the lines with a stray quote, of a text.

    The text begins at a record's start. Returns what was found, in order, and how many bytes of the
    text could be read: what follows them depends on what follows the text. All of a ``complete``
    text is read. What lies between the ranges found is records of one line each.
    """
    stop = len(text) if complete else text.rfind(b"\n") + 1
    if text.find(b'"', 0, stop) < 0:
        return [], stop
    openings = None
    # With few quotes, looking at each is as fast.
    if text.count(b'"', 0, 4096) * _MANY_QUOTES >= min(stop, 4096):
        openings = _openings(text if stop == len(text) else text[:stop], layout.delimiter)
    search = _Search(text, stop, layout, complete=complete)
    return search.found, search.run(openings)


def _openings(text: bytes, delimiter: bytes) -> list[int] | None:
    """Where the quotes are that open fields of several lines, if no quote of the text is data.

    If none is, each quote leads into quotes or out of them, and ``""`` within quotes does both. So
    every second piece between quotes is outside. Each of these must begin as a closing quote is
    followed, and end as an opening one is preceded; an empty one is the middle of ``""``. Returns
    None if one does not.
    """
    pieces = text.split(b'"')
    outside, inside = pieces[::2], pieces[1::2]
    starts, ends = (delimiter, b"\n", b"\r\n", b"\r\r\n"), (delimiter, b"\n")
    first, last = outside[0], outside[-1] if len(pieces) % 2 else b""
    between = set(outside[1 : len(inside)])
    if (
        (first and not first.endswith(ends))
        or (last and not last.startswith(starts))
        or not all(not one or (one.startswith(starts) and one.endswith(ends)) for one in between)
    ):
        return None
    openings = []
    position = reached = 0
    for number, piece in enumerate(inside):
        if b"\n" in piece or 2 * number + 2 == len(pieces):
            before = pieces[reached : 2 * number + 1]
            position += len(b'"'.join(before)) + (1 if reached else 0)
            reached = 2 * number + 1
            openings.append(position)
    return openings


class _Search:
    """One pass over a text."""

    def __init__(self, text: bytes, stop: int, layout: Layout, *, complete: bool) -> None:
        self.found: list[Multiline] = []
        self._text = text
        self._stop = stop
        self._complete = complete
        self._layout = layout
        self._no_row_between = 0, 0
        """Two places: of the lines from the first on, that at the second is the first row."""

    def run(self, openings: Sequence[int] | None) -> int:
        """Find everything. Returns up to where the text was read.

        ``openings`` are the quotes that open fields of several lines, if that is known.
        """
        position = 0
        for quote in openings or ():
            start = self._text.rfind(b"\n", 0, quote) + 1
            if start < position:
                continue  # of a record that was found already
            if not self._note(start):
                return start
            position = self.found[-1].end
            if not self.found[-1].stands:
                openings = None  # other quotes open fields from here on
                break
        if openings is not None:
            return self._stop
        while (start := self._next_open_line(position)) < self._stop:
            if not self._note(start):
                return start
            position = self.found[-1].end
        return self._stop

    def _note(self, start: int) -> bool:
        """Judge the record of several lines at ``start``. False if that takes more text."""
        try:
            self.found.append(self._judge(start))
        except _NeedsMore:
            return False
        return True

    def _next_open_line(self, position: int) -> int:
        """Where the next line starts that ends within quotes; lines in which text follows a closing
        quote are passed over. The text's end if there is none."""
        text, stop = self._text, self._stop
        opens_after = self._layout.delimiter + b"\n"
        quoted_field = self._layout.quoted_field
        find = text.find
        while (quote := find(b'"', position, stop)) >= 0:
            position = quote + 1
            if quote and text[quote - 1] not in opens_after and not self._only_marks_before(quote):
                continue
            match = quoted_field.match(text, quote, stop)
            if match:
                position = match.end()
                continue
            closing = closing_quote(text, position, stop)
            if closing < 0 or find(b"\n", position, closing) >= 0:
                return text.rfind(b"\n", 0, quote) + 1
            position = closing + 1
            if position < stop:
                position = self._line_end(position)
        return stop

    def _only_marks_before(self, quote: int) -> bool:
        """Whether nothing but marks stands between the line's start and the quote."""
        text, at = self._text, quote
        while at and text[at - 1] in _MARK_ENDS:
            if text[at - 1] == FORM_FEED:
                at -= 1
            elif text.endswith(BYTE_ORDER_MARK, 0, at):
                at -= len(BYTE_ORDER_MARK)
            else:
                return False
        return at < quote and (at == 0 or text[at - 1] == LF)

    def _judge(self, start: int) -> Multiline:
        taken = self._take(start)
        if taken is None:
            return self._stray(start)
        valid, stands = self._stands(start, taken)
        if stands:
            doubtful = not self._layout.judges_line_ends
            return Multiline(start, taken.end, stands=True, doubtful=doubtful)
        if valid:
            return self._stray(start, doubtful=True)
        if self._has_row(self._line_end(start), taken.end):
            return self._stray(start)
        return Multiline(start, taken.end, stands=True)

    def _stray(self, start: int, *, doubtful: bool = False) -> Multiline:
        return Multiline(start, self._line_end(start), stands=False, doubtful=doubtful)

    def _line_end(self, position: int) -> int:
        return self._text.find(b"\n", position, self._stop) + 1 or self._stop

    def _take(self, start: int) -> Taken | None:
        """The record, if it is closed within MAX_RECORD bytes and has as many fields as the header.
        A delimiter at its end makes no field here."""
        text, width = self._text, self._layout.width
        limit = start + MAX_RECORD + 1
        stop = min(self._stop, limit)
        complete = self._complete and stop == self._stop
        match = self._layout.pattern.match(text, start, stop)
        if match:  # the usual case, and faster
            return Taken(match.end(), fields_of(match))
        taken = take_record(text, start, stop, self._layout.delimiter, width + 1, complete=complete)
        if taken is NotTaken.OPEN and not self._complete and len(text) < limit:
            raise _NeedsMore
        if isinstance(taken, NotTaken):
            return None
        fields = taken.fields
        if len(fields) == width + 1 and not fields[-1]:
            fields = fields[:-1]
        longest = limit if text.endswith(b"\n", start, taken.end) else limit - 1
        if len(fields) != width or taken.end > longest:
            return None
        return taken

    def _stands(self, start: int, taken: Taken) -> tuple[bool, bool]:
        """Whether a record of several lines is valid, and whether it stands."""
        fields = values_of(taken.fields)
        if not _is_valid(fields, self._layout) or not _is_utf8(self._text[start : taken.end]):
            return False, False
        if not self._layout.judges_line_ends or self._has_no_quoted_delimiter(start, taken):
            return True, True
        stands = not self._holds_a_row(start, taken.end) and not self._may_be_joined(taken.fields)
        return True, stands

    def _has_no_quoted_delimiter(self, start: int, taken: Taken) -> bool:
        """Whether (b) and (c) hold because no delimiter stands within quotes: so no line within
        them looks like the beginning or the end of a row, and the last line has a quote that would
        be data in a row of its own."""
        delimiter, width = self._layout.delimiter, self._layout.width
        return 1 < width == self._text.count(delimiter, start, taken.end) + 1

    def _holds_a_row(self, start: int, end: int) -> bool:
        """What (b) forbids."""
        text, layout = self._text, self._layout
        at = self._line_end(start)
        while at < end:
            line_end = self._line_end(at)
            # Most lines have too few fields to be a row.
            if text.count(layout.delimiter, at, line_end) >= layout.width - 1:
                valid, plain = self._read_line(at, line_end)
                if plain or (valid and line_end < end):
                    return True
            at = line_end
        return False

    def _read_line(self, start: int, end: int) -> tuple[bool, bool]:
        line = without_marks(without_line_end(self._text[start:end]))
        return _read_line(line, self._layout)

    def _may_be_joined(self, fields: Sequence[bytes]) -> bool:
        """What (c) forbids."""
        for column, field in enumerate(fields):
            if b"\n" in field and self._field_may_be_joined(column, field[:-1]):
                return True
        return False

    def _field_may_be_joined(self, column: int, field: bytes) -> bool:
        """``field`` is a column's, from its opening quote up to its closing one. Quotes in it are
        data here, as they are in a row that a stray quote has joined to another."""
        layout = self._layout
        if field.count(layout.delimiter, field.rindex(b"\n")) < column:  # the usual case
            return False
        *others, last = field.split(b"\n")
        begin = without_marks(last).split(layout.delimiter)
        if not layout.fits(begin[:column]):
            return False
        following = layout.width - 1 - column
        for line in others:
            values = without_line_end(line + b"\n").split(layout.delimiter)
            ends = values[len(values) - following :]
            if len(values) > following and layout.fits(ends, column + 1):
                return True
        return False

    def _has_row(self, start: int, end: int) -> bool:
        """Whether one of the lines becomes a row, or begins one, when they are read again."""
        known_from, row = self._no_row_between
        at = row if known_from <= start <= row else start
        while at < end:
            line_end = self._line_end(at)
            valid, _ = self._read_line(at, line_end)
            if valid or (self._is_open(at, line_end) and self._record_stands(at)):
                self._no_row_between = start, at
                return True
            at = line_end
        return False

    def _is_open(self, start: int, end: int) -> bool:
        """Whether a line ends within quotes."""
        line = without_line_end(self._text[start:end])
        delimiter, width = self._layout.delimiter, self._layout.width
        return take_record(line, 0, len(line), delimiter, width, complete=True) is NotTaken.OPEN

    def _record_stands(self, start: int) -> bool:
        taken = self._take(start)
        return taken is not None and self._stands(start, taken)[1]
