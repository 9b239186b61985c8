"""Finds the header among the first lines of a file."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingestion.csv_files.column_names import find_columns
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.multiline import is_plain_row
from ingestion.csv_files.records import (
    DELIMITERS,
    State,
    marks_end,
    take_record,
    without_line_end,
)
from ingestion.csv_files.rows import COLUMNS
from ingestion.csv_files.sections import end_mark_start
from ingestion.csv_files.syntax import Syntax

MAX_LINES_ABOVE = 20
"""Lines above a header that are skipped, such as titles or Excel's ``sep=;``."""


class HeadLine(NamedTuple):
    """One of the first lines of a file, split at the delimiter that finds most columns in it.

    It is read by itself, so a quote that opens in a title does not affect the lines below.
    """

    number: int
    text: bytes
    """Without marks and line end."""
    end: int
    """Offset of the byte after its line end."""
    delimiter: bytes
    names: list[str]
    """The values of its fields. Empty if its quotes don't match, or if its end is not known."""
    columns: dict[str, list[int]]
    """The fields of each column, as ``find_columns`` returns them."""

    @property
    def found(self) -> list[str]:
        """The columns that it names."""
        return [column for column, fields in self.columns.items() if fields]


def lines_to_header(head: bytes, complete: bool) -> list[HeadLine]:
    """The lines of a file up to its header, which is the first line that names all columns.

    If none of the first lines does, all of them are returned.
    """
    lines = []
    for line in _first_lines(head, complete):
        lines.append(line)
        if len(line.found) == len(COLUMNS):
            break
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
        if len(line.found) > len(COLUMNS) / 2:
            other_headers.append(line)
    return None


def _first_lines(head: bytes, complete: bool) -> Iterator[HeadLine]:
    mark_start = end_mark_start(head)
    start = 0
    for number in range(1, MAX_LINES_ABOVE + 2):
        if start == len(head):
            return
        end = head.find(b"\n", start) + 1 or len(head)
        text = without_line_end(head[marks_end(head, start) : min(end, mark_start)])
        is_whole = complete or head.endswith(b"\n", start, end)
        yield _read(number, text, end) if is_whole else HeadLine(number, text, end, b",", [], {})
        start = end


def _read(number: int, text: bytes, end: int) -> HeadLine:
    readings = [HeadLine(number, text, end, b",", [], {})]
    for delimiter in DELIMITERS:
        syntax = Syntax(delimiter)
        taken = take_record(text, 0, len(text), syntax, len(text) + 1, complete=True)
        if taken.state is State.CLOSED:
            names = [value.decode(errors="replace") for value in syntax.values_of(taken.fields)]
            readings.append(HeadLine(number, text, end, delimiter, names, find_columns(names)))
    return max(readings, key=lambda line: (len(line.found), len(line.names)))
