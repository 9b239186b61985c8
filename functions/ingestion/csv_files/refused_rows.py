"""Describes rows that are not written: their line, their reason, and the CSV file listing them."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from ingestion.contracts import RefusedRow

MAX_RAW_BYTES = 2000
"""The most bytes of a row's text that are kept."""

_LINES_AT_A_TIME = 500
_MAX_FIELD_CHARACTERS = 1 << 24  # the csv module's own limit is 131,072

HEADER = ("line", "column", "reason", "raw")


def refused_row(line: int, column: str, reason: str, raw: bytes) -> RefusedRow:
    """Describes a refused row.

    Bytes that are not UTF-8 are shown as `\\xff`. A text over MAX_RAW_BYTES is cut.
    """
    end = MAX_RAW_BYTES
    while end < len(raw) and 0x80 <= raw[end] < 0xC0 and end > MAX_RAW_BYTES - 4:
        end -= 1  # not within a character
    return RefusedRow(line, column, reason, raw[:end].decode(errors="backslashreplace"))


def csv_lines(rows: Iterable[RefusedRow]) -> Iterator[bytes]:
    """The rows as a CSV file for people, made a few hundred lines at a time while it is read.

    A text that a spreadsheet would take for a formula is prefixed with an apostrophe ("CSV
    Injection", OWASP). The parts keep the original text.
    """
    lines = chain([HEADER], map(_sanitized, rows))
    while batch := list(islice(lines, _LINES_AT_A_TIME)):
        text = io.StringIO(newline="")
        csv.writer(text).writerows(batch)
        yield text.getvalue().encode()


def _sanitized(row: RefusedRow) -> RefusedRow:
    if row.raw.startswith(("=", "+", "-", "@", "\t", "\r")):
        return row._replace(raw=f"'{row.raw}")
    return row


def parse_csv(lines: Iterable[str]) -> Iterator[RefusedRow]:
    """The rows of a file that `csv_lines` made, apostrophes included.

    Open the file with `newline=""`.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    for row in csv.DictReader(lines):
        yield RefusedRow(int(row["line"]), row["column"], row["reason"], row["raw"])
