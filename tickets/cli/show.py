"""`tickets show`: prints one execution in detail."""

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tickets.cli.console import console, new_table, print_json
from tickets.cli.options import AsJson, EndpointUrl, ExecutionName, Profile, Region, StackName
from tickets.cli.outcome import print_outcome
from tickets.cli.text import duration, local_time, status_text
from tickets.runs import connect
from tickets.runs.executions import Execution, find_execution
from tickets.runs.history import StateRun, count, group_visits


def show(
    execution: ExecutionName,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show one execution: its states, its row counts, and why it failed."""
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    found = find_execution(stack, execution)
    if as_json:
        print_json(_execution_json(found))
    else:
        _print_execution(found, console())


def history_table(execution: Execution) -> Table:
    """State, result and duration of each visited state, with equal visits in one row."""
    table = new_table("State", "Result", "Duration")
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
    described = execution.described
    return {
        **asdict(execution.outcome()),
        "name": execution.name,
        "started_at": described["startDate"],
        "stopped_at": described.get("stopDate"),
        "input": _input(execution),
        "failure": execution.failure,
        "reasons": execution.reasons,
        "source": execution.source,
        "states": [
            _state_json(run, result)
            for run, result in zip(execution.states, execution.results, strict=True)
        ],
        "map_run": (execution.map_run or {}).get("itemCounts"),
        "failed_chunks": [asdict(chunk) for chunk in execution.failed_chunks()],
    }


def _print_execution(execution: Execution, out: Console) -> None:
    described, outcome = execution.described, execution.outcome()
    out.print(Text(execution.name, style="bold"), status_text(execution.status), sep="  ")
    started = f"Started {local_time(described['startDate'])}"
    took = f", took {duration(execution.seconds)}" if execution.seconds is not None else ""
    out.print(f"{started}{took}, input:")
    out.print(Text(json.dumps(_input(execution), ensure_ascii=False, indent=2)))
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
        out.print(f"Source: {source['name']} (SHA-256 {source['sha256']})", soft_wrap=True)
    if outcome.report is not None:
        out.print(Text(f"Report: {outcome.report}"), soft_wrap=True)
    if outcome.refused_rows is not None:
        out.print(Text(f"Refused rows: {outcome.refused_rows}"), soft_wrap=True)
        out.print(f"`tickets refused {execution.name}` lists them.", soft_wrap=True)


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


def _input(execution: Execution) -> Any:
    text = execution.described.get("input") or "null"
    try:
        return json.loads(text)
    except ValueError:
        return text
