"""Dates and times in the formats that a source may declare."""

from typing import Any

import pytest

from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import Refused, Stored
from ingestion.sources.model import Field


def stored(type_: str, text: str, *formats: str, **declared: Any) -> str:
    """What is stored, or the reason for the refusal."""
    field = Field(
        "day",
        type_,
        formats=formats or ("default",),
        stored_as="N" if declared.get("ttl") else "S",
        **declared,
    )
    outcome = Conversion(field).convert(text)
    if isinstance(outcome, Refused):
        return outcome.reason
    assert isinstance(outcome, Stored)
    (value,) = outcome.attribute.values()
    return str(value)


@pytest.mark.parametrize(
    ("type_", "text", "formats", "expected"),
    [
        ("date", "2025-12-31", (), "2025-12-31"),
        ("date", " 31.12.2025\t", ("%d.%m.%Y",), "2025-12-31"),
        ("date", "1/2/26", ("%m/%d/%y",), "2026-01-02"),
        ("date", "31.12.68", ("%d.%m.%y",), "2068-12-31"),
        ("date", "31.12.69", ("%d.%m.%y",), "1969-12-31"),
        ("date", "05JAN2026", ("%d%b%Y",), "2026-01-05"),
        ("date", "may  5, 2026", ("%B %d, %Y",), "2026-05-05"),
        ("date", "2024366", ("%Y%j",), "2024-12-31"),
        ("date", "12/1/2010 8:26", ("%m/%d/%Y %H:%M",), "2010-12-01"),
        ("date", "31.12.2025", ("%Y-%m-%d", "%d.%m.%Y"), "2025-12-31"),
        ("date", "04/05/2026", ("%d/%m/%Y", "%m/%d/%Y"), "2026-05-04"),
        ("time", "18:05:00", (), "18:05:00"),
        ("time", "6:05 pm", ("%I:%M %p",), "18:05:00"),
        ("time", "12:05 AM", ("%I:%M %p",), "00:05:00"),
        ("time", "180500", ("%H%M%S",), "18:05:00"),
        ("time", "18:05:00.250", ("any",), "18:05:00.25"),
        ("datetime", "2025-12-31T18:05:00", (), "2025-12-31T18:05:00"),
        ("datetime", "2025-12-31T18:05:00Z", (), "2025-12-31T18:05:00+00:00"),
        ("datetime", "2025-12-31T18:05:00.000-05:30", (), "2025-12-31T18:05:00-05:30"),
        ("datetime", "2025-12-31T18:05:00.1234567", (), "2025-12-31T18:05:00.1234567"),
        ("datetime", "31.12.2025 9:05", ("%d.%m.%Y %H:%M",), "2025-12-31T09:05:00"),
        ("datetime", "31.12.2025", ("%d.%m.%Y",), "2025-12-31T00:00:00"),
        ("datetime", "20251231180500", ("%Y%m%d%H%M%S",), "2025-12-31T18:05:00"),
        ("datetime", "31.12.25 18 uhr", ("%d.%m.%y %H Uhr",), "2025-12-31T18:00:00"),
        ("datetime", "2025-12-31 18:05 +02", ("any",), "2025-12-31T18:05:00+02:00"),
        ("datetime", "2025-12-31", ("any",), "2025-12-31T00:00:00"),
    ],
)
def test_a_date_or_time_is_stored_as_iso_8601(
    type_: str, text: str, formats: tuple[str, ...], expected: str
) -> None:
    assert stored(type_, text, *formats) == expected


