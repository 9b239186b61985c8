"""Reads dates, times, and both together, in the formats that a field declares."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ingestion.csv_files.values.date_formats import Format, Moment, offset_of
from ingestion.csv_files.values.numbers import Read
from ingestion.csv_files.values.outcomes import Value
from ingestion.sources.model import Field

TIMESTAMP = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9}+)?+)?+"
    r"(?: ?+(?:[+-](?:[01][0-9]|2[0-3])(?::?+[0-5][0-9])?+|[Zz]|UTC))?+)?+"
)
"""The pattern of a date, or date and time, in the format `any`, without blanks around it. The
date must exist, too. Possessive quantifiers make it about a fifth faster."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTES = r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
_SECONDS = r":(?P<second>[0-5][0-9])(?:\.(?P<fraction>[0-9]{1,9}))?"
_TIME = re.compile(rf"{_MINUTES}(?:{_SECONDS})?")
_ANY_TIMESTAMP = re.compile(  # TIMESTAMP with groups
    rf"(?P<date>{_DATE.pattern})(?:[Tt ]{_MINUTES}(?:{_SECONDS})?"
    r"(?: ?(?P<offset>[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?|[Zz]|UTC))?)?"
)
_DEFAULT_TIMESTAMP = re.compile(
    rf"(?P<date>{_DATE.pattern})T{_MINUTES}{_SECONDS}"
    r"(?P<offset>Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)

ReadMoment = Callable[[str], Moment | None]
"""Reads a text without blanks around it. Returns None if it does not fit, or names no real day."""

_DEFAULTS = {"date": "%Y-%m-%d", "time": "%H:%M:%S"}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - compared with UTC without a zone


def dates(field: Field) -> Read:
    """A reader of dates. Raises ValueError if the field's declaration can't be met."""
    moment_of = moments(field)
    if field.timezone and not field.ttl:
        raise ValueError('"timezone" applies to a date only with "ttl".')
    zone_of(field)

    def read(text: str) -> Value | None:
        moment = moment_of(text)
        if not moment:
            return None
        day = moment.local.date()
        return Value(day.isoformat(), day)

    return read


def times(field: Field) -> Read:
    """A reader of times of the day. Raises ValueError if the field's declaration can't be met."""
    moment_of = moments(field)
    if field.timezone:
        raise ValueError('"timezone" does not apply to a time without its date.')

    def read(text: str) -> Value | None:
        moment = moment_of(text)
        if not moment:
            return None
        written = moment.local.time().isoformat() + written_fraction(moment)
        return Value(written, (moment.local.time(), moment.fraction))

    return read


def datetimes(field: Field) -> Read:
    """A reader of dates with times. Raises ValueError if the field's declaration can't be met."""
    moment_of = moments(field)
    zone = zone_of(field)

    def read(text: str) -> Value | None:
        moment = moment_of(text)
        if moment and zone:
            moment = _in_zone(moment, zone)
        if not moment:
            return None
        try:
            utc = moment.local - (moment.offset or timedelta(0))
        except OverflowError:
            return None
        written = moment.local.isoformat() + written_fraction(moment)
        if moment.offset is not None:
            written += written_offset(moment.offset)
        return Value(written, (utc, moment.fraction))

    return read


def any_format(field: Field) -> Read:
    """A reader of ISO 8601 for a field with dates or times."""
    readers = {"date": dates, "time": times, "datetime": datetimes}
    return readers[field.type](replace(field, formats=("any",)))


def seconds(field: Field) -> Callable[[Value], str]:
    """What makes seconds since 1970 of the field's values. A date begins at midnight in the field's
    timezone. UTC applies where there is none."""
    zone = zone_of(field)

    def of_date(value: Value) -> str:
        local = datetime.combine(value.order, time())
        offset = local.replace(tzinfo=zone).utcoffset() if zone else None
        return str((local - _EPOCH - (offset or timedelta(0))) // timedelta(seconds=1))

    def of_datetime(value: Value) -> str:
        return str((value.order[0] - _EPOCH) // timedelta(seconds=1))

    return of_date if field.type == "date" else of_datetime


def zone_of(field: Field) -> ZoneInfo | None:
    """The field's timezone. Raises ValueError if there is none of this name."""
    if field.timezone is None:
        return None
    try:
        return ZoneInfo(field.timezone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'"timezone": there is no timezone {field.timezone!r}.') from None


@lru_cache(maxsize=4096)  # few different days occur in a file
def day(text: str) -> date | None:
    """The day that is written as `YYYY-MM-DD`, or None if there is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moments(field: Field) -> ReadMoment:
    readers = [_reader(field.type, one) for one in field.formats]
    if not readers:
        raise ValueError('"formats" is empty.')
    if len(readers) == 1:
        return readers[0]

    def read_as_first_that_fits(text: str) -> Moment | None:
        return next((moment for read in readers if (moment := read(text))), None)

    return read_as_first_that_fits


def _reader(type_: str, text: str) -> ReadMoment:
    if text == "any":
        return {"date": _read_iso_date, "time": _read_iso_time, "datetime": _read_any}[type_]
    if text == "default" and type_ == "datetime":
        return _read_default
    compiled = Format(_DEFAULTS[type_] if text == "default" else text)
    if type_ != "time" and not compiled.has_date:
        raise ValueError(f'"format" {text!r} has no year, month and day.')
    if type_ == "time" and not compiled.has_time:
        raise ValueError(f'"format" {text!r} has no hour.')
    if type_ != "datetime" and compiled.has_offset:
        raise ValueError(f'"format" has "%z", which does not apply to the type "{type_}".')
    return compiled.read


def _read_any(text: str) -> Moment | None:
    return _moment(_ANY_TIMESTAMP.fullmatch(text))


def _read_default(text: str) -> Moment | None:
    return _moment(_DEFAULT_TIMESTAMP.fullmatch(text))


def _read_iso_date(text: str) -> Moment | None:
    return _read_any(text) if _DATE.fullmatch(text) else None


def _read_iso_time(text: str) -> Moment | None:
    return (
        _moment(_ANY_TIMESTAMP.fullmatch(f"1900-01-01T{text}")) if _TIME.fullmatch(text) else None
    )


def _moment(match: re.Match[str] | None) -> Moment | None:
    if not match or not (date_ := day(match["date"])):
        return None
    clock = time(int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0))
    fraction = (match["fraction"] or "").rstrip("0")
    return Moment(datetime.combine(date_, clock), fraction, offset_of(match["offset"]))


def _in_zone(moment: Moment, zone: ZoneInfo) -> Moment | None:
    """The moment with the zone's offset. A local time that occurs twice, when summer time ends, is
    the first of the two. None if it does not occur, when summer time begins."""
    try:
        if moment.offset is not None:
            aware = (moment.local - moment.offset).replace(tzinfo=UTC).astimezone(zone)
        else:
            aware = moment.local.replace(tzinfo=zone)  # fold=0 means the first of the two
            if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.local:
                return None
    except OverflowError:
        return None
    return Moment(aware.replace(tzinfo=None, fold=0), moment.fraction, aware.utcoffset())


def written_fraction(moment: Moment) -> str:
    return f".{moment.fraction}" if moment.fraction else ""


def written_offset(offset: timedelta) -> str:
    """`+01:00`. Offsets of the 19th century may have seconds."""
    sign = "-" if offset < timedelta(0) else "+"
    minutes, second = divmod(abs(offset) // timedelta(seconds=1), 60)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{second:02}" if second else "")
