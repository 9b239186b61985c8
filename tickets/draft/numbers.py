"""Guesses how the numbers of a column are written."""

import re
from collections.abc import Mapping
from typing import NamedTuple

MIN_SHARE = 0.9
"""Share of the values that must fit a type."""

_AFFIX = r"(?:[€$£¥%]|EUR|USD|GBP|CHF|PLN|zł|kr)"


class NumberForm(NamedTuple):
    decimal_char: str
    group_char: str | None = None
    trailing_minus: bool = False
    bare_number: bool = True

    @property
    def properties(self) -> dict[str, object]:
        """What a field has to declare."""
        found: dict[str, object] = {}
        if self.decimal_char != ".":
            found["decimalChar"] = self.decimal_char
        if self.group_char:
            found["groupChar"] = self.group_char
        if not self.bare_number:
            found["bareNumber"] = False
        return found


class NumberGuess(NamedTuple):
    form: NumberForm
    fitting: int
    whole: bool
    """Whether all of them are whole numbers."""
    alternative: NumberForm | None
    """Another form that fits as many values, and reads some of them as other numbers."""


_MARKS = ((".", None), (",", None), (".", ","), (",", "."), (",", " "), (",", "\u00a0"), (".", "'"))
_FORMS = tuple(
    NumberForm(decimal, group, trailing, bare)
    for bare in (True, False)
    for trailing in (False, True)
    for decimal, group in _MARKS
)


def guess_number(values: Mapping[str, int], prefers_comma: bool) -> NumberGuess | None:
    """How the numbers among the values are written. None if too few of them are numbers.

    `values` counts the values. `prefers_comma` says whether the file's other numbers have
    decimal commas; it decides where both readings are possible.
    """
    counts = {form: _fitting(values, form) for form in _FORMS}
    best = max(counts.values())
    if best < MIN_SHARE * sum(values.values()) or not best:
        return None
    fitting = [form for form in _FORMS if counts[form] == best]
    form = fitting[0]
    # The simplest form comes first. Another one of equal simplicity may read other numbers.
    alternative = next(
        (
            one
            for one in fitting
            if one[2:] == form[2:] and one.decimal_char != form.decimal_char and _differs(values)
        ),
        None,
    )
    if alternative and prefers_comma != (form.decimal_char == ","):
        form, alternative = alternative, form
    return NumberGuess(form, best, _all_whole(values, form), alternative)


def has_leading_zeros(values: Mapping[str, int]) -> bool:
    """Whether a value is written with zeros before it, as codes are."""
    return any(re.fullmatch(r"0\d+", value) for value in values)


def _pattern(form: NumberForm) -> re.Pattern[str]:
    digits = r"\d+"
    if form.group_char:
        digits = rf"(?:[1-9]\d{{0,2}}(?:{re.escape(form.group_char)}\d{{3}})+|\d+)"
    number = rf"[+-]?{digits}(?:{re.escape(form.decimal_char)}\d+)?"
    if form.trailing_minus:
        number = rf"(?:{number}|{digits}(?:{re.escape(form.decimal_char)}\d+)?-)"
    if not form.bare_number:
        number = rf"(?:{_AFFIX}\s*)?{number}(?:\s*{_AFFIX})?"
    return re.compile(number)


_PATTERNS = {form: _pattern(form) for form in _FORMS}


def _fitting(values: Mapping[str, int], form: NumberForm) -> int:
    pattern = _PATTERNS[form]
    return sum(count for value, count in values.items() if pattern.fullmatch(value.strip()))


def _differs(values: Mapping[str, int]) -> bool:
    return any("." in value or "," in value for value in values)


def _all_whole(values: Mapping[str, int], form: NumberForm) -> bool:
    pattern = _PATTERNS[form]
    numbers = [value for value in values if pattern.fullmatch(value.strip())]
    return all(form.decimal_char not in value for value in numbers)
