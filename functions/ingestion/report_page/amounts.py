"""Amounts and moments as text for people."""

from datetime import UTC, datetime


def duration(seconds: float | None) -> str:
    """`0.8 s`, `12.4 s`, `3 min 05 s`, `2 h 03 min`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(number: int) -> str:
    """`812 bytes`, `1.8 kB`, `12.3 MB`."""
    if number < 1000:
        return f"{number} bytes"
    if number < 1_000_000:
        return f"{number / 1000:.1f} kB"
    return f"{number / 1_000_000:,.1f} MB"


def moment(at: datetime | str | None) -> str:
    """`2026-11-24 03:00:09 UTC`, of a time or of its text in ISO 8601; empty for None. In UTC,
    because a page may be read in any time zone."""
    if not at:
        return ""
    known = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    return f"{known.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
