"""Finds the header among the first lines of a file."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple

from ingestion.csv_files.column_names import find_columns
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.multiline import is_plain_row
from ingestion.csv_files.records import (
    State,
    is_comment,
    marks_end,
    take_record,
    without_line_end,
)
from ingestion.csv_files.sections import end_mark_start
from ingestion.csv_files.syntax import Syntax
from ingestion.sources.model import DELIMITERS, Source

MAX_LINES_ABOVE = 20
"""Lines above a header that are skipped, such as titles or Excel's `sep=;`. Comments don't
count."""


class HeadLine(NamedTuple):
    """One of the first lines of a file, split at the delimiter that finds most fields in it.

    It is read by itself, so a quote that opens in a title does not affect the lines below.
    """

    number: int
    text: bytes
    """Without marks and line end. Of a header of several lines, the last one."""
    end: int
    """Offset of the byte after its line end."""
    delimiter: bytes
    names: list[str]
    """The values of its columns. Empty if its quotes don't match, or if its end is not known."""
    columns: dict[str, list[int]]
    """The columns of each field, as `find_columns` returns them."""
    lines: int = 1
    """Lines that the names are in, if a source declares several header lines."""

    @property
    def found(self) -> list[str]:
        """The fields that it names."""
        return [name for name, columns in self.columns.items() if columns]


class _Line(NamedTuple):
    number: int
    text: bytes
    end: int
    is_whole: bool
    """Whether the line's end is known."""


def lines_to_header(head: bytes, complete: bool, source: Source) -> list[HeadLine]:
    """The lines of a file up to its header, without comments.

    The header is the one that the source declares, or the first of the first lines that names all
    fields. If none does, all of the first lines are returned. If a file may lack fields, its header
    is the first of the lines that name most fields. Empty if the file ends before the declared
    header.
    """
    if source.dialect.header_rows:
        header = _declared_header(head, complete, source, source.dialect.header_rows)
        return [header] if header else []
    lines = []
    for line in _lines_to_search(head, complete, source):
        lines.append(_read([line], source))
        if len(lines[-1].found) == len(source.fields):
            return lines
    if source.fields_match in ("superset", "partial") and lines:
        most = max(len(line.found) for line in lines)
        header_at = next(at for at, line in enumerate(lines) if len(line.found) == most)
        return lines[: header_at + 1] if most else lines
    return lines


def row_above(lines: Sequence[HeadLine], layout: Layout) -> HeadLine | None:
    """The first line above the header that looks like a row. The header is the last line.

    A line looks like a row if it is one in the header's layout, or if it has as many fields as a
    line above it that names most of the columns, and so is probably the header of other rows.
    """
    other_headers: list[HeadLine] = []
    for line in lines[:-1]:
        if is_plain_row(line.text, layout) or any(
            line.text.count(other.delimiter) + 1 == len(other.names) for other in other_headers
        ):
            return line
        if len(line.found) > len(line.columns) / 2:
            other_headers.append(line)
    return None


def delimiters_of(source: Source) -> tuple[bytes, ...]:
    """The delimiters that a file of the source may have."""
    dialect = source.dialect
    if dialect.delimiter:
        return (dialect.delimiter.encode(),)
    used = (dialect.quote_char, dialect.escape_char, dialect.comment_char)
    return tuple(one.encode() for one in DELIMITERS if one not in used)


def _lines_to_search(head: bytes, complete: bool, source: Source) -> Iterator[_Line]:
    syntax = Syntax.of(source.dialect, delimiters_of(source)[0])
    left = MAX_LINES_ABOVE + 1
    for line in _lines(head, complete):
        if is_comment(line.text, syntax):
            continue
        yield line
        left -= 1
        if not left:
            return


def _declared_header(
    head: bytes, complete: bool, source: Source, rows: Sequence[int]
) -> HeadLine | None:
    found = []
    for line in _lines(head, complete):
        if line.number in rows:
            found.append(line)
        if line.number == rows[-1]:
            return _read(found, source)
    return None


def _lines(head: bytes, complete: bool) -> Iterator[_Line]:
    mark_start = end_mark_start(head)
    start = number = 0
    while start < len(head):
        number += 1
        end = head.find(b"\n", start) + 1 or len(head)
        text = without_line_end(head[marks_end(head, start) : min(end, mark_start)])
        yield _Line(number, text, end, complete or head.endswith(b"\n", start, end))
        start = end


def _read(lines: Sequence[_Line], source: Source) -> HeadLine:
    """Reads the names in a line, or in the several lines of a header."""
    last = lines[-1]
    delimiters = delimiters_of(source)
    unread = HeadLine(last.number, last.text, last.end, delimiters[0], [], {}, len(lines))
    readings = [unread]
    for delimiter in delimiters if last.is_whole else ():
        syntax = replace(Syntax.of(source.dialect, delimiter), null_sequence=None)
        rows = [_split(line.text, syntax) for line in lines]
        if all(rows):
            names = _joined(rows, source.dialect.header_join)
            columns = find_columns(names, source.fields)
            readings.append(unread._replace(delimiter=delimiter, names=names, columns=columns))
    return max(readings, key=lambda line: (len(line.found), len(line.names)))


def _split(text: bytes, syntax: Syntax) -> list[str]:
    """The values of a line. Empty if its quotes don't match."""
    taken = take_record(text, 0, len(text), syntax, len(text) + 1, complete=True)
    if taken.state is not State.CLOSED:
        return []
    return [value.decode(errors="replace") for value in syntax.values_of(taken.fields)]


def _joined(rows: Sequence[Sequence[str]], header_join: str) -> list[str]:
    """The names in the lines of a header. Parts that are empty are left out."""
    if len(rows) == 1:
        return list(rows[0])
    return [
        header_join.join(part.strip() for part in parts if part.strip())
        for parts in zip_longest(*rows, fillvalue="")
    ]
