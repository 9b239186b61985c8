"""Guesses how the dates and times of a column are written."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from tickets.draft.numbers import MIN_SHARE

_DATES = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_COMPACT_DATE = "%Y%m%d"
_TIMES = (
    "%H:%M",
    "%H:%M:%S",
    "%H:%M:%S.%f",
    "%I:%M %p",
    "%I:%M:%S %p",
    "%H:%M%z",
    "%H:%M:%S%z",
    "%H:%M:%S.%f%z",
)
_SWAPPED = {
    "%d/%m": "%m/%d",
    "%m/%d": "%d/%m",
    "%d-%m": "%m-%d",
    "%m-%d": "%d-%m",
}
_MONTH_FIRST = ("%m/%d", "%m-%d")
_TRIED = 40
"""Different values with which all formats are tried before the best ones are tried with all."""
_KEPT = 4


class DateGuess(NamedTuple):
    type: str
    """``date``, ``datetime`` or ``time``."""
    format: str
    """For strptime, or ``default``."""
    fitting: int
    alternative: str | None
    """The format with day and month exchanged, if it fits as many values."""


def guess_date(values: Mapping[str, int], *, may_be_compact: bool) -> DateGuess | None:
    """How the dates or times among the values are written. None if too few of them are any.

    ``values`` counts the values. ``may_be_compact`` says whether ``20251231`` may be a date.
    """
    some = dict(islice(values.items(), _TRIED))
    formats = sorted(_formats(may_be_compact), key=lambda one: -_fitting(some, one[1]))[:_KEPT]
    counts = {one: _fitting(values, one[1]) for one in formats}
    (kind, format_), fitting = max(counts.items(), key=lambda one: one[1])
    if not fitting or fitting < MIN_SHARE * sum(values.values()):
        return None
    swapped = _swap(format_)
    alternative = None
    if swapped and _fitting(values, swapped) == fitting:
        # AM and PM are an American habit.
        month_first = format_.startswith(_MONTH_FIRST)
        format_, alternative = (
            (format_, swapped) if month_first == ("%p" in format_) else (swapped, format_)
        )
    return DateGuess(kind, _as_default(kind, format_), fitting, alternative)


def _formats(may_be_compact: bool) -> Iterable[tuple[str, str]]:
    dates = (*_DATES, _COMPACT_DATE) if may_be_compact else _DATES
    for day in dates:
        yield "date", day
        for separator in (" ", "T"):
            for time in _TIMES:
                yield "datetime", f"{day}{separator}{time}"
    for time in _TIMES:
        if "%z" not in time:
            yield "time", time


def _swap(format_: str) -> str | None:
    other = _SWAPPED.get(format_[:5])
    return other + format_[5:] if other else None


def _as_default(kind: str, format_: str) -> str:
    defaults = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "datetime": "%Y-%m-%dT%H:%M:%S"}
    return "default" if format_ == defaults[kind] else format_


def _fitting(values: Mapping[str, int], format_: str) -> int:
    return sum(count for value, count in values.items() if _fits(value.strip(), format_))


def _fits(value: str, format_: str) -> bool:
    if not re.search(r"\d", value):
        return False
    if format_.startswith(_COMPACT_DATE) and not re.match(r"(19|20)\d{6}(?!\d)", value):
        return False  # strptime takes fewer digits too
    try:
        datetime.strptime(value, format_)  # noqa: DTZ007 - only whether it fits
    except ValueError:
        return False
    return True
