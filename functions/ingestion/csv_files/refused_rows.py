"""Rows that are not written: their place, their reason, and the CSV file that lists them."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_RAW_BYTES = 2000
"""Bytes of a row's text that are kept."""

HEADER = ("line", "column", "reason", "raw")


class RefusedRow(NamedTuple):
    """``line`` is counted from the chunk's start in a part, from the file's in the joined file."""

    line: int
    column: str
    reason: str
    raw: str


def refused_row(line: int, column: str, reason: str, raw: bytes) -> RefusedRow:
    """Bytes that are not UTF-8 are shown as ``\\xff``; a text over MAX_RAW_BYTES is cut."""
    end = MAX_RAW_BYTES
    while end < len(raw) and 0x80 <= raw[end] < 0xC0 and end > MAX_RAW_BYTES - 4:
        end -= 1  # not within a character
    return RefusedRow(line, column, reason, raw[:end].decode(errors="backslashreplace"))


def csv_lines(rows: Iterable[RefusedRow]) -> Iterator[bytes]:
    """The rows as a CSV file for people, made while it is read.

    A text that a spreadsheet would take for a formula gets an apostrophe before it ("CSV
    Injection", OWASP); the parts keep it as it is.
    """
    yield _csv_line(HEADER)
    for row in rows:
        yield _csv_line(row._replace(raw=_sanitize(row.raw)))


def _sanitize(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _csv_line(values: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(values)
    return line.getvalue().encode()
