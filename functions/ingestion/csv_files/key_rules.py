"""Rules for a row's values that are keys of the table or of its indexes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

MAX_NUMBER_DIGITS = 38
"""Significant digits of a DynamoDB number; "Data types", Constraints in Amazon DynamoDB."""

_MIN_MAGNITUDE, _MAX_MAGNITUDE = -130, 125
"""Powers of ten of the smallest and the largest DynamoDB number that is not zero."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")


@dataclass(frozen=True)
class KeyRules:
    """Rules for the values of key attributes, in addition to those for every row."""

    numbers: frozenset[str] = frozenset()
    """Attributes of the table's key that have type N. They are stored and compared as canonical
    numbers."""
    left_out_if_empty: frozenset[str] = frozenset()
    """Attributes that are keys of indexes. DynamoDB refuses empty values for them, and leaves an
    item without them out of the index."""
    max_bytes: Mapping[str, int] = field(default_factory=dict)
    """The longest value of each text attribute that is a key of an index, in bytes of UTF-8."""


NO_RULES = KeyRules()


def canonical_number(text: str) -> str | None:
    """The canonical form of a number, or None if DynamoDB can't store the text as a number.

    `007`, `7.0` and `7` all become `7`, and `1.5e3` becomes `1500`.
    """
    if len(text) <= MAX_NUMBER_DIGITS and text.isascii() and text.isdigit():
        return text.lstrip("0") or "0"
    if not _NUMBER.fullmatch(text):
        return None
    sign, digits, exponent_or_name = Decimal(text).as_tuple()
    exponent = int(exponent_or_name)  # a name only for infinity and NaN, which don't match
    written = "".join(map(str, digits)).lstrip("0")
    if not written:
        return "0"
    significant = written.rstrip("0")
    exponent += len(written) - len(significant)
    magnitude = exponent + len(significant) - 1
    if len(significant) > MAX_NUMBER_DIGITS or not _MIN_MAGNITUDE <= magnitude <= _MAX_MAGNITUDE:
        return None
    return f"{Decimal((sign, tuple(map(int, significant)), exponent)):f}"
