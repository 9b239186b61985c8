"""Follows loads to their ends, with a progress bar if standard output is a terminal."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from ingestion.executions.history import SMALL_FILE
from tickets.cli.console import print_error
from tickets.cli.errors import Terminated
from tickets.cli.next_step import next_step
from tickets.cli.text import duration, rate
from tickets.runs.executions import Execution, Outcome, known_execution
from tickets.runs.follow import Several, follow, follow_several
from tickets.runs.stack import Stack
from tickets.runs.waiting import DeadlinePassed

NOT_STARTED = "NOT STARTED"
_STEPS = {
    "Wait For Turn": "waiting for other loads",
    SMALL_FILE: "writing the rows",
}
"""What a load does in the states that have no chunks to count."""
_MIN_ETA_LOADS = 5
"""How many loads have to end before the time that the others take is estimated."""


def watch(
    stack: Stack, arn: str, out: Console | None = None, timeout: float | None = None
) -> tuple[Execution, Outcome]:
    """Follows an execution to its end. If `timeout` seconds pass first, its status is RUNNING.

    out: where to draw the bar; without a terminal nothing is drawn. If the command is interrupted,
    it prints that the load goes on, and how to follow it again. Raises CommandError if the
    execution does not appear.
    """
    with loads_go_on(stack, [arn]):
        return watch_here(stack, arn, out, timeout)


def watch_here(
    stack: Stack, arn: str, out: Console | None = None, timeout: float | None = None
) -> tuple[Execution, Outcome]:
    """Does the same for a stack that ends with the command."""
    with new_bar(out) as bar:
        task = bar.add_task("Loading", total=None, numbers="waiting for the execution")
        meter = _Meter()
        try:
            for progress in follow(stack, arn, timeout):
                done = progress.chunks_done + progress.chunks_failed
                if progress.chunks is None:
                    step = _STEPS.get(progress.state or "", "reading the file")
                    bar.update(task, numbers=step)
                    continue
                rows_per_second = meter.rate(bar.get_time(), progress.rows)
                numbers = f"{done:,}/{progress.chunks:,} chunks  {progress.rows:,} rows"
                if rows_per_second is not None:
                    numbers += f"  {rate(rows_per_second)}"
                if progress.chunks_failed:
                    numbers += f"  {progress.chunks_failed:,} chunks failed"
                bar.update(
                    task, total=progress.chunks, completed=done, numbers=Text(numbers), refresh=True
                )
        except DeadlinePassed:
            pass
    execution = Execution(stack, arn)
    return execution, execution.outcome()


def watch_several(
    stack: Stack, arns: Sequence[str], out: Console | None = None, timeout: float | None = None
) -> Iterator[tuple[Execution, Outcome]]:
    """Follows executions, and yields each at its end, with its outcome.

    The status of an execution that did not appear is NOT_STARTED. If `timeout` seconds pass first,
    the status of those that are left is RUNNING, or None if they have not appeared yet.
    """
    left = dict.fromkeys(arns)
    failed = 0
    with new_bar(out) as bar:
        task = bar.add_task("Loading", total=len(arns), numbers="waiting for the executions")
        try:
            for progress in follow_several(stack, arns, timeout):
                for arn in progress.ended:
                    execution = Execution(stack, arn)
                    outcome = execution.outcome()
                    failed += not outcome.loaded
                    del left[arn]
                    yield execution, outcome
                failed += len(progress.lost)
                for arn in progress.lost:
                    del left[arn]
                    yield Execution(stack, arn), Outcome(arn, NOT_STARTED)
                done = len(arns) - len(left)
                numbers = _numbers(progress, done, len(arns), failed, bar.tasks[task].elapsed)
                bar.update(task, completed=done, numbers=Text(numbers), refresh=True)
        except DeadlinePassed:
            pass
    for arn in left:
        known = known_execution(stack, arn)
        yield Execution(stack, arn), Outcome(arn, "RUNNING" if known else None)


def new_bar(out: Console | None) -> Progress:
    """A bar that disappears at the end, with a text `numbers`; nothing without a terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[numbers]}"),
        console=out,
        transient=True,
        disable=out is None or not out.is_terminal,
    )


@contextmanager
def loads_go_on(stack: Stack, arns: Collection[str]) -> Iterator[None]:
    """Says that loads go on if the command is interrupted, and how to follow them again.

    arns: the executions. Those that are no longer in the collection by then have ended.
    """
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        for line in go_on(stack, arns):
            print_error(line)
        raise


def go_on(stack: Stack, arns: Collection[str]) -> Iterator[str]:
    """Prints that these executions go on, and the command that follows or lists them."""
    if len(arns) == 1:
        [name] = (arn.rpartition(":")[2] for arn in arns)
        yield "The load goes on."
        yield next_step(stack, "show", name, "--follow")
    elif arns:
        yield f"{len(arns):,} loads go on."
        yield next_step(stack, "executions", "--status", "RUNNING")


def _numbers(progress: Several, done: int, total: int, failed: int, elapsed: float | None) -> str:
    """`120/300 loads  2 failed  31 running  about 4 min 10 s left`."""
    numbers = f"{done:,}/{total:,} loads"
    for count, what in ((failed, "failed"), (len(progress.running), "running")):
        if count:
            numbers += f"  {count:,} {what}"
    if elapsed and _MIN_ETA_LOADS <= done < total:
        numbers += f"  about {duration(elapsed / done * (total - done))} left"
    return numbers


class _Meter:
    """Rows per second since the first reading."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def rate(self, now: float, rows: int) -> float | None:
        if self._start is None:
            self._start = now, rows
        since, at_first = self._start
        return (rows - at_first) / (now - since) if now > since and rows > at_first else None
