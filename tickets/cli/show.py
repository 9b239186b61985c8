"""`tickets show`: everything that is known of one execution."""

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from tickets.cli.output import duration, history_table, local_time, print_load, status_text
from tickets.runs.executions import Execution, as_json
from tickets.runs.history import StateRun, count


def execution_json(execution: Execution) -> dict[str, Any]:
    """One object: the outcome's fields, then the execution's own."""
    described = execution.described
    return {
        **as_json(execution.outcome()),
        "name": execution.name,
        "started_at": described["startDate"],
        "stopped_at": described.get("stopDate"),
        "input": _input(execution),
        "failure": execution.failure,
        "reasons": execution.reasons,
        "states": [
            _state_json(run, result)
            for run, result in zip(execution.states, execution.results, strict=True)
        ],
        "map_run": (execution.map_run or {}).get("itemCounts"),
        "failed_chunks": [as_json(chunk) for chunk in execution.failed_chunks()],
    }


def print_execution(execution: Execution, out: Console) -> None:
    """The same for people, the verdict last."""
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
        words = ", ".join(
            f"{counts[name]:,} {word}"
            for name, word in (
                ("succeeded", "written"),
                ("running", "running"),
                ("pending", "waiting"),
                ("failed", "failed"),
                ("timedOut", "timed out"),
                ("aborted", "aborted"),
            )
            if counts.get(name)
        )
        out.print(f"{count(counts['total'], 'chunk')}: {words or 'none started'}")
    print_load(out, execution, outcome)
    if outcome.report is not None:
        out.print(Text(f"Report: {outcome.report}"), soft_wrap=True)
    if outcome.refused_rows is not None:
        out.print(Text(f"Refused rows: {outcome.refused_rows}"), soft_wrap=True)
        out.print(f"`tickets rejects {execution.name}` lists them.", soft_wrap=True)


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
