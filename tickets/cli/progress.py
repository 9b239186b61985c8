"""Follows a load with a progress bar, if standard output is a terminal."""

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from tickets.runs.executions import Execution, Outcome
from tickets.runs.follow import follow
from tickets.runs.history import SMALL_FILE
from tickets.runs.stack import Stack
from tickets.runs.waiting import DeadlinePassed

_STEPS = {
    "Wait For Turn": "waiting for other loads",
    SMALL_FILE: "writing the rows",
}
"""What a load does in the states in which it has no chunks to count."""


def watch(
    stack: Stack, arn: str, out: Console | None = None, timeout: float | None = None
) -> tuple[Execution, Outcome]:
    """Follows an execution to its end. If `timeout` seconds pass first, its status is RUNNING.

    out: where to draw the bar; without a terminal nothing is drawn.
    Raises CommandError if the execution does not appear.
    """
    visible = out is not None and out.is_terminal
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[numbers]}"),
        console=out,
        transient=True,
        disable=not visible,
    )
    with bar:
        task = bar.add_task("Loading", total=None, numbers="waiting for the execution")
        meter = _Meter()
        try:
            for progress in follow(stack, arn, timeout):
                done = progress.chunks_done + progress.chunks_failed
                if progress.chunks is None:
                    step = _STEPS.get(progress.state or "", "reading the file")
                    bar.update(task, numbers=step)
                    continue
                rate = meter.rate(bar.get_time(), progress.rows)
                numbers = f"{done:,}/{progress.chunks:,} chunks  {progress.rows:,} rows"
                if rate is not None:
                    numbers += f"  {rate:,.0f} rows/s"
                if progress.chunks_failed:
                    numbers += f"  {progress.chunks_failed:,} chunks failed"
                bar.update(task, total=progress.chunks, completed=done, numbers=Text(numbers))
        except DeadlinePassed:
            pass
    execution = Execution(stack, arn)
    return execution, execution.outcome()


class _Meter:
    """Rows per second since the first reading."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def rate(self, now: float, rows: int) -> float | None:
        if self._start is None:
            self._start = now, rows
        since, at_first = self._start
        return (rows - at_first) / (now - since) if now > since and rows > at_first else None
