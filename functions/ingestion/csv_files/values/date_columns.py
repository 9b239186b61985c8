"""Converts columns of dates and times."""

import re
from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from itertools import compress
from operator import itemgetter

from ingestion.csv_files.values.columns import Values, Whole, joined, parted
from ingestion.csv_files.values.dates import (
    TIMESTAMP,
    ReadMoment,
    day,
    moments,
    written_fraction,
    written_offset,
    zone_of,
)
from ingestion.sources.model import Field

Parts = Sequence[tuple[bytes, bytes, bytes]]
"""Values that `bytes.partition` has divided into date, separator and time."""

_written_date = itemgetter(slice(10))  # 2026-01-31
_MAX_DAYS = 4096
_MAX_TIMES = 100_000
"""A day has 86,400 seconds."""

_TIMESTAMPS = re.compile(rb"(?:%b\n)*+" % TIMESTAMP.encode())
_SECOND = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIMES = re.compile(rb"(?:%b\n)*+" % _SECOND)
_DEFAULT_TIMESTAMPS = re.compile(
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T%b(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?+\n)*+" % _SECOND
)

_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_USUAL_FORM = b"0000-00-00T00:00:00Z\n"

_DATE_AND_TIME = re.compile(
    "(?:(?:[^% ]|%[YymdjbB])+( )|(?:[^%a-zA-Z ]|%[Yymdj])+(T))((?:[^%]|%[HIMSfp])+)"
)
"""A format in which the first blank or T of each text separates date and time."""


def date_columns(field: Field) -> Whole | None:
    """What converts columns of dates with times, or of times, in their usual forms. None if the
    field has more than one format, or has a date alone, which repeats anyway."""
    if len(field.formats) != 1:
        return None
    (format_,) = field.formats
    if field.type == "time":
        return _times if format_ in ("default", "any", "%H:%M:%S") else None
    if field.type != "datetime":
        return None
    if field.as_given:
        return _timestamps_as_given if format_ == "any" else None
    if format_ in ("default", "any"):
        return None if field.timezone else _timestamps
    parts = _DATE_AND_TIME.fullmatch(format_)
    if not parts or "\\" in format_:
        return None
    return DateAndTime(field, parts[1] or parts[2], parts[3]).convert


def _times(values: Values) -> Values | None:
    return values if _are_times(values) else None


def _are_times(values: Values) -> bool:
    return _TIMES.fullmatch(joined(values)) is not None


def _timestamps_as_given(values: Values) -> Values | None:
    column = joined(values)
    if not _have_usual_form(column, len(values)) and not _TIMESTAMPS.fullmatch(column):
        values = [value.strip(b" ") for value in values]
        if not _TIMESTAMPS.fullmatch(joined(values)):
            return None
    days = set(map(_written_date, values))
    return values if all(map(day, map(bytes.decode, days))) else None


def _have_usual_form(column: bytes, rows: int) -> bool:
    """Whether all values are written like `2026-01-31T23:59:59Z`, with times that exist. Takes a
    fifth of the time of a regular expression."""
    if column.translate(_DIGITS_TO_ZEROS) != _USUAL_FORM * rows:
        return False
    step = len(_USUAL_FORM)
    tens_of_hours, hours = column[11::step], column[12::step]
    if tens_of_hours.translate(None, b"012"):
        return False
    # Of minutes and seconds, only the tens can be too high.
    if (column[14::step] + column[17::step]).translate(None, b"012345"):
        return False
    return all(hour in b"0123" for hour in compress(hours, map(b"2"[0].__eq__, tens_of_hours)))


def _timestamps(values: Values) -> Values | None:
    column = joined(values)
    if not _have_usual_form(column, len(values)) and not _DEFAULT_TIMESTAMPS.fullmatch(column):
        return None
    for text in set(map(_written_date, values)):
        one = day(text.decode())
        if not one or not _is_convertible(one.year):
            return None
    return parted(column.replace(b"Z", b"+00:00")) if b"Z" in column else values


def _is_convertible(year: int) -> bool:
    """Whether all times of the year can be converted to all offsets."""
    return MINYEAR < year < MAXYEAR


class DateAndTime:
    """Converts columns of one format, in which a blank or a T separates date and time.

    Few different dates and few different times occur, so the halves are cached separately.
    """

    def __init__(self, field: Field, between: str, time_format: str) -> None:
        self._moment_of: ReadMoment = moments(field)
        self._between = between.encode()
        self._may_keep_times = time_format == "%H:%M:%S"
        self._zone = zone_of(field)
        self._days: dict[bytes, bytes] = {}
        self._times: dict[bytes, bytes] = {}
        self._offsets: dict[bytes, bytes] = {}
        """Of the zone on the days in `_days`; empty without a zone."""

    def convert(self, values: Values) -> Values | None:
        parts = [value.partition(self._between) for value in values]
        keeps_times = self._may_keep_times and _are_times([time_ for _, _, time_ in parts])
        try:
            return self._joined(parts, keeps_times)
        except KeyError:
            if not self._read_days(parts) or not (keeps_times or self._read_times(parts)):
                return None
        return self._joined(parts, keeps_times)

    def _joined(self, parts: Parts, keeps_times: bool) -> Values:
        """The converted values. Raises KeyError if one of the halves is not cached."""
        days, times, offsets = self._days, self._times, self._offsets
        if keeps_times:
            return [days[day_] + time_ + offsets[day_] for day_, _, time_ in parts]
        if self._zone:
            return [days[day_] + times[time_] + offsets[day_] for day_, _, time_ in parts]
        return [days[day_] + times[time_] for day_, _, time_ in parts]

    def _read_days(self, parts: Parts) -> bool:
        """Caches new days. Returns False if one of them can't be converted without its time."""
        if len(self._days) > _MAX_DAYS:
            self._days.clear()
            self._offsets.clear()
        new = {day_ for day_, _, _ in parts}.difference(self._days)
        _, _, any_time = parts[0]
        for day_ in new:
            moment = self._moment_of((day_ + self._between + any_time).decode())
            offset = self._offset_on(moment.local.date()) if moment else None
            if not moment or offset is None:
                return False
            self._days[day_] = f"{moment.local.date().isoformat()}T".encode()
            self._offsets[day_] = offset
        return True

    def _read_times(self, parts: Parts) -> bool:
        """Caches new times. Returns False if one of them does not fit."""
        if len(self._times) > _MAX_TIMES:
            self._times.clear()
        new = {time_ for _, _, time_ in parts}.difference(self._times)
        any_day, _, _ = parts[0]
        for time_ in new:
            moment = self._moment_of((any_day + self._between + time_).decode())
            if not moment:
                return False
            written = moment.local.time().isoformat() + written_fraction(moment)
            self._times[time_] = written.encode()
        return True

    def _offset_on(self, one: date) -> bytes | None:
        """The zone's offset, or None if it changes on this day. Empty without a zone."""
        if not self._zone:
            return b""
        if not _is_convertible(one.year):
            return None
        midnight = datetime.combine(one, time(), self._zone)
        offsets = {(midnight + timedelta(hours=hour)).utcoffset() for hour in range(25)}
        offset = offsets.pop()
        return written_offset(offset).encode() if offset is not None and not offsets else None
