"""`tickets show`: prints one execution in detail."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion.executions.history import StateRun, count, group_visits
from ingestion.ledger.attempts import Attempt
from tickets.cli.console import console, new_table, print_json
from tickets.cli.loads import attempt_line
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName, Timeout, Wait
from tickets.cli.outcome import (
    check_timeout,
    execution_input,
    exit_if_failed,
    outcome_json,
    print_outcome,
)
from tickets.cli.progress import watch
from tickets.cli.text import duration, local_time, row_counts, status_text
from tickets.runs import connect
from tickets.runs.attempts import LoadHistory, find, history_of_load
from tickets.runs.causes import chunk_errors
from tickets.runs.executions import Execution


def show(
    execution: Annotated[
        str,
        typer.Argument(
            metavar="EXECUTION",
            help="Name or ARN of an execution; or a file, a key in the upload bucket or an "
            "s3://bucket/key, whose newest execution is shown.",
        ),
    ],
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show one execution: its states, its row counts, why it failed, and the other executions of
    its load.

    With --wait, its progress is shown until it has ended. The exit code is then 1 if it failed, and
    3 if --timeout ran out.

    Step Functions deletes executions after 90 days. After that, only what the ledger has recorded
    is shown.
    """
    check_timeout(timeout, wait)
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    attempt, found = find(stack, execution)
    if wait and found is not None and found.status == "RUNNING":
        watch(stack, found.arn, console(quiet=as_json), timeout)
        attempt, found = find(stack, found.arn)
    history = history_of_load(stack, attempt, found)
    if as_json:
        recorded = attempt.to_json() if attempt is not None else {}
        print_json(recorded | (_execution_json(found) if found else {}) | history.to_json())
    else:
        out = console()
        if found is not None:
            _print_execution(found, out)
        elif attempt is not None:
            _print_attempt(attempt, out)
        _print_history(history, out)
    if wait and found is not None:
        exit_if_failed(found.outcome())


def history_table(execution: Execution) -> Table:
    """State, result and duration of each visited state, with equal visits in one row."""
    table = new_table("State", "Result", "Duration", wrapped=("Result",))
    table.columns[2].justify = "right"
    for run, result, times, seconds in group_visits(execution.states, execution.results):
        style = "red" if run.error else "green" if run.type == "Succeed" else ""
        text = f"{result}, {times:,} times" if times > 1 else result
        # Other types of states, such as Choice, take next to no time.
        took = duration(seconds) if run.type in ("Task", "Map", "Wait") else ""
        table.add_row(run.state, Text(text, style=style), took)
    return table


def _execution_json(execution: Execution) -> dict[str, Any]:
    """The fields of the outcome, followed by those of the execution."""
    return {
        **outcome_json(execution, execution.outcome()),
        "input": execution_input(execution),
        "reasons": execution.reasons,
        "source": execution.source,
        "states": [
            _state_json(run, result)
            for run, result in zip(execution.states, execution.results, strict=True)
        ],
        "map_run": (execution.map_run or {}).get("itemCounts"),
        "failed_chunks": [asdict(chunk) for chunk in execution.failed_chunks()],
        "errors": [asdict(group) for group in chunk_errors(execution)],
    }


def _print_execution(execution: Execution, out: Console) -> None:
    described, outcome = execution.described, execution.outcome()
    out.print(Text(execution.name, style="bold"), status_text(execution.status), sep="  ")
    started = f"Started {local_time(described['startDate'])}"
    took = f", took {duration(execution.seconds)}" if execution.seconds is not None else ""
    out.print(f"{started}{took}, input:")
    out.print(Text(json.dumps(execution_input(execution), ensure_ascii=False, indent=2)))
    out.print()
    out.print(history_table(execution))
    out.print()
    counts = execution.map_run["itemCounts"] if execution.map_run else {}
    if counts and counts["succeeded"] < counts["total"]:
        numbers = ", ".join(
            f"{counts[name]:,} {label}"
            for name, label in (
                ("succeeded", "written"),
                ("running", "running"),
                ("pending", "waiting"),
                ("failed", "failed"),
                ("timedOut", "timed out"),
                ("aborted", "aborted"),
            )
            if counts.get(name)
        )
        out.print(f"{count(counts['total'], 'chunk')}: {numbers or 'none started'}")
    print_outcome(out, execution, outcome)
    if source := execution.source:
        out.print(f"Source: {source['name']} (SHA-256 {source['sha256']})")
    if outcome.report is not None:
        out.print(Text(f"Report: {outcome.report}"))
    if outcome.refused_rows is not None:
        out.print(Text(f"Refused rows: {outcome.refused_rows}"))
        out.print(f"`tickets refused {execution.name}` lists them.")
    _print_page(execution.name, out)


def _print_attempt(attempt: Attempt, out: Console) -> None:
    """Prints an execution that Step Functions has deleted."""
    out.print(Text(attempt.execution, style="bold"), status_text(attempt.status), sep="  ")
    out.print(Text(attempt_line(attempt.to_json())), soft_wrap=True)
    out.print("Step Functions no longer has its states. The page has them, unless it has expired.")
    _print_page(attempt.execution, out)
    if attempt.rows_read is not None:
        out.print(row_counts(vars(attempt)), soft_wrap=True)
    for label, text in (
        ("Why", attempt.error),
        ("Report", attempt.report),
        ("Refused rows", attempt.refused_rows),
    ):
        if text is not None:
            out.print(Text(f"{label}: {text}"), soft_wrap=True)


def _print_page(name: str, out: Console) -> None:
    out.print(f"`tickets report {name} --open` shows it as a page.", soft_wrap=True)


def _print_history(history: LoadHistory, out: Console) -> None:
    """Prints the executions of the load, if there are several, and what people did to it."""
    if len(history.attempts) > 1:
        out.print()
        for attempt in history.attempts:
            out.print(Text(attempt_line(attempt.to_json())), soft_wrap=True)
        if history.finished_by is not None:
            out.print(Text(f"{history.finished_by} finished the load."), soft_wrap=True)
    for action in history.actions:
        at = local_time(datetime.fromisoformat(action["at"]))
        reason = f": {action['reason']}" if action["reason"] else ""
        execution = action.get("execution")
        which = f" of {execution}" if execution else ""
        text = f"{action['action']}{which} at {at} by {action['by']}{reason}"
        out.print(Text(text), soft_wrap=True)


def _state_json(run: StateRun, result: str) -> dict[str, Any]:
    return {
        "state": run.state,
        "type": run.type,
        "result": result,
        "started_at": run.started_at,
        "seconds": run.seconds,
        "attempts": run.attempts,
        "error": run.error,
        "cause": run.cause,
    }