@pytest.mark.parametrize(
    ("type_", "text", "formats"),
    [
        *[("date", text, ()) for text in ("", "31.12.2025", "2025-02-29", "0000-01-01", "x")],
        ("date", "2025-12-31T00:00:00", ()),
        ("date", "31.12.2025", ("%d.%m.%y",)),
        ("date", "٣1.12.2025", ("%d.%m.%Y",)),
        ("date", "1112026", ("%d%m%Y",)),  # the 1st of November, or the 11th of January
        ("date", "2025366", ("%Y%j",)),
        ("date", "Dezember 5, 2026", ("%B %d, %Y",)),
        ("time", "24:00:00", ()),
        ("time", "18:05:60", ()),
        ("time", "13:05 PM", ("%I:%M %p",)),
        ("datetime", "2025-12-31 18:05:00", ()),
        ("datetime", "2025-12-31", ()),
        ("datetime", "31.12.2025 18:05\n", ("%d.%m.%Y %H:%M",)),
    ],
)
def test_a_text_that_does_not_fit_is_refused(
    type_: str, text: str, formats: tuple[str, ...]
) -> None:
    assert stored(type_, text, *formats, missing_values=()) == f"bad_{type_}"


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2025-12-31T18:05:00", "Europe/Berlin", "2025-12-31T18:05:00+01:00"),
        ("2025-07-31T18:05:00", "Europe/Berlin", "2025-07-31T18:05:00+02:00"),
        ("2025-12-31T18:05:00", "Asia/Kolkata", "2025-12-31T18:05:00+05:30"),
        ("2025-12-31T18:05:00", "America/New_York", "2025-12-31T18:05:00-05:00"),
        ("2025-12-31T23:30:00Z", "Europe/Berlin", "2026-01-01T00:30:00+01:00"),
        ("2025-12-31T23:30:00.5+05:30", "UTC", "2025-12-31T18:00:00.5+00:00"),
        # Summer time ends at 3:00. 2:30 means the first of the two, unless there is an offset.
        ("2025-10-26T02:30:00", "Europe/Berlin", "2025-10-26T02:30:00+02:00"),
        ("2025-10-26T01:30:00Z", "Europe/Berlin", "2025-10-26T02:30:00+01:00"),
        # Summer time begins at 2:00.
        ("2025-03-30T02:30:00", "Europe/Berlin", "bad_datetime"),
        ("2025-03-30T03:00:00", "Europe/Berlin", "2025-03-30T03:00:00+02:00"),
        ("0001-01-01T00:00:00", "Europe/Berlin", "bad_datetime"),
        ("9999-12-31T23:59:59-01:00", "Europe/Berlin", "bad_datetime"),
    ],
)
def test_a_time_gets_the_offset_of_its_zone(text: str, zone: str, expected: str) -> None:
    assert stored("datetime", text, timezone=zone) == expected


@pytest.mark.parametrize(
    ("type_", "text", "zone", "expected"),
    [
        ("date", "1970-01-02", None, "86400"),
        ("date", "1970-01-02", "Europe/Berlin", "82800"),
        ("date", "2018-11-04", "America/Sao_Paulo", "1541300400"),  # a day without midnight
        ("date", "1969-12-31", None, "-86400"),
        ("datetime", "2026-01-01T00:00:00", None, "1767225600"),
        ("datetime", "2026-01-01T00:00:00+01:00", None, "1767222000"),
        ("datetime", "2026-01-01T00:00:00.999", "Europe/Berlin", "1767222000"),
    ],
)
def test_a_time_to_live_is_in_seconds_since_1970(
    type_: str, text: str, zone: str | None, expected: str
) -> None:
    assert stored(type_, text, timezone=zone, ttl=True) == expected


def test_a_template_gets_a_time_to_live_as_a_date() -> None:
    field = Field("day", "date", stored_as="N", ttl=True)
    outcome = Conversion(field).convert("2026-01-01")
    assert outcome == Stored({"N": "1767225600"}, "2026-01-01")


@pytest.mark.parametrize(
    ("type_", "format_", "named"),
    [
        ("date", "%d.%m.%a", '"%a"'),
        ("date", "%d.%m.%", '"%"'),
        ("date", "%x", '"%x"'),
        ("datetime", "%d.%m.%Y %H:%M %Z", '"%Z"'),
        ("date", "%d.%m", "year, month and day"),
        ("date", "%Y-%m", "year, month and day"),
        ("datetime", "%H:%M", "year, month and day"),
        ("date", "%d.%m.%Y %y", '"%Y" and "%y"'),
        ("date", "%d.%d.%Y", '"%d" twice'),
        ("date", "%Y-%j-%d", '"%j" and "%d"'),
        ("time", "%d.%m.%Y", "hour"),
        ("time", "%I:%M", '"%I" without "%p"'),
        ("time", "%H:%M %p", '"%H" and "%p"'),
        ("time", "%H:%S", '"%S" without "%M"'),
        ("time", "%H:%M %z", '"%z"'),
        ("date", "%d.%m.%Y %z", '"%z"'),
    ],
)
def test_a_format_that_is_not_supported_is_an_error(type_: str, format_: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as raised:
        Conversion(Field("day", type_, formats=(format_,)))
    assert '"format"' in str(raised.value)


@pytest.mark.parametrize(
    ("type_", "zone"),
    [("datetime", "Europe/Berln"), ("datetime", "../etc"), ("datetime", "Europe"), ("date", "UTC")],
)
def test_a_timezone_that_is_unknown_or_does_not_apply_is_an_error(type_: str, zone: str) -> None:
    with pytest.raises(ValueError, match='"timezone"'):
        Conversion(Field("day", type_, timezone=zone))
