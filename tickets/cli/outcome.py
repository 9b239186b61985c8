"""Prints the result of a load: whether it is loaded, its row counts, and why it failed."""

from datetime import datetime

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.text import duration, local_time, row_counts
from tickets.errors import FAILED
from tickets.runs.causes import chunks_in_words, untold_errors
from tickets.runs.executions import Execution, Outcome
from tickets.runs.history import ALREADY_LOADED, OVERTAKEN


def print_outcome(out: Console, execution: Execution, outcome: Outcome) -> None:
    took = f", in {duration(outcome.seconds)}" if outcome.seconds is not None else ""
    if outcome.seconds and outcome.rows_written:
        took += f" ({outcome.rows_written / outcome.seconds:,.0f} rows/s)"
    if outcome.status == "RUNNING":
        out.print(Text.assemble(("Still running", "bold cyan"), "."))
    elif not outcome.loaded:
        # If the load failed after its chunks were written, rows are in the table all the same.
        verdict = "Loaded in part, and failed: " if outcome.rows_written else "Not loaded: "
        out.print(Text.assemble((verdict, "bold red"), execution.failure or ""))
        for group in untold_errors(execution):
            line = f"  {chunks_in_words(group)}: {group.error}: {group.message}"
            out.print(Text(line, style="red"), soft_wrap=True)
        if outcome.rows_read is not None:
            out.print(Text.assemble(_counts(outcome), f"{took}."))
    elif outcome.ending == ALREADY_LOADED:
        when = execution.load.get("finished_at")
        before = f" on {local_time(datetime.fromisoformat(when))}" if when else ""
        out.print(
            Text.assemble(("Already loaded", "bold green"), f"{before}, as {outcome.load_id}.")
        )
        if outcome.rows_read is not None:
            out.print(Text.assemble(_counts(outcome), "."))
        out.print("Nothing was written now; `tickets ingest --force` loads it again.")
    elif outcome.ending == OVERTAKEN:
        out.print(Text.assemble(("Overtaken: ", "bold yellow"), _overtaken(outcome)))
    else:
        out.print(Text.assemble(("Loaded: ", "bold green"), _counts(outcome), f"{took}."))


def exit_if_failed(*outcomes: Outcome) -> None:
    """Ends the command with exit code 1 unless all loads succeeded."""
    if not all(outcome.loaded for outcome in outcomes):
        raise typer.Exit(FAILED)


def _counts(outcome: Outcome) -> Text:
    read, equals, others = row_counts(vars(outcome)).partition(" = ")
    return Text.assemble((read, "bold"), equals, others)


def _overtaken(outcome: Outcome) -> Text:
    what = "a later version of this object is loaded instead"
    if not outcome.rows_written:
        return Text(f"{what}; no row of this version was written.")
    return Text.assemble(
        f"{what}. Before that: ",
        _counts(outcome),
        ". Rows that only this version has stay in the table.",
    )
