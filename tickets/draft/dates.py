"""Guesses how the dates and times of a column are written."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ingestion.csv_files.values.date_formats import Format
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
_SWAPPED = {"%d/%m": "%m/%d", "%m/%d": "%d/%m", "%d-%m": "%m-%d", "%m-%d": "%d-%m"}
_DEFAULTS = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "datetime": "%Y-%m-%dT%H:%M:%S"}

_MAX_FORMATS = 4
_MIN_SHARE_OF_FORMAT = 0.01
"""Share of the dates that must have a format that is listed beside others."""

_PARTS = re.compile(r"(?:(?P<day>.+?)(?P<between>[ T]+))?(?P<time>\d{1,2}:\d\d.*)")


class DateGuess(NamedTuple):
    type: str
    """`date`, `datetime` or `time`."""
    formats: tuple[str, ...]
    """For strptime, or `default`. Several if the column mixes them."""
    fitting: int
    alternative: str | None
    """The first format with day and month exchanged, if it fits as many values."""


def guess_date(values: Mapping[str, int], *, may_be_compact: bool) -> DateGuess | None:
    """How the dates or times among the values are written. None if too few of them are any.

    `values` counts the values. `may_be_compact` says whether `20251231` may be a date.
    """
    found: list[DateGuess] = []
    rest = values
    while rest and len(found) < _MAX_FORMATS:
        one = _guess_format(rest, may_be_compact)
        if one is None or (found and one.type != found[0].type):
            break
        if any(_swapped(one.formats[0]) == earlier.formats[0] for earlier in found):
            break  # the earlier one would read some dates of the other as different days
        found.append(one)
        rest = {value: count for value, count in rest.items() if not _fits(value, one)}
    fitting = sum(one.fitting for one in found)
    if not fitting or fitting < MIN_SHARE * sum(values.values()):
        return None
    needed = [one for one in found if one.fitting >= _MIN_SHARE_OF_FORMAT * fitting]
    return DateGuess(
        found[0].type,
        tuple(one.formats[0] for one in needed),
        sum(one.fitting for one in needed),
        found[0].alternative,
    )


def _guess_format(values: Mapping[str, int], may_be_compact: bool) -> DateGuess | None:
    """The format that most of the values have. None if no format fits."""
    days: Counter[str] = Counter()
    times: Counter[str] = Counter()
    between: Counter[str] = Counter()
    for value, count in values.items():
        parts = _PARTS.fullmatch(value.strip())
        if parts:
            times[parts["time"]] += count
            between[parts["between"] or ""] += count
        if parts is None or parts["day"]:
            days[parts["day"] if parts else value.strip()] += count
    day = _best(days, (*_DATES, _COMPACT_DATE) if may_be_compact else _DATES)
    time = _best(times, _TIMES)
    if day and time:
        kind, format_ = "datetime", f"{day}{between.most_common(1)[0][0]}{time}"
    elif day or time:
        kind, format_ = ("date" if day else "time"), day or time
    else:
        return None
    fitting = _fitting(values, format_)
    if not fitting:
        return None
    alternative = _swapped(format_)
    if alternative and _fitting(values, alternative) < fitting:
        alternative = None
    # AM and PM are an American habit; elsewhere the day comes first.
    if alternative and format_.startswith("%m") != ("%p" in format_):
        format_, alternative = alternative, format_
    is_default = format_ == _DEFAULTS[kind]
    return DateGuess(kind, ("default" if is_default else format_,), fitting, alternative)


def _best(values: Mapping[str, int], formats: Sequence[str]) -> str:
    """The format that fits most of the values. Empty if none fits any."""
    counts = {one: _fitting(values, one) for one in formats}
    best = max(counts, key=lambda one: counts[one])
    return best if counts[best] else ""


def _swapped(format_: str) -> str | None:
    """A format with day and month exchanged, if that is another usual one."""
    other = _SWAPPED.get(format_[:5])
    return other + format_[5:] if other else None


def _fits(value: str, guess: DateGuess) -> bool:
    [format_] = guess.formats
    text = _DEFAULTS[guess.type] if format_ == "default" else format_
    return _format(text).read(value.strip()) is not None


def _fitting(values: Mapping[str, int], format_: str) -> int:
    read = _format(format_).read
    return sum(count for value, count in values.items() if read(value.strip()))


@cache
def _format(text: str) -> Format:
    return Format(text)
