"""`tickets demo`: starts a stack on this machine, loads one file, and stops the stack."""

import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from ingestion.csv_files.refused_rows import parse_csv
from tickets.cli.browser import open_page
from tickets.cli.console import console, print_error, print_json
from tickets.cli.console_server import check_packages
from tickets.cli.demo_console import running_console
from tickets.cli.ingest import renamed_note
from tickets.cli.options import AsJson
from tickets.cli.outcome import exit_if_failed, print_outcome
from tickets.cli.progress import watch_here
from tickets.cli.refused_rows import refused_rows_table
from tickets.cli.sample import SAMPLE_ROWS, SAMPLE_SEED
from tickets.cli.show import history_table
from tickets.cli.text import duration, size
from tickets.errors import CommandError
from tickets.local.deployment import LocalStack, local_stack
from tickets.local.prerequisites import check_prerequisites
from tickets.runs.executions import Execution, Outcome
from tickets.runs.follow import follow
from tickets.runs.ingest import local_file, start_load
from tickets.runs.refused_rows import download
from tickets.runs.report_pages import report_page
from tickets.runs.stack import Stack
from tickets.sample import write_sample

OUTPUT = Path(".tickets")
CONSOLE_ROWS = 60_000
_SHOWN_ROWS = 12  # all refused and superseded rows of the default sample


@dataclass(frozen=True)
class _Kept:
    """What is left of the demo. `page`, and `refused_rows` and `report` of the outcome, are local
    copies, because the stack ends with the demo. `failure` is why the load failed."""

    outcome: Outcome
    page: Path
    failure: str | None


def demo(
    file: Annotated[
        Path | None,
        typer.Argument(help="A CSV file of tickets. Default: a made-up sample."),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            min=0,
            help=f"Rows of the sample. Default: {SAMPLE_ROWS:,}, or {CONSOLE_ROWS:,} with "
            "--console.",
        ),
    ] = None,
    watched: Annotated[
        bool,
        typer.Option("--console", help="Watch the load in a browser; the stack runs until Ctrl-C."),
    ] = False,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser", help="Open the console's page, or only print its address."
        ),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Load a file on this machine and show what happened.

    Starts the embedded engine, deploys the stack, uploads the file, follows its load, and stops the
    engine. The load's page, its report and the refused rows are kept in .tickets/EXECUTION/.
    """
    if file is not None and rows is not None:
        raise CommandError("--rows sets the sample's size: leave it out, or leave out FILE.")
    if watched and as_json:
        raise CommandError("--console and --json can't be used together: pass one of them.")
    check_prerequisites()
    if watched:
        check_packages()
    if rows is None:
        rows = CONSOLE_ROWS if watched else SAMPLE_ROWS
    kept = _run(file, rows, console(quiet=as_json), watched, browser)
    if as_json:
        print_json({**asdict(kept.outcome), "page": str(kept.page.resolve())})
        if kept.failure is not None:
            print_error(kept.failure)
    exit_if_failed(kept.outcome)


def _run(file: Path | None, rows: int, out: Console, watched: bool, browser: bool) -> _Kept:
    """Loads the file, or a sample, and prints each step."""
    with _Steps(out) as steps:
        if file is None:
            steps.begin(f"Making a sample of {rows:,} rows")
            file = _folder(OUTPUT) / f"sample-{rows}.csv"
            write_sample(file, rows, SAMPLE_SEED)
        source = local_file(file)
        with local_stack(on_step=steps.begin) as local, ExitStack() as resources:
            address = None
            if watched:
                steps.begin("Starting the console")
                address = resources.enter_context(running_console(local.stack))
            steps.begin(f"Uploading {file.name} ({size(file.stat().st_size)})")
            start = start_load(local.stack, source)
            steps.end()
            if source.renamed:
                out.print(f"  {renamed_note(source)}", markup=False)
            if address is not None:
                _show_live(local.stack, start.execution_arn, address, out, browser)
            execution, outcome = watch_here(local.stack, start.execution_arn, out)
            kept = _keep(local.stack, execution, outcome)
            out.print()
            out.print(history_table(execution))
            out.print()
            print_outcome(out, execution, outcome)
            if kept.outcome.refused_rows is not None:
                _print_refused_rows(out, Path(kept.outcome.refused_rows), outcome)
            if kept.outcome.report is not None:
                out.print(f"\nThe report and the refused rows are in {OUTPUT / execution.name}/")
            if address is not None:
                _stay(local, address, out)
            steps.begin("Stopping")
    page = Text(str(kept.page), style=f"link {kept.page.resolve().as_uri()}")
    out.print(Text.assemble("\nThe page of the load: ", page))
    return kept


def _show_live(stack: Stack, arn: str, address: str, out: Console, browser: bool) -> None:
    """Waits until the load has started, and shows its page in the console."""
    next(follow(stack, arn))
    url = f"{address}loads/{arn.rpartition(':')[2]}"
    out.print(Text(f"\nWatch the load: {url}"))
    if browser:
        open_page(url)


def _stay(local: LocalStack, address: str, out: Console) -> None:
    """Waits for Ctrl-C. Raises CommandError if the engine ends before."""
    out.print(Text(f"\nThe console stays at {address} until Ctrl-C."))
    with suppress(KeyboardInterrupt):
        code = local.engine.wait()
        raise CommandError(f"The engine ended with code {code}: start the demo again.")


def _keep(stack: Stack, execution: Execution, outcome: Outcome) -> _Kept:
    """Downloads the page, and the report and the refused rows if there are any."""
    folder = _folder(OUTPUT / execution.name)
    page = folder / "report.html"
    page.write_bytes(report_page(stack, execution.name)[1])
    report = _copy(stack, outcome.report, folder / "report.json")
    refused_rows = _copy(stack, outcome.refused_rows, folder / "refused-rows.csv")
    copies = replace(outcome, report=report, refused_rows=refused_rows)
    return _Kept(copies, page, execution.failure)


def _copy(stack: Stack, address: str | None, path: Path) -> str | None:
    """Downloads a file, and returns the absolute path of the copy; None if there is no address."""
    if address is None:
        return None
    with path.open("wb") as file:
        download(stack, address, file)
    return str(path.resolve())


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
