"""Finds the columns of the contract among the names in a header."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from unicodedata import category

from ingestion.csv_files.rows import COLUMNS

_LEFT_OUT = frozenset({"Cc", "Cf", "Pc", "Pd", "Zl", "Zp", "Zs"})
"""Unicode categories of the characters that don't count in a name: control and invisible
characters, ``_`` and its relatives, hyphens and dashes, and blanks."""

_MIN_SIMILARITY = 0.54
"""Just low enough to find ``Qty`` for ``quantity``; ``Country`` is no ``category``."""

_MAX_NAMES = 200
"""Names that are compared with missing columns. Each takes some tens of microseconds."""
_MAX_NAME_LENGTH = 40


def find_columns(names: Sequence[str]) -> dict[str, list[int]]:
    """The zero-based fields that each column may be: none, one, or several if it is ambiguous.

    A name that differs from the column's only in letter case and blanks around it is preferred to
    one that also differs in blanks, hyphens and the like within it.
    """
    exact = _fields_by([name.strip().lower() for name in names])
    folded = _fields_by([_folded(name) for name in names])
    return {column: exact.get(column) or folded.get(_folded(column), []) for column in COLUMNS}


def nearest_names(names: Sequence[str], columns: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """For each missing column, the most similar of the other names, if one is similar at all.

    Empty if a name has a digit: then the line may be a row, whose values must not be shown.
    """
    if any(character.isdigit() for name in names for character in name):
        return {}
    known = {field for fields in columns.values() for field in fields}
    others = {
        _folded(name): name.strip()
        for field, name in enumerate(names[:_MAX_NAMES])
        if field not in known and len(name) <= _MAX_NAME_LENGTH
    }
    found = {}
    for column, fields in columns.items():
        if not fields:
            for match in get_close_matches(_folded(column), others, 1, _MIN_SIMILARITY):
                found[column] = others[match]
    return found


def _fields_by(names: Sequence[str]) -> dict[str, list[int]]:
    fields: dict[str, list[int]] = {}
    for field, name in enumerate(names):
        fields.setdefault(name, []).append(field)
    return fields


def _folded(name: str) -> str:
    """A name without differences that don't count: ``Ticket ID``, ``TICKET_ID`` and ``ticket-id #``
    become ``ticketid``."""
    return "".join(
        character
        for character in name.casefold()
        if character != "#" and category(character) not in _LEFT_OUT
    )
