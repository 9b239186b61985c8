"""Prints records as CSV, for spreadsheets and for people who keep records."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def print_csv(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Prints the columns' names and one line per record. Times are in UTC.

    A text that a spreadsheet would take for a formula is prefixed with an apostrophe ("CSV
    Injection", OWASP), because keys and reasons are written by others.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([_text(record.get(column)) for column in columns])
        sys.stdout.flush()


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return "" if value is None else value
