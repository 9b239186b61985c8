"""Finds the number of fields of a file without header, whose fields are found by position."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ingestion.contracts import Reason
from ingestion.csv_files.header_problems import SOURCES_PAGE, fields_separated_by
from ingestion.csv_files.layout import MAX_COLUMNS
from ingestion.csv_files.records import State, is_comment, take_record
from ingestion.csv_files.syntax import Syntax
from ingestion.sources.model import Source

MAX_RECORDS = 100
"""Records at the start of a file that its number of fields is found in."""

_SEPARATOR_LINE = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=[^\n]"?\r?\n', re.IGNORECASE)


class _Found(NamedTuple):
    line: int
    width: int
    ends_empty: bool
    """Whether nothing is written in the last field, not even quotes."""


def separator_line_end(head: bytes) -> int:
    """The end of the line `sep=;` that a file for Excel may begin with, or 0."""
    match = _SEPARATOR_LINE.match(head)
    return match.end() if match else 0


def find_width(
    head: bytes, start: int, complete: bool, delimiter: bytes, source: Source
) -> int | Reason:
    """The number of fields of a row, or why the file is refused. The first row is at `start`.

    It is the number that most of the first records have, as far as the source's `fields_match`
    allows it.

    One more field at the end counts as a delimiter after the last field if none of the records has
    a value in it. If there is no record, it is the number of declared fields.
    """
    declared = len(source.fields)
    found = list(_first_records(head, start, complete, delimiter, source))
    widths = Counter(record.width for record in found)
    for given, _ in widths.most_common():
        ends_empty = all(record.ends_empty for record in found if record.width == given)
        width = given - 1 if ends_empty and given > declared else given
        if _allows(source.fields_match, width, declared):
            return width
    if not found:
        return declared
    first = found[0]
    detail = (
        f"The source {source.name} has no header and declares {declared:,} fields, but line "
        f"{first.line} has {fields_separated_by(first.width, delimiter)}. Declare all fields in"
        f" the file's order, or the right `dialect.delimiter` ({SOURCES_PAGE})."
    )
    return Reason("wrong_width", detail, first.line)


def _allows(fields_match: str, width: int, declared: int) -> bool:
    if width > MAX_COLUMNS:
        return False
    if fields_match in ("exact", "equal"):
        return width == declared
    if fields_match == "subset":
        return width >= declared
    return fields_match == "partial" or width <= declared


def _first_records(
    head: bytes, at: int, complete: bool, delimiter: bytes, source: Source
) -> Iterator[_Found]:
    syntax = Syntax.of(source.dialect, delimiter)
    left = MAX_RECORDS
    line = 1 + head.count(b"\n", 0, at)
    while at < len(head) and left:
        line_end = head.find(b"\n", at) + 1 or len(head)
        end = line_end
        if not is_comment(head, syntax, at):
            taken = take_record(head, at, len(head), syntax, MAX_COLUMNS + 2, complete=complete)
            if taken.state is State.CLOSED:
                end = taken.end
                values = syntax.values_of(taken.fields)
                if any(values):
                    yield _Found(line, len(values), not taken.fields[-1])
                    left -= 1
        line += head.count(b"\n", at, end)
        at = end
