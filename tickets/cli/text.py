"""Formats durations, sizes, times, statuses and row counts for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from ingestion.report_page.amounts import duration as duration
from ingestion.report_page.amounts import size as size

_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan"}


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
