"""Reads integers and decimal numbers."""

import re
from collections.abc import Callable
from decimal import Decimal

from ingestion.csv_files.item_json import escape
from ingestion.csv_files.key_rules import canonical_number
from ingestion.csv_files.values.columns import Values, Whole, joined, parted
from ingestion.csv_files.values.outcomes import Value
from ingestion.sources.model import Field

INTEGER = r"\+?(-?[0-9]{1,38})(?:\.(?:0|00|0{4,}))?"
"""The pattern of an integer without blanks around it. Its group is what is stored. Three zeros may
follow a thousands separator, so `2.000` does not match."""

_PLAIN_INTEGER = re.compile(INTEGER)
_MAX_DIGITS = 38

# For whole columns, with an LF after each value.
_STORED_INTEGERS = re.compile(rb"(?:-?[0-9]{1,38}\n)*+")
_CANONICAL_INTEGERS = re.compile(rb"(?:(?:-?[1-9][0-9]{0,37}|0)\n)*+")
_INTEGERS_IN_LINES = re.compile(rb"^ *+%b *+$" % INTEGER.encode(), re.MULTILINE)
_ONLY_ZEROS = re.compile(rb"\.0+\n")
_LAST_ZEROS = re.compile(rb"(\.[0-9]*[1-9])0+\n")

_EXPONENT = r"(?:[eE][+-]?[0-9]{1,6})?"
_HAVE_A_MEANING = frozenset("()-+\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0b\uff0d")
"""Characters around a number that may mean that the number is negative. `bareNumber: false` does
not drop them, so that the value is refused rather than stored with the wrong sign."""
_POINTS = ".,"
"""If one of them is next to the number, it may be the decimal character of another convention."""

Read = Callable[[str], Value | None]
"""Reads a text without blanks around it. Returns None if it isn't a value of the type."""


def integers(field: Field) -> Read:
    """A reader of integers. Raises ValueError if the field's declaration can't be met."""
    _check_characters(field)
    if _has_plain_digits(field):
        return _with_bare_numbers(_read_plain_integer, field)
    number = _pattern(
        field,
        "[0-9]+",
        # The group character is not the decimal one as well, though that is a point by default.
        ""
        if field.decimal_char == field.group_char
        else f"(?:{re.escape(field.decimal_char)}(?:0|00|0{{4,}}))?",
    )

    def read(text: str) -> Value | None:
        match = number.fullmatch(text)
        if not match:
            return None
        digits = _without_groups(match["whole"], field)
        sign = _sign(match)
        if sign is None or len(digits) > _MAX_DIGITS:
            return None
        return Value(sign + digits, Decimal(sign + digits))

    return _with_bare_numbers(read, field)


def is_plain_integer(field: Field) -> bool:
    """Whether INTEGER is the form of the field's values."""
    return _has_plain_digits(field) and field.bare_number


def _has_plain_digits(field: Field) -> bool:
    return field.group_char is None and field.decimal_char == "." and not field.trailing_minus


def _read_plain_integer(text: str) -> Value | None:
    match = _PLAIN_INTEGER.fullmatch(text)
    return Value(match[1], Decimal(match[1])) if match else None


def numbers(field: Field) -> Read:
    """A reader of decimal numbers. Raises ValueError if the field's declaration can't be met."""
    _check_characters(field)
    number = _pattern(
        field,
        "[0-9]*",
        rf"(?P<decimal>{re.escape(field.decimal_char)}(?P<fraction>[0-9]*))?"
        rf"(?P<exponent>{_EXPONENT})",
    )

    def read(text: str) -> Value | None:
        match = number.fullmatch(text)
        if not match:
            return None
        sign = _sign(match)
        if sign is None:
            return None
        point = "." if match["decimal"] else ""
        digits = _without_groups(match["whole"], field)
        stored = canonical_number(
            f"{sign}{digits}{point}{match['fraction'] or ''}{match['exponent']}"
        )
        return None if stored is None else Value(stored, Decimal(stored))

    return _with_bare_numbers(read, field)


def integer_columns(*, canonical: bool) -> Whole:
    """Keeps columns of integers that are stored as they are."""
    stored = _CANONICAL_INTEGERS if canonical else _STORED_INTEGERS
    return lambda values: values if stored.fullmatch(joined(values)) else None


def integer_columns_to_convert(values: Values) -> Values | None:
    """Converts columns of integers in every form that they may have by default."""
    stored = _INTEGERS_IN_LINES.findall(joined(values))
    return stored if len(stored) == len(values) else None


def number_columns(field: Field) -> Whole | None:
    """What converts columns of decimal numbers without exponents, signs at their ends or leading
    zeros."""
    point = field.decimal_char.encode()
    group = (field.group_char or "").encode()
    if escape(point + group) != point + group:
        return None
    whole = rb"0|[1-9][0-9]{0,17}"
    if group:
        whole += rb"|[1-9][0-9]{0,2}(?:%b[0-9]{3}){1,5}" % re.escape(group)
    regular = re.compile(rb"(?:-?(?:%b)(?:%b[0-9]{1,18})?\n)*+" % (whole, re.escape(point)))

    def convert(values: Values) -> Values | None:
        column = joined(values)
        if not regular.fullmatch(column):
            return None
        if group:
            column = column.replace(group, b"")
        if point in column:
            column = column.replace(point, b".")
            column = _ONLY_ZEROS.sub(b"\n", column)
            column = _LAST_ZEROS.sub(rb"\1\n", column)
        return None if b"-0\n" in column else parted(column)

    return convert


def _check_characters(field: Field) -> None:
    for name, character in (("decimalChar", field.decimal_char), ("groupChar", field.group_char)):
        if character is not None and (len(character) != 1 or character in "0123456789+-eE"):
            raise ValueError(f'"{name}" must be one character other than a digit, a sign and "e".')


def _pattern(field: Field, whole: str, rest: str) -> re.Pattern[str]:
    if field.group_char is not None:
        whole = f"[0-9]{{1,3}}(?:{re.escape(field.group_char)}[0-9]{{3}})+|{whole}"
    trailing = "(?P<trailing>-?)" if field.trailing_minus else "(?P<trailing>)"
    return re.compile(f"(?P<sign>[+-]?)(?P<whole>{whole}){rest}{trailing}")


def _without_groups(digits: str, field: Field) -> str:
    return digits if field.group_char is None else digits.replace(field.group_char, "")


def _sign(match: re.Match[str]) -> str | None:
    """`-` or nothing; None if the number has a sign at both ends."""
    if match["sign"] and match["trailing"]:
        return None
    return "-" if "-" in (match["sign"], match["trailing"]) else ""


def _with_bare_numbers(read: Read, field: Field) -> Read:
    """The reader itself, or one that first drops what is around the number."""
    if field.bare_number:
        return read
    kept = _HAVE_A_MEANING | {field.decimal_char, field.group_char}

    def is_dropped(character: str) -> bool:
        return not character.isnumeric() and character not in kept

    def read_number_in(text: str) -> Value | None:
        start, end = 0, len(text)
        while start < end and is_dropped(text[start]):
            start += 1
        while end > start and is_dropped(text[end - 1]):
            end -= 1
        if any(
            near in _POINTS and near not in kept
            for near in text[start - 1 : start] + text[end : end + 1]
        ):
            return None
        # A group character may be a blank, and be between the number and its unit as well.
        return read(text[start:end].strip())

    return read_number_in
