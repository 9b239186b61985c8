"""Checks values against the constraints of their field."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ingestion.csv_files.values.numbers import Read
from ingestion.csv_files.values.outcomes import Value
from ingestion.sources.model import Field

Violated = Callable[[str, Value], str | None]
"""Takes the text and the value. Returns the reason for refusing it, or None."""


def violated(field: Field, read: Read, read_iso: Read | None) -> Violated | None:
    """A check of a field's constraints except `required` and `unique`, or None if it has none.

    `read` reads values of the field, `read_iso` those in ISO 8601 if it has dates or times.
    Raises ValueError if the constraints can't be met.
    """
    constraints = field.constraints

    def limit(name: str, given: Any) -> Any:
        return _order(name, given, field, read, read_iso)

    tests: list[tuple[str, Callable[[str, Value], Any]]] = []
    if (pattern := constraints.pattern) is not None:
        matches = _compiled(pattern).fullmatch
        tests.append(("pattern_mismatch", lambda text, _: matches(text)))
    if constraints.enum is not None:
        members = frozenset(limit("enum", one) for one in constraints.enum)
        tests.append(("not_in_enum", lambda _, value: value.order in members))
    if constraints.minimum is not None:
        minimum = limit("minimum", constraints.minimum)
        tests.append(("below_minimum", lambda _, value: value.order >= minimum))
    if constraints.maximum is not None:
        maximum = limit("maximum", constraints.maximum)
        tests.append(("above_maximum", lambda _, value: value.order <= maximum))
    if (shortest := constraints.min_length) is not None:
        tests.append(("too_short", lambda _, value: len(value.order) >= shortest))
    if (longest := constraints.max_length) is not None:
        tests.append(("too_long", lambda _, value: len(value.order) <= longest))
    if not tests:
        return None

    def first_violated(text: str, value: Value) -> str | None:
        return next((reason for reason, test in tests if not test(text, value)), None)

    return first_violated


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f'"pattern" is not a regular expression: {error}.') from None


def _order(name: str, given: Any, field: Field, read: Read, read_iso: Read | None) -> Any:
    """What a value is compared with, from the JSON of a constraint."""
    if field.type == "boolean" and isinstance(given, bool):
        return given
    if field.type in ("integer", "number") and isinstance(given, int | float | Decimal):
        if not isinstance(given, bool) and (number := Decimal(str(given))).is_finite():
            return number
    elif isinstance(given, str):
        for reader in (read, read_iso):
            value = reader(given) if reader else None
            if value is not None:
                return value.order
    raise ValueError(f'"{name}" has {given!r}, which is not a value of the type "{field.type}".')
