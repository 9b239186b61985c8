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

_BLANKS_IN_JSON = tuple(blank.encode() for blank in BLANKS)
_NO_BREAK_SPACES = re.compile("\n\u00a0|\u00a0\n".encode())
_EXPECTED_ESCAPES = re.compile(rb'\\(?:[\\"n]|r\\n)')
"""Of quotes, backslashes and line ends."""

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


class Warned(NamedTuple):
    """How many rows a warning is about, and the line of the first one."""

    rows: int
    line: int


Warnings = Mapping[str, Warned]
"""What was warned about, by kind (a key of WARNINGS)."""


def row_warnings(key: Sequence[str], values: Iterable[str]) -> set[str]:
    """The kinds of warnings about a row with these values of key attributes and texts."""
    found = set()
    if any(has_control_character(value) for value in key):
        found.add("control_character_in_key")
    if any(value.startswith(BLANKS) or value.endswith(BLANKS) for value in key):
        found.add("blank_around_key")
    if any(value.startswith('="') and value.endswith('"') for value in values):
        found.add("formula_text")
    return found


def is_suspicious(text: bytes, keys: Sequence[bytes]) -> bool:
    """Whether `suspects` may find a row. This is much faster.

    `text` is the text of all rows. For each key attribute, `keys` has the values escaped for
    JSON, with an LF before each value and after the last one.
    """
    if b"=" in text and b'="' in text:
        return True
    # Searching for one byte is much faster than for two, and it is usually absent.
    for column in keys:
        if b" " in column and (b" \n" in column or b"\n " in column):
            return True
        if b"\x7f" in column:
            return True
        if b"\\" in column and b"\\" in _EXPECTED_ESCAPES.sub(b"", column):
            return True
        if b"\xc2" in column and _NO_BREAK_SPACES.search(column):
            return True
    return False


def suspects(keys: Sequence[Sequence[bytes]], texts: Sequence[Sequence[bytes]]) -> set[int]:
    """The numbers of the rows that `row_warnings` may warn about, given the columns of their key
    attributes and of their texts, escaped for JSON."""
    found = set()
    for column in keys:
        for number, value in enumerate(column):
            if (
                value.startswith(_BLANKS_IN_JSON)
                or value.endswith(_BLANKS_IN_JSON)
                or b"\\" in value
                or b"\x7f" in value
            ):
                found.add(number)
    for column in texts:
        found.update(number for number, value in enumerate(column) if value.startswith(b'=\\"'))
    return found


def has_control_character(value: str) -> bool:
    """Whether a value has a control character (C0 or DEL) other than LF or CR LF."""
    return _CONTROL_CHARACTER.search(value.replace("\r\n", "").replace("\n", "")) is not None


def merged(warnings: Warnings, later: Warnings, lines_before: int) -> Warnings:
    """Both combined. The lines in `later` are counted after the first `lines_before` lines."""
    if not later:
        return warnings
    both = dict(warnings)
    for kind, (rows, line) in later.items():
        known = both.get(kind)
        both[kind] = (
            Warned(known.rows + rows, known.line) if known else Warned(rows, lines_before + line)
        )
    return both
