"""Finds a source's fields among the names in a header."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from difflib import get_close_matches
from unicodedata import category

from ingestion.sources.model import Field

_LEFT_OUT = frozenset({"Cc", "Cf", "Pc", "Pd", "Zl", "Zp", "Zs"})
"""Unicode categories of the characters that don't count in a name: control and invisible
characters, `_` and similar ones, hyphens and dashes, and blanks."""

_MIN_SIMILARITY = 0.54
"""Low enough to find `Qty` for `quantity`, but not `Country` for `category`."""

_MAX_NAMES = 200
"""Names that are compared with missing columns. Each takes some tens of microseconds."""
_MAX_NAME_LENGTH = 40


def find_columns(names: Sequence[str], fields: Sequence[Field]) -> dict[str, list[int]]:
    """The zero-based columns that each field may be: none, one, or several if it is ambiguous.

    A field is found by its name, or else by any of its other titles. A title that differs from the
    one in the header only in letter case and blanks around it is preferred to one that also differs
    in blanks, hyphens and the like within it. Letter case counts where titles of different fields
    differ in nothing else. A column belongs to one field at most: to the one that is found first by
    these rules, and then to the one that is declared first.
    """
    found: dict[str, list[int]] = {field.name: [] for field in fields}
    taken: set[int] = set()
    titles = [(field.name, [field.name]) for field in fields]
    titles += [(field.name, list(field.header_names)) for field in fields]
    for form in (_spelling(fields), folded_name):
        columns = _columns_by(form, names, taken)
        for field, its_titles in titles:
            if not found[field]:
                its_columns = {at for title in its_titles for at in columns.get(form(title), ())}
                found[field] = sorted(its_columns - taken)
                taken |= its_columns
        if all(found.values()):
            break
    return found


def nearest_names(names: Sequence[str], columns: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """For each field without a column, the most similar of the other names, if one is similar at
    all. `columns` is what `find_columns` returns.

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


def _columns_by(
    form: Callable[[str], str], names: Sequence[str], taken: Set[int]
) -> dict[str, list[int]]:
    """The columns that are not taken yet, by the form of their names."""
    columns: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        if column not in taken and (key := form(name)):
            columns.setdefault(key, []).append(column)
    return columns


def _spelling(fields: Sequence[Field]) -> Callable[[str], str]:
    """Returns a function that drops blanks around a title and, unless fields differ only in it,
    letter case."""
    fields_with = Counter(
        title
        for field in fields
        for title in {one.strip().lower() for one in (field.name, *field.header_names)}
    )

    def spelling(title: str) -> str:
        written = title.strip()
        lower = written.lower()
        return written if fields_with[lower] > 1 else lower

    return spelling


def folded_name(name: str) -> str:
    """A name in the form in which names are compared: `Ticket ID`, `TICKET_ID` and `ticket-id
    #` become `ticketid`."""
    return "".join(
        character
        for character in name.casefold()
        if character != "#" and category(character) not in _LEFT_OUT
    )
