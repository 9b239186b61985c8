"""Warns about rows that are stored as given but probably contain a mistake."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

WARNINGS = {
    "split_record": "a row of several lines was read as several rows, because a line of it could "
    "be a row by itself",
    "unchecked_line_ends": "a row has several lines, and its line ends could not be checked",
    "control_character_in_key": "a key has a control character other than a line end",
    "blank_around_key": "a key begins or ends with a blank",
    "formula_text": 'a value is a spreadsheet\'s formula for a text, such as ="0001"',
}
"""The kinds of warnings and their texts. The report counts the rows of each kind."""

BLANKS = (" ", "\u00a0")

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


class Warned(NamedTuple):
    """How many rows a warning is about, and the line of the first one."""

    rows: int
    line: int


Warnings = Mapping[str, Warned]
"""What was warned about, by kind (a key of WARNINGS)."""


def row_warnings(key: Sequence[str], values: Iterable[str]) -> set[str]:
    """The kinds of warnings about a row with these values of key attributes and text columns."""
    found = set()
    if any(has_control_character(value) for value in key):
        found.add("control_character_in_key")
    if any(value.startswith(BLANKS) or value.endswith(BLANKS) for value in key):
        found.add("blank_around_key")
    if any(value.startswith('="') and value.endswith('"') for value in values):
        found.add("formula_text")
    return found


def has_control_character(value: str) -> bool:
    """Whether a value has a control character (C0 or DEL) other than LF or CR LF."""
    return _CONTROL_CHARACTER.search(value.replace("\r\n", "").replace("\n", "")) is not None


def merged(warnings: Warnings, later: Warnings, lines_before: int) -> Warnings:
    """Both combined. The lines in ``later`` are counted after the first ``lines_before`` lines."""
    if not later:
        return warnings
    both = dict(warnings)
    for kind, (rows, line) in later.items():
        known = both.get(kind)
        both[kind] = (
            Warned(known.rows + rows, known.line) if known else Warned(rows, lines_before + line)
        )
    return both
