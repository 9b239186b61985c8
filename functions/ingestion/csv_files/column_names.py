"""Finds a source's fields among the names in a header."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from unicodedata import category

from ingestion.sources.model import Field

_LEFT_OUT = frozenset({"Cc", "Cf", "Pc", "Pd", "Zl", "Zp", "Zs"})
"""Unicode categories of the characters that don't count in a name: control and invisible
characters, ``_`` and its relatives, hyphens and dashes, and blanks."""

_MIN_SIMILARITY = 0.54
"""Just low enough to find ``Qty`` for ``quantity``; ``Country`` is no ``category``."""

_MAX_NAMES = 200
"""Names that are compared with missing columns. Each takes some tens of microseconds."""
_MAX_NAME_LENGTH = 40


def find_columns(names: Sequence[str], fields: Sequence[Field]) -> dict[str, list[int]]:
    """The zero-based columns that each field may be: none, one, or several if it is ambiguous.

    A field is found by its name, or else by any of its other titles. A title that differs from the
    one in the header only in letter case and blanks around it is preferred to one that also differs
    in blanks, hyphens and the like within it. A column that is a field's by the first rule is no
    other field's by the second.
    """
    exact = _columns_by([name.strip().lower() for name in names])
    columns = {
        field.name: exact.get(field.name.strip().lower())
        or _columns_of([title.strip().lower() for title in field.header_names], exact)
        for field in fields
    }
    if all(columns.values()):
        return columns
    taken = {column for found in columns.values() for column in found}
    folded = _columns_by(["" if at in taken else folded_name(one) for at, one in enumerate(names)])
    return {
        field.name: columns[field.name]
        or folded.get(folded_name(field.name))
        or _columns_of(list(map(folded_name, field.header_names)), folded)
        for field in fields
    }


def nearest_names(names: Sequence[str], columns: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """For each field without a column, the most similar of the other names, if one is similar at
    all. ``columns`` is what ``find_columns`` returns.

    Empty if a name has a digit: then the line may be a row, whose values must not be shown.
    """
    if any(character.isdigit() for name in names for character in name):
        return {}
    known = {field for fields in columns.values() for field in fields}
    others = {
        folded_name(name): name.strip()
        for field, name in enumerate(names[:_MAX_NAMES])
        if field not in known and len(name) <= _MAX_NAME_LENGTH
    }
    found = {}
    for column, fields in columns.items():
        if not fields:
            for match in get_close_matches(folded_name(column), others, 1, _MIN_SIMILARITY):
                found[column] = others[match]
    return found


def _columns_by(names: Sequence[str]) -> dict[str, list[int]]:
    columns: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        if name:
            columns.setdefault(name, []).append(column)
    return columns


def _columns_of(titles: Sequence[str], columns: Mapping[str, Sequence[int]]) -> list[int]:
    return sorted({column for title in titles for column in columns.get(title, ())})


def folded_name(name: str) -> str:
    """A name without differences that don't count: ``Ticket ID``, ``TICKET_ID`` and ``ticket-id #``
    become ``ticketid``."""
    return "".join(
        character
        for character in name.casefold()
        if character != "#" and category(character) not in _LEFT_OUT
    )
