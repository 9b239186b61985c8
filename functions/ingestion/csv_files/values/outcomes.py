"""What the conversion of a value yields."""

from enum import Enum
from typing import Any, NamedTuple

BLANKS_AROUND = " \t"
"""May be around every value that is neither a string nor a list. They are left out."""

ABSENT = b"\xff"
"""Stands for a missing value in a column of values that are escaped for JSON. It can't be one of
them, because it is not UTF-8."""

Attribute = dict[str, Any]
"""A value in DynamoDB's wire form, such as `{"N": "2"}` or `{"SS": ["a", "b"]}`."""


class Stored(NamedTuple):
    """A value that fits its field."""

    attribute: Attribute
    text: str
    """What a template is filled with."""


class Missing(Enum):
    """The field has no value. The conversion's `when_missing` is stored instead, if at all."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Refused(NamedTuple):
    """A value that does not fit its field."""

    reason: str


class Value(NamedTuple):
    """A value that was read as its type."""

    text: str
    """The converted text: ISO 8601, `true` or `false`, or a number as DynamoDB writes it."""
    order: Any
    """Compares with other values of the same field: a text, Decimal, bool, date or tuple."""
