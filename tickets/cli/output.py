"""What the command prints: JSON lines for machines, short text and tables for people."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tickets.cli.terminal import sanitize
from tickets.runs.executions import Execution, Listed, Outcome
from tickets.runs.history import ALREADY_LOADED, OVERTAKEN, condensed
from tickets.runs.refused_rows import RefusedRow

_WIDTH_WITHOUT_TERMINAL = 110
_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan"}


class _SanitizingConsole(Console):
    """Sends a terminal its own control characters only, and none from what it shows."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=sanitize(segment.text))


def console() -> Console:
    """Standard output for people. Made when needed, so that it is the stream of that moment."""
    found = _SanitizingConsole(highlight=False)
    if not found.is_terminal:
        found.width = _WIDTH_WITHOUT_TERMINAL
    return found


def print_json(value: Any) -> None:
    """One value as one line."""
    print(json.dumps(value, ensure_ascii=False, default=_json_default), flush=True)


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
    """`812 bytes`, `1.8 MB`."""
    if number < 1000:
        return f"{number} bytes"
    if number < 1_000_000:
        return f"{number / 1000:.1f} kB"
    return f"{number / 1_000_000:,.1f} MB"


def status_text(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, "red"))


def executions_table(executions: Iterable[Listed]) -> Table:
    table = _table("Execution", "Status", "Ending", "Started", "Duration")
    table.columns[4].justify = "right"
    for execution in executions:
        table.add_row(
            Text(execution.name, overflow="fold"),
            status_text(execution.status),
            execution.ending or "",
            local_time(execution.started_at),
            duration(execution.seconds),
        )
    return table


def history_table(execution: Execution) -> Table:
    """State, result and duration of every visited state; equal visits are one line."""
    table = _table("State", "Result", "Duration")
    table.columns[2].justify = "right"
    for run, result, times, seconds in condensed(execution.states, execution.results):
        style = "red" if run.error else "green" if run.type == "Succeed" else ""
        words = f"{result}, {times:,} times" if times > 1 else result
        # A Choice takes no time worth reading.
        took = duration(seconds) if run.type in ("Task", "Map", "Wait") else ""
        table.add_row(run.state, Text(words, style=style), took)
    return table


def refused_rows_table(rows: Iterable[RefusedRow]) -> Table:
    """One line a row; the row's text is cut at the terminal's edge."""
    table = _table("Line", "Column", "Reason", "Row")
    table.columns[0].justify = "right"
    for column in table.columns:
        column.no_wrap = True
    table.expand = True  # the rows' text gets the width that the other columns leave
    table.columns[3].ratio = 1
    table.columns[3].overflow = "ellipsis"
    for row in rows:
        # A newline or another control character in a row must not break the table.
        raw = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in row.raw[:500])
        table.add_row(f"{row.line:,}", row.column, row.reason, Text(raw))
    return table


def totals_text(outcome: Outcome) -> Text:
    """The totals as `rows_text` has them, their first number standing out."""
    read, equals, parts = rows_text(vars(outcome)).partition(" = ")
    return Text.assemble((read, "bold"), equals, parts)


def rows_text(totals: Mapping[str, Any]) -> str:
    """`100 rows read = 97 written + 1 superseded + 2 refused`."""
    return (
        f"{totals['rows_read']:,} rows read = {totals['rows_written']:,} written"
        f" + {totals['rows_superseded']:,} superseded + {totals['rows_refused']:,} refused"
    )


def print_load(out: Console, execution: Execution, outcome: Outcome) -> None:
    """The verdict and the totals of one load; its reasons if it failed."""
    took = f", in {duration(outcome.seconds)}" if outcome.seconds is not None else ""
    if outcome.seconds and outcome.rows_written:
        took += f" ({outcome.rows_written / outcome.seconds:,.0f} rows/s)"
    if outcome.status == "RUNNING":
        out.print(Text.assemble(("Still running", "bold cyan"), "."))
    elif not outcome.loaded:
        # Of a load that failed late, rows are in the table all the same.
        verdict = "Loaded in part, and failed: " if outcome.rows_written else "Not loaded: "
        out.print(Text.assemble((verdict, "bold red"), execution.failure or ""))
        for chunk in execution.failed_chunks():
            out.print(Text(f"  chunk {chunk.index}: {chunk.error}", style="red"))
        if outcome.rows_read is not None:
            out.print(Text.assemble(totals_text(outcome), f"{took}."))
    elif outcome.ending == ALREADY_LOADED:
        when = execution.load.get("finished_at")
        before = f" on {local_time(datetime.fromisoformat(when))}" if when else ""
        out.print(
            Text.assemble(("Loaded already", "bold green"), f"{before}, as {outcome.load_id}.")
        )
        if outcome.rows_read is not None:
            out.print(Text.assemble(totals_text(outcome), "."))
        out.print("Nothing was written now; `tickets ingest --force` loads it again.")
    elif outcome.ending == OVERTAKEN:
        out.print(Text.assemble(("Overtaken: ", "bold yellow"), _overtaken(outcome)))
    else:
        out.print(Text.assemble(("Loaded: ", "bold green"), totals_text(outcome), f"{took}."))


def _overtaken(outcome: Outcome) -> Text:
    """Not an error, but not what whoever looks at it has hoped for either."""
    words = "a later version of this object is loaded instead"
    if not outcome.rows_written:
        return Text(f"{words}; nothing of this one was written.")
    return Text.assemble(
        f"{words}. Before that: ",
        totals_text(outcome),
        ". What was written stays where the later version has no such row.",
    )


def local_time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name)
    return table


def _json_default(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")
