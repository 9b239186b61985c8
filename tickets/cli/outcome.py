"""Prints the result of a load: whether it is loaded, its row counts, and why it failed."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from ingestion.executions.history import ALREADY_LOADED, OVERTAKEN, last_value
from tickets.cli.next_step import next_step
from tickets.cli.text import duration, local_time, rate, row_counts
from tickets.errors import FAILED, TIMED_OUT, CommandError
from tickets.runs.causes import chunks_in_words, untold_errors
from tickets.runs.executions import Execution, Outcome

GOES_ON = ("RUNNING", None)
"""The statuses of loads that have not ended. None: the execution has not appeared yet."""


def print_outcome(out: Console, execution: Execution, outcome: Outcome) -> None:
    took = f", in {duration(outcome.seconds)}" if outcome.seconds is not None else ""
    if outcome.rows_per_second:
        took += f" ({rate(outcome.rows_per_second)})"
    if outcome.status == "RUNNING":
        out.print(Text.assemble(("Still running", "bold cyan"), "."))
        out.print(Text(next_step(execution.stack, "show", execution.name, "--follow")))
    elif not outcome.loaded:
        # If the load failed after its chunks were written, rows are in the table nevertheless.
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
        out.print("Nothing was written now. To load it again:")
        out.print(Text(next_step(execution.stack, "ingest", _address(execution), "--force")))
    elif outcome.ending == OVERTAKEN:
        out.print(Text.assemble(("Overtaken: ", "bold yellow"), _overtaken(outcome)))
    else:
        out.print(Text.assemble(("Loaded: ", "bold green"), _counts(outcome), f"{took}."))


def outcome_json(execution: Execution, outcome: Outcome) -> dict[str, Any]:
    """The outcome as one JSON object, with the field names of docs/json.md."""
    described, request = execution.described, execution_input(execution)
    known: Mapping[str, Any] = request if isinstance(request, dict) else {}
    if execution.attempt is not None:
        known = vars(execution.attempt)
    pinned = last_value(execution.states, "file") or {}
    return {
        "execution": execution.name,
        "execution_arn": execution.arn,
        "load_id": outcome.load_id,
        "bucket": known.get("bucket"),
        "key": known.get("key"),
        "version_id": known.get("version_id") or pinned.get("version_id"),
        "status": outcome.status,
        "ending": outcome.ending,
        "started_at": described["startDate"],
        "stopped_at": described.get("stopDate"),
        "started_by": known.get("started_by"),
        "why": known.get("why"),
        "reason": known.get("reason"),
        "seconds": outcome.seconds,
        "rows_read": outcome.rows_read,
        "rows_written": outcome.rows_written,
        "rows_superseded": outcome.rows_superseded,
        "rows_combined": outcome.rows_combined,
        "rows_refused": outcome.rows_refused,
        "rows_per_second": outcome.rows_per_second,
        "chunks": outcome.chunks,
        "error": execution.failure,
        "report": outcome.report,
        "refused_rows": outcome.refused_rows,
    }


def execution_input(execution: Execution) -> Any:
    """The execution's input as parsed JSON, or as text if it is not valid JSON."""
    text = execution.described.get("input") or "null"
    try:
        return json.loads(text)
    except ValueError:
        return text


def check_timeout(timeout: float | None, wait: bool) -> None:
    """Raises CommandError if --timeout was passed without --wait."""
    if timeout is not None and not wait:
        raise CommandError("--timeout is for --wait: pass --wait too, or leave it out.")


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """FAILED if a load failed, otherwise TIMED_OUT if one has not ended, otherwise 0."""
    found = list(outcomes)
    if not all(outcome.loaded or outcome.status in GOES_ON for outcome in found):
        return FAILED
    return 0 if all(outcome.loaded for outcome in found) else TIMED_OUT


def exit_if_failed(*outcomes: Outcome) -> None:
    """Ends the command with the `exit_code` of the outcomes unless all loads succeeded."""
    if code := exit_code(outcomes):
        raise typer.Exit(code)


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


def _address(execution: Execution) -> str:
    """The `s3://bucket/key?versionId=ID` of the object version that was to be loaded."""
    request = execution_input(execution)
    version = f"?versionId={request['version_id']}" if request.get("version_id") else ""
    return f"s3://{request['bucket']}/{request['key']}{version}"
