"""`tickets demo`: one load on this machine, from the start of the stack to its end."""

import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.status import Status

from ingestion.csv_files.refused_rows import parse_csv
from tickets.cli.console import console, print_error, print_json
from tickets.cli.ingest import renamed_note
from tickets.cli.options import AsJson
from tickets.cli.outcome import exit_if_failed, print_outcome
from tickets.cli.progress import watch
from tickets.cli.refused_rows import refused_rows_table
from tickets.cli.sample import SAMPLE_ROWS, SAMPLE_SEED
from tickets.cli.show import history_table
from tickets.cli.text import duration, size
from tickets.errors import CommandError
from tickets.local.deployment import local_stack
from tickets.local.prerequisites import check_prerequisites
from tickets.runs.executions import Execution, Outcome
from tickets.runs.ingest import local_file, start_load
from tickets.runs.refused_rows import download
from tickets.runs.stack import Stack
from tickets.sample import write_sample

OUTPUT = Path(".tickets")
_SHOWN_ROWS = 12  # all refused and superseded rows of the default sample


def demo(
    file: Annotated[
        Path | None,
        typer.Argument(help="A CSV file of tickets. Default: a made-up sample."),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", min=0, help=f"Rows of the sample. Default: {SAMPLE_ROWS:,}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load a file on this machine and show what happened.

    Starts the embedded engine, deploys the stack, uploads the file, follows its load, and stops the
    engine. The report and the refused rows are kept in .tickets/EXECUTION/.
    """
    if file is not None and rows is not None:
        raise CommandError("--rows sets the sample's size: leave it out, or leave out FILE.")
    check_prerequisites()
    outcome, failure = _run(file, SAMPLE_ROWS if rows is None else rows, console(quiet=as_json))
    if as_json:
        print_json(outcome)
        if failure is not None:
            print_error(failure)
    exit_if_failed(outcome)


def _run(file: Path | None, rows: int, out: Console) -> tuple[Outcome, str | None]:
    """Loads the file, or a sample, and prints each step.

    Returns the outcome and why the load failed. `refused_rows` and `report` of the outcome are
    paths of local copies, because the stack ends with the demo.
    """
    with _Steps(out) as steps:
        if file is None:
            steps.begin(f"Making a sample of {rows:,} rows")
            file = _folder(OUTPUT) / f"sample-{rows}.csv"
            write_sample(file, rows, SAMPLE_SEED)
        source = local_file(file)
        with local_stack(on_step=steps.begin) as local:
            steps.begin(f"Uploading {file.name} ({size(file.stat().st_size)})")
            start = start_load(local.stack, source)
            steps.end()
            if source.renamed:
                out.print(f"  {renamed_note(source)}", markup=False)
            execution, outcome = watch(local.stack, start.execution_arn, out)
            kept = _keep(local.stack, execution, outcome)
            out.print()
            out.print(history_table(execution))
            out.print()
            print_outcome(out, execution, outcome)
            if kept.refused_rows is not None:
                _print_refused_rows(out, Path(kept.refused_rows), outcome)
            if kept.report is not None:
                out.print(f"\nThe report and the refused rows are in {OUTPUT / execution.name}/")
            failure = execution.failure
            steps.begin("Stopping")
    return kept, failure


def _keep(stack: Stack, execution: Execution, outcome: Outcome) -> Outcome:
    """Downloads the report and the refused rows; returns the outcome with the copies' paths."""
    if outcome.report is None:
        return replace(outcome, refused_rows=None)
    folder = _folder(OUTPUT / execution.name).resolve()
    report, refused_rows = folder / "report.json", folder / "refused-rows.csv"
    with report.open("wb") as file:
        download(stack, outcome.report, file)
    if outcome.refused_rows is None:
        return replace(outcome, report=str(report))
    with refused_rows.open("wb") as file:
        download(stack, outcome.refused_rows, file)
    return replace(outcome, report=str(report), refused_rows=str(refused_rows))


def _folder(path: Path) -> Path:
    """Creates a folder in OUTPUT, which git ignores."""
    path.mkdir(parents=True, exist_ok=True)
    (OUTPUT / ".gitignore").write_text("*\n")
    return path


def _print_refused_rows(out: Console, path: Path, outcome: Outcome) -> None:
    total = (outcome.rows_refused or 0) + (outcome.rows_superseded or 0)
    shown = f"first {_SHOWN_ROWS} of {total:,}" if total > _SHOWN_ROWS else f"{total:,}"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(islice(parse_csv(file), _SHOWN_ROWS))
    out.print(f"\nRows that are not in the table ({shown}):\n")
    out.print(refused_rows_table(rows))


class _Steps:
    """Shows a spinner on a terminal while a step runs, then a line with the seconds it took."""

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
        """Ends the previous step and begins a new one."""
        self.end()
        self._label, self._started = label, time.monotonic()
        if self._out.is_terminal:
            self._spinner = self._out.status(label)
            self._spinner.start()

    def end(self, succeeded: bool = True) -> None:
        """Ends the current step, if there is one."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
        if self._label is not None and succeeded:
            seconds = duration(time.monotonic() - self._started)
            self._out.print(f"[green]✓[/green] {self._label:<46} [dim]{seconds:>8}[/dim]")
        self._label = None
