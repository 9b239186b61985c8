"""Values as text for people: durations, sizes, times, statuses and row counts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan"}


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


def local_time(moment: datetime) -> str:
    """`2026-11-26 18:05:12 CET`: the time where the command runs, with the name of its zone."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def rate(rows_per_second: float) -> str:
    """`12,345 rows/s`."""
    return f"{rows_per_second:,.0f} rows/s"


def status_text(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, "red"))


def row_counts(counts: Mapping[str, Any]) -> str:
    """`100 rows read = 97 written + 1 superseded + 2 refused`.

    Combined rows are only mentioned if there are any: few sources combine rows.
    """
    combined = counts.get("rows_combined")
    return (
        f"{counts['rows_read']:,} rows read = {counts['rows_written']:,} written"
        f"{f' + {combined:,} combined' if combined else ''}"
        f" + {counts['rows_superseded']:,} superseded + {counts['rows_refused']:,} refused"
    )
