"""The whole product once, on this machine: start, deploy, upload, follow, show, keep, stop."""

import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from tickets.cli.output import duration, history_table, print_load, refused_rows_table, size
from tickets.cli.progress import watch
from tickets.local.deployment import local_stack
from tickets.runs.executions import Execution, Outcome
from tickets.runs.ingest import local_file, start_load
from tickets.runs.refused_rows import download, parse_refused_rows
from tickets.runs.stack import Stack
from tickets.sample import write_sample

KEPT_IN = Path(".tickets")
SAMPLE_ROWS = 20_000
SAMPLE_SEED = 1
_SHOWN_ROWS = 12  # all of the default sample's


def run_demo(file: Path | None, rows: int, out: Console) -> tuple[Outcome, str | None]:
    """Loads the file, or a sample of so many rows, and tells `out` about it.

    The answer's `refused_rows` and `report` are paths of the copies kept here, since the stack
    ends with the demo; beside it, why the load failed. Raises TicketsError.
    """
    with _Steps(out) as steps:
        if file is None:
            steps.begin(f"Making a sample of {rows:,} rows")
            file = _folder(KEPT_IN) / f"sample-{rows}.csv"
            write_sample(file, rows, SAMPLE_SEED)
        source = local_file(file)
        with local_stack(on_step=steps.begin) as local:
            steps.begin(f"Uploading {file.name} ({size(file.stat().st_size)})")
            start = start_load(local.stack, source)
            steps.end()
            if source.key != file.name:
                out.print(f"  Its name there is {source.key}: only .csv and .CSV start a load.")
            execution, outcome = watch(local.stack, start.execution_arn, out)
            kept = _keep(local.stack, execution, outcome)
            out.print()
            out.print(history_table(execution))
            out.print()
            print_load(out, execution, outcome)
            if kept.refused_rows is not None:
                _show_refused_rows(out, Path(kept.refused_rows), outcome)
            if kept.report is not None:
                folder = KEPT_IN / execution.name
                out.print(f"\nThe report and the refused rows are kept in {folder}/")
            failure = execution.failure
            steps.begin("Stopping")
    return kept, failure


def _keep(stack: Stack, execution: Execution, outcome: Outcome) -> Outcome:
    """Copies report and refused rows out of the stack; the answer names the copies."""
    if outcome.report is None:
        return replace(outcome, refused_rows=None)
    folder = _folder(KEPT_IN / execution.name).resolve()
    report, refused_rows = folder / "report.json", folder / "refused-rows.csv"
    download(stack, outcome.report, report)
    if outcome.refused_rows is None:
        return replace(outcome, report=str(report))
    download(stack, outcome.refused_rows, refused_rows)
    return replace(outcome, report=str(report), refused_rows=str(refused_rows))


def _folder(path: Path) -> Path:
    """Makes the folder, and keeps it out of the repository in which the demo was called."""
    path.mkdir(parents=True, exist_ok=True)
    (KEPT_IN / ".gitignore").write_text("*\n")
    return path


def _show_refused_rows(out: Console, path: Path, outcome: Outcome) -> None:
    total = (outcome.rows_refused or 0) + (outcome.rows_superseded or 0)
    shown = f"first {_SHOWN_ROWS} of {total:,}" if total > _SHOWN_ROWS else f"{total:,}"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(islice(parse_refused_rows(file), _SHOWN_ROWS))
    out.print(f"\nRows that are not in the table ({shown}):\n")
    out.print(refused_rows_table(rows))


class _Steps:
    """Announces what takes time: a spinner on a terminal, then a line with its seconds."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._label: str | None = None
        self._started = 0.0
        self._spinner: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(succeeded=error is None)

    def begin(self, label: str) -> None:
        """Ends the step before, if any, and begins this one."""
        self.end()
        self._label, self._started = label, time.monotonic()
        if self._out.is_terminal:
            self._spinner = self._out.status(label)
            self._spinner.start()

    def end(self, succeeded: bool = True) -> None:
        """Ends the running step, if any."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
        if self._label is not None and succeeded:
            seconds = duration(time.monotonic() - self._started)
            self._out.print(f"[green]✓[/green] {self._label:<46} [dim]{seconds:>8}[/dim]")
        self._label = None
