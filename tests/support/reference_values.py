"""What a field's text becomes, found out with decimal, datetime.strptime, zoneinfo and re alone.

Slow, and written without a look at how the code does it.
"""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation, localcontext
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from ingestion.sources.model import Field

Outcome = tuple[dict[str, Any], str] | str
"""The attribute and the text for templates; ``missing``; or the reason for a refusal."""

DIGITS = frozenset("0123456789")
SMALLEST, LARGEST = Decimal("1E-130"), Decimal("9." + "9" * 37 + "E125")
STRICT_TYPES = ("string", "list")
"""Types whose values keep the blanks around them."""


class NoValueError(Exception):
    """The text is no value of the type."""


def expected(field: Field, text: str | None) -> Outcome:
    """``text`` is None for a field that is written as the null sequence."""
    if text is None:
        return "missing"
    text = text if field.type in STRICT_TYPES else text.strip(" \t")
    if text in field.missing_values:
        return "missing"
    try:
        value = read(field, text)
    except NoValueError:
        return "bad_number" if field.type == "string" else f"bad_{field.type}"
    if value == []:
        return "missing"
    return violation(field, text, value) or stored(field, text, value)


def read(field: Field, text: str) -> Any:
    """A str, Decimal, bool, datetime (aware or not) or list."""
    if field.type == "string":
        if field.stored_as == "N":
            number(text.replace("+", "", 1) if text.startswith("+") else text, ".", None)
        return text
    if field.type == "integer":
        return integer(field, bare(field, text))
    if field.type == "number":
        return number(signed(field, bare(field, text)), field.decimal_char, field.group_char)
    if field.type == "boolean":
        if text in field.true_values:
            return True
        if text in field.false_values:
            return False
        raise NoValueError
    if field.type == "list":
        items = [one.strip(" \t") for one in text.split(field.delimiter)]
        return [list_item(field, one) for one in items if one not in field.missing_values]
    return moment(field, text)
