"""Finds the records of several lines that stand, and the lines with a stray quote.

Fields may span lines, so a single stray quote can join many rows. A *valid* row has the file's
number of fields, and each of them fits its column. A *plain row* is a line that, read on its own,
is closed at its end, is valid, and has no quote in an unquoted field. A record of several lines
stands only if

(a) it is closed within MAX_RECORD_BYTES and before its chunk ends, and is valid;
(b) no line after its first is a plain row, and no line between its first and last is valid on its
    own;
(c) it can't be two rows that a stray quote joined: no field has a line that ends as a row ends
    and a last line that begins as a row begins.

If it does not stand, its first line is refused, and reading restarts at its second line with no
quote open. There is one exception: a record that is closed and has the right number of fields, but
values that are refused, remains one record if none of its lines becomes a row either.

In a file with an escape character, (b) and (c) do not look at lines after a line end that may be
escaped: it can't be the end of a row. In a file without quotes, only escaped line ends make records
of several lines, and (c) does not apply. A comment is never a row.

(b) and (c) apply only if `Layout.judges_line_ends` is set.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from ingestion.csv_files.encodings import is_utf8
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.open_records import OpenRecords
from ingestion.csv_files.quoted_fields import find_quoted, split_quoted
from ingestion.csv_files.records import (
    BYTE_ORDER_MARK,
    FORM_FEED,
    LF,
    MAX_RECORD_BYTES,
    State,
    Taken,
    fields_of,
    is_comment,
    take_record,
    without_line_end,
    without_marks,
)
from ingestion.csv_files.syntax import Syntax

MAX_ESCAPE_BYTES = 6
"""Bytes before an LF that show whether it may be escaped: a character and two CRs."""

_MARK_ENDS = BYTE_ORDER_MARK[-1:] + b"\f"
_OPEN = (State.OPEN, State.ESCAPED)


class Kind(Enum):
    """What a range of a text is."""

    ROW = "a valid row of several lines"
    STRAY_QUOTE = "one line with a stray quote"
    BY_ITSELF = "a record that is refused, or that has no line end, and is to be read by itself"


class Special(NamedTuple):
    """A half-open range of a text that is one record, its line end included."""

    start: int
    end: int
    kind: Kind
    doubtful: bool = False
    """Whether a valid record of several lines begins here that failed (b) or (c), or to which they
    could not be applied."""


class Scan(NamedTuple):
    """What was found in the first `end` bytes of a text; the rest could not be read yet."""

    end: int
    special: list[Special]
    """In order. The text between them consists of records of one line each."""
    quoted: list[re.Match[bytes]] | None
    """`Layout.pattern`'s matches, in order, for all other records with a quoted field and for the
    rows of several lines. None if they were not searched for, because no quote is stray."""


class _NeedsMore(Exception):
    """The decision depends on what follows the text."""


def is_plain_row(line: bytes, layout: Layout) -> bool:
    """Whether a line, given without its line end, is a plain row. A chunk may begin at one."""
    return _read_line(without_marks(line), layout) == (True, True)


def _read_line(line: bytes, layout: Layout) -> tuple[bool, bool]:
    """Whether a line, without marks and line end, is a valid row on its own, and a plain one."""
    invalid = False, False
    if line.count(layout.delimiter) < layout.width - 1 or len(line) > MAX_RECORD_BYTES:
        return invalid
    syntax = layout.syntax
    plain = True
    if is_comment(line, syntax):
        return invalid
    if syntax.has_special(line, len(line)):
        most = layout.width + 1  # with a delimiter at the end
        taken = take_record(line, 0, len(line), syntax, most, complete=True)
        if taken.state is not State.CLOSED:
            return invalid
        fields = syntax.values_of(layout.without_trailing(taken.fields))
        quote = syntax.quote
        plain = quote is None or not any(
            quote in one for one in taken.fields if not one.startswith(quote)
        )
    else:
        fields = syntax.with_nulls(layout.without_trailing(syntax.split(line)))
    if not _is_valid(fields, layout) or not any(fields) or layout.is_header(line):
        return invalid
    return (True, plain) if is_utf8(line) else invalid


def may_be_escaped(text: bytes, line_end: int, syntax: Syntax) -> bool:
    """Whether the LF at `line_end` may be escaped: whether an escape character, which may be
    escaped itself, precedes it."""
    if syntax.escape is None:
        return False
    line = text[max(0, line_end - MAX_ESCAPE_BYTES) : line_end]
    return line.removesuffix(b"\r").removesuffix(b"\r").endswith(syntax.escape)


def _is_valid(fields: list[bytes], layout: Layout) -> bool:
    return len(fields) == layout.width and layout.fits(fields)


def scan(text: bytes, layout: Layout, *, complete: bool) -> Scan:
    """Finds the records of several lines, and the lines with a stray quote.

    The text begins at a record's start. What its last lines are may depend on what follows them.
    Nothing follows a `complete` text, so all of it is read.
    """
    stop = len(text) if complete else text.rfind(b"\n") + 1
    if not layout.syntax.has_special(text, stop):
        return Scan(stop, [], [])
    lines = text[:stop]
    if split_quoted(lines, layout):
        return Scan(stop, [], None)
    if fields := find_quoted(lines, layout):
        search = _Search(text, stop, layout, complete=complete)
        if search.finds_rows(fields.with_line_ends()):
            return Scan(stop, search.special, None)
    search = _Search(text, stop, layout, complete=complete)
    return Scan(search.run(), search.special, search.quoted)


class _Search:
    """One pass over a text."""

    def __init__(self, text: bytes, stop: int, layout: Layout, *, complete: bool) -> None:
        self.special: list[Special] = []
        self.quoted: list[re.Match[bytes]] = []
        self._text = text
        self._stop = stop
        self._complete = complete
        self._layout = layout
        self._after_stray = False
        self._open_records = OpenRecords(text, stop, layout.syntax)
        self._no_row_between = 0, 0
        """Two positions: the first row at or after the first one is at the second one."""

    def finds_rows(self, openings: Iterable[int]) -> bool:
        """Finds the rows of several lines, given the quotes that open fields of several lines. All
        other quoted fields must be closed on their lines.

        Returns False if one of the records is not such a row. The search can't be continued then.
        """
        position = 0
        for quote in openings:
            if quote < position:  # another field of the row before
                continue
            start = self._text.rfind(b"\n", 0, quote) + 1
            ahead = start + MAX_RECORD_BYTES + 1
            match = self._layout.pattern.match(self._text, start, min(self._stop, ahead))
            try:
                one = self._judge(start, match) if match else None
            except _NeedsMore:
                one = None
            if one is None or one.kind is not Kind.ROW:
                return False
            self.special.append(one)
            position = one.end
        return True

    def run(self) -> int:
        """Finds everything. Returns the position up to which the text was read."""
        text, stop = self._text, self._stop
        syntax = self._layout.syntax
        opens_after = self._layout.delimiter + b"\n"
        pattern = self._layout.pattern
        mark = syntax.opening
        find: Callable[[bytes, int, int], int] = text.find
        find_byte = text.find
        if not syntax.is_simple:
            find = self._find_special
            opens_after = bytes(range(256))  # `_find_special` finds only what has a meaning
        position = 0
        while (quote := find(mark, position, stop)) >= 0:
            position = quote + 1
            if quote and text[quote - 1] not in opens_after and not self._only_marks_before(quote):
                continue
            start = text.rfind(b"\n", 0, quote) + 1
            # A stray quote is likely to be followed by more. To avoid reading ahead from each of
            # them, only the line is matched here. `_judge` reads later lines with `_rest`.
            ahead = self._line_end(quote) if self._after_stray else start + MAX_RECORD_BYTES + 1
            match = pattern.match(text, start, min(stop, ahead))
            if match and find_byte(b"\n", quote, match.end() - 1) < 0:
                self.quoted.append(match)
                position = match.end()
                continue
            try:
                one = self._judge(start, match)
            except _NeedsMore:
                return start
            # The last record of a file may lack a line end, and then does not match.
            if one.kind is Kind.ROW and (match := match or pattern.match(text, start, one.end)):
                self.quoted.append(match)
            self._after_stray = one.kind is Kind.STRAY_QUOTE
            self.special.append(one)
            position = one.end
        return stop

    def _find_special(self, _: bytes, position: int, stop: int) -> int:
        """The next quote or escape character that is not in a comment, or -1. `position` is at
        the start of a record."""
        text, syntax = self._text, self._layout.syntax
        while syntax.special and (match := syntax.special.search(text, position, stop)):
            start = text.rfind(b"\n", 0, match.start()) + 1
            if not is_comment(text, syntax, start):
                return match.start()
            position = self._line_end(match.start())
        return -1

    def _only_marks_before(self, quote: int) -> bool:
        """Whether there is nothing but marks between the line's start and the quote."""
        text, at = self._text, quote
        while at and text[at - 1] in _MARK_ENDS:
            if text[at - 1] == FORM_FEED:
                at -= 1
            elif text.endswith(BYTE_ORDER_MARK, 0, at):
                at -= len(BYTE_ORDER_MARK)
            else:
                return False
        return at < quote and (at == 0 or text[at - 1] == LF)

    def _judge(self, start: int, match: re.Match[bytes] | None) -> Special:
        """Judges the record at `start`, which has a quoted field. `match` is the pattern's."""
        line_end = self._line_end(start)
        taken: Taken | None
        if match:
            taken = Taken(State.CLOSED, match.end(), fields_of(match))
        else:
            line = self._take_line(start, line_end)
            if line.state not in _OPEN:
                return Special(start, line_end, Kind.BY_ITSELF)
            taken = self._take(start, line_end, line)
        if taken is None:
            return Special(start, line_end, Kind.STRAY_QUOTE)
        valid, stands = self._stands(start, taken)
        if stands:
            doubtful = not self._layout.judges_line_ends
            return Special(start, taken.end, Kind.ROW, doubtful)
        if valid or self._has_row(line_end, taken.end):
            return Special(start, line_end, Kind.STRAY_QUOTE, doubtful=valid)
        return Special(start, taken.end, Kind.BY_ITSELF)

    def _line_end(self, position: int) -> int:
        return self._text.find(b"\n", position, self._stop) + 1 or self._stop

    def _take_line(self, start: int, end: int) -> Taken:
        """A line, read as if the text ended with it."""
        line = without_line_end(self._text[start:end])
        return take_record(line, 0, len(line), self._layout.syntax, len(line) + 1, complete=True)

    def _take(self, start: int, line_end: int, line: Taken) -> Taken | None:
        """The record at `start`, if it is closed within the limit and has as many fields as the
        header, perhaps with a delimiter after them, else None.

        `line` is its first line, at whose end it is open.
        """
        text, layout = self._text, self._layout
        limit = start + MAX_RECORD_BYTES + 1
        following, end = self._open_records.rest(line_end, line.state)
        fields = len(line.fields) + following
        if not end and fields <= layout.width and not self._complete and len(text) < limit:
            raise _NeedsMore
        longest = limit if text.endswith(b"\n", start, end) else limit - 1
        if not start < end <= longest or not layout.width <= fields <= layout.width + 1:
            return None
        taken = take_record(text, start, end, layout.syntax, fields, complete=True)
        return taken if len(layout.without_trailing(taken.fields)) == layout.width else None

    def _stands(self, start: int, taken: Taken) -> tuple[bool, bool]:
        """Whether a record of several lines is valid, and whether it stands."""
        layout = self._layout
        fields = layout.syntax.values_of(layout.without_trailing(taken.fields))
        if not _is_valid(fields, layout) or not is_utf8(self._text[start : taken.end]):
            return False, False
        if not layout.judges_line_ends or self._has_no_quoted_delimiter(start, taken):
            return True, True
        stands = not self._holds_a_row(start, taken.end) and not self._may_be_joined(taken.fields)
        return True, stands

    def _has_no_quoted_delimiter(self, start: int, taken: Taken) -> bool:
        """Whether (b) and (c) hold because there is no delimiter within quotes.

        Then no line within quotes looks like the beginning or the end of a row, and the last line
        has a quote that would be data if the line were a row. Lines after an escaped line end don't
        matter.
        """
        delimiters = self._text.count(self._layout.delimiter, start, taken.end)
        return self._layout.width > 1 and delimiters + 1 == len(taken.fields)

    def _holds_a_row(self, start: int, end: int) -> bool:
        """Whether (b) fails: a line of the record is a row."""
        text, layout = self._text, self._layout
        at = self._line_end(start)
        while at < end:
            line_end = self._line_end(at)
            # Most lines have too few fields to be a row.
            enough = text.count(layout.delimiter, at, line_end) >= layout.width - 1
            if enough and not may_be_escaped(text, at - 1, layout.syntax):
                valid, plain = self._read_line(at, line_end)
                if plain or (valid and line_end < end):
                    return True
            at = line_end
        return False

    def _read_line(self, start: int, end: int) -> tuple[bool, bool]:
        line = without_marks(without_line_end(self._text[start:end]))
        return _read_line(line, self._layout)

    def _may_be_joined(self, fields: Sequence[bytes]) -> bool:
        """Whether (c) fails: a stray quote may have joined two rows."""
        quote = self._layout.syntax.quote
        if quote is None:
            return False
        for column, field in enumerate(fields):
            spans_lines = b"\n" in field and field.startswith(quote)
            if spans_lines and self._field_may_be_joined(column, field.removesuffix(quote)):
                return True
        return False

    def _field_may_be_joined(self, column: int, field: bytes) -> bool:
        """Whether two rows may meet in `field`, which goes from its opening to its closing quote.

        Quotes in it are data here, as they are in rows that a stray quote has joined.
        """
        layout = self._layout
        if field.count(layout.delimiter, field.rindex(b"\n")) < column:  # the usual case
            return False
        *others, last = field.split(b"\n")
        begin = layout.syntax.with_nulls(layout.syntax.split(without_marks(last)))
        if not layout.fits(begin[:column]):
            return False
        following = layout.width - 1 - column
        for line in others:
            text = without_line_end(line + b"\n")
            if may_be_escaped(text, len(text), layout.syntax):
                continue
            # A delimiter at its end may precede an empty last field, or add no field.
            if self._ends_a_row(text, following) or self._ends_a_row(
                text.removesuffix(layout.delimiter), following
            ):
                return True
        return False

    def _ends_a_row(self, text: bytes, following: int) -> bool:
        """Whether a row can end as the text does, with `following` fields after the first one."""
        syntax = self._layout.syntax
        values = syntax.with_nulls(syntax.split(text))
        ends = values[len(values) - following :]
        return len(values) > following and self._layout.fits(ends, self._layout.width - following)

    def _has_row(self, start: int, end: int) -> bool:
        """Whether one of the lines is a row, or begins one, when they are read again."""
        known_from, row = self._no_row_between
        at = row if known_from <= start <= row else start
        while at < end:
            line_end = self._line_end(at)
            valid, _ = self._read_line(at, line_end)
            if valid or self._begins_row(at, line_end):
                self._no_row_between = start, at
                return True
            at = line_end
        return False

    def _begins_row(self, start: int, line_end: int) -> bool:
        """Whether a row of several lines begins at `start`."""
        line = self._take_line(start, line_end)
        if line.state not in _OPEN or is_comment(self._text, self._layout.syntax, start):
            return False
        taken = self._take(start, line_end, line)
        return taken is not None and self._stands(start, taken)[1]
