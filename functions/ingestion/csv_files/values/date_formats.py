"""Reads dates and times in the formats of strptime, with regular expressions.

A format is compiled once per file. The names of months and of halves of the day are English,
whatever the locale is. Upper and lower case are the same, and so are one blank and several.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_MONTH_NUMBERS = {
    written: number for number, name in enumerate(_MONTHS, start=1) for written in (name, name[:3])
}

_NUMBERS = {
    # The second pattern applies next to other digits: in %d%m%Y, 1112026 may be the first of
    # November or the eleventh of January.
    "Y": ("[0-9]{4}", "[0-9]{4}"),
    "y": ("[0-9]{2}", "[0-9]{2}"),
    "m": ("1[0-2]|0?[1-9]", "1[0-2]|0[1-9]"),
    "d": ("3[01]|[12][0-9]|0?[1-9]", "3[01]|[12][0-9]|0[1-9]"),
    "j": ("[0-9]{1,3}", "[0-9]{3}"),
    "H": ("2[0-3]|[01]?[0-9]", "2[0-3]|[01][0-9]"),
    "I": ("1[0-2]|0?[1-9]", "1[0-2]|0[1-9]"),
    "M": ("[0-5]?[0-9]", "[0-5][0-9]"),
    "S": ("[0-5]?[0-9]", "[0-5][0-9]"),
    "f": ("[0-9]{1,9}", "[0-9]{6}"),
}
_OTHERS = {
    "b": "|".join(name[:3] for name in _MONTHS),
    "B": "|".join(_MONTHS),
    "p": "am|pm",
    "z": "z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]",
}

_TOKEN = re.compile(r"%(?P<directive>.?)|(?P<literal>\s+|[^%\s]+)", re.DOTALL)

_EXCLUDE_EACH_OTHER = [("Y", "y"), ("H", "I"), ("H", "p")]
_EXCLUDE_EACH_OTHER += [("m", "b"), ("m", "B"), ("b", "B")]
_EXCLUDE_EACH_OTHER += [("j", other) for other in "mbBd"]
_NEEDS = [("I", "p"), ("p", "I"), ("f", "S"), ("S", "M")]
"""Pairs of a directive and another one that it needs."""


class Moment(NamedTuple):
    """A date and time as it is written. A date alone is midnight, a time alone is in 1900."""

    local: datetime
    """Without a timezone and without the fraction of a second."""
    fraction: str = ""
    """The decimals of the second, without zeros at the end."""
    offset: timedelta | None = None
    """From UTC. None if the value has none."""


class Format:
    """A compiled format. Raises ValueError if it is not supported."""

    def __init__(self, text: str) -> None:
        tokens = list(_TOKEN.finditer(text))
        names = {name for token in tokens if (name := token["directive"]) is not None} - {"%"}
        _check(text, names)
        has_day = "j" in names or ("d" in names and not names.isdisjoint("mbB"))
        self.has_date = has_day and not names.isdisjoint("Yy")
        self.has_time = not names.isdisjoint("HI")
        self.has_offset = "z" in names
        pattern = ""
        for number, token in enumerate(tokens):
            name = token["directive"]
            if name is None or name == "%":
                literal = token["literal"] or "%"
                pattern += r"[ \t]+" if literal.isspace() else re.escape(literal)
            elif name in _NUMBERS:
                around = tokens[max(0, number - 1) : number] + tokens[number + 1 : number + 2]
                pattern += f"(?P<{name}>{_NUMBERS[name][any(map(_has_digits, around))]})"
            else:
                pattern += f"(?P<{name}>{_OTHERS[name]})"
        self._match = re.compile(pattern, re.IGNORECASE | re.ASCII).fullmatch

    def read(self, text: str) -> Moment | None:
        """The moment, or None if the text does not fit the format or there is no such day."""
        match = self._match(text)
        if not match:
            return None
        parts = match.groupdict()
        day = _day(parts) if self.has_date else date(1900, 1, 1)
        if not day:
            return None
        minute, second = int(parts.get("M") or 0), int(parts.get("S") or 0)
        local = datetime.combine(day, time(_hour(parts), minute, second))
        fraction = (parts.get("f") or "").rstrip("0")
        return Moment(local, fraction, offset_of(parts.get("z")))


def offset_of(text: str | None) -> timedelta | None:
    """The offset that is written as `Z`, `UTC`, `+02`, `+0200` or `+02:00`."""
    if not text:
        return None
    if text[0] not in "+-":
        return timedelta(0)
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:].lstrip(":") or 0))
    return -offset if text[0] == "-" else offset


def _check(text: str, names: set[str]) -> None:
    for name in sorted(names):
        if name not in _NUMBERS and name not in _OTHERS:
            raise ValueError(f'"format" has "%{name}", which is not supported.')
        if text.replace("%%", "").count(f"%{name}") > 1:
            raise ValueError(f'"format" has "%{name}" twice.')
    for one, other in _EXCLUDE_EACH_OTHER:
        if {one, other} <= names:
            raise ValueError(f'"format" has both "%{one}" and "%{other}".')
    for one, needed in _NEEDS:
        if one in names and needed not in names:
            raise ValueError(f'"format" has "%{one}" without "%{needed}".')
    if "M" in names and names.isdisjoint("HI"):
        raise ValueError('"format" has "%M" without "%H" or "%I".')


def _has_digits(token: re.Match[str]) -> bool:
    """Whether a token may begin or end with a digit."""
    return token["directive"] in _NUMBERS or any(map(str.isdigit, token["literal"] or ""))


def _day(parts: dict[str, str]) -> date | None:
    if "Y" in parts:
        year = int(parts["Y"])
    else:
        # As POSIX and strptime have it.
        year = int(parts["y"])
        year += 1900 if year > 68 else 2000
    try:
        if "j" not in parts:
            month = parts.get("b") or parts.get("B")
            number = _MONTH_NUMBERS[month.lower()] if month else int(parts["m"])
            return date(year, number, int(parts["d"]))
        day = date(year, 1, 1) + timedelta(days=int(parts["j"]) - 1)
    except (ValueError, OverflowError):
        return None
    return day if day.year == year else None


def _hour(parts: dict[str, str]) -> int:
    if "H" in parts:
        return int(parts["H"])
    if "I" in parts:
        return int(parts["I"]) % 12 + (12 if parts["p"].lower() == "pm" else 0)
    return 0
