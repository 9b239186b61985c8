"""An execution's history, read as one line for each state: what came of it and how long it took."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class StateRun:
    """One visit to a state. `output` is what the state left, None while it runs or if it failed
    for good; `error` stays when a Catch has dealt with it; `attempts` counts a task's tries."""

    state: str
    type: str
    started_at: datetime
    stopped_at: datetime | None = None
    output: Any = None
    error: str | None = None
    cause: str | None = None
    attempts: int = 0

    @property
    def seconds(self) -> float | None:
        if self.stopped_at is None:
            return None
        return (self.stopped_at - self.started_at).total_seconds()


def read_states(events: Iterable[dict[str, Any]]) -> Iterator[StateRun]:
    """States in the order of their visits, from the events of GetExecutionHistory.

    The state machine runs one state at a time (a Map's children have histories of their own), so
    every event belongs to the state entered last.
    """
    run: StateRun | None = None
    for event in events:
        kind: str = event["type"]
        details = _details(event)
        if kind.endswith("StateEntered"):
            if run is not None:
                yield run
            run = StateRun(details["name"], kind.removesuffix("StateEntered"), event["timestamp"])
        elif run is None:
            continue
        elif kind.endswith("StateExited"):
            output = json.loads(details.get("output") or "null")
            run = replace(run, stopped_at=event["timestamp"], output=output)
        elif kind == "TaskScheduled":
            run = replace(run, attempts=run.attempts + 1)
        elif kind == "TaskSucceeded":
            run = replace(run, error=None, cause=None)
        elif kind == "ExecutionSucceeded":
            pass
        elif kind.endswith(("Failed", "TimedOut", "Aborted")):
            ended = kind.startswith("Execution")
            run = replace(
                run,
                error=details.get("error") or run.error or kind,
                cause=details.get("cause") or run.cause,
                stopped_at=run.stopped_at or (event["timestamp"] if ended else None),
            )
    if run is not None:
        yield run


def results(states: Sequence[StateRun], chunk_counts: Mapping[str, int] | None) -> list[str]:
    """What came of each state, in a few words.

    chunk_counts: the Map Run's itemCounts, since the Map itself leaves nothing.
    """
    return [
        _chunks(chunk_counts) if run.type == "Map" and chunk_counts else _result(run, following)
        for run, following in pairwise([*states, None])
        if run is not None
    ]


def _result(run: StateRun, following: StateRun | None) -> str:
    if run.error:
        tries = f" after {run.attempts} tries" if run.attempts > 1 else ""
        return f"{run.error}{tries}"
    if run.stopped_at is None:
        return "running"
    if run.type == "Choice":
        return f"-> {following.state}" if following else ""
    if run.type == "Succeed":
        return "SUCCEEDED"
    output = run.output if isinstance(run.output, dict) else {}
    words = {
        "Validate File": _verdict,
        "Split File": lambda left: count(left["plan"]["chunks"], "chunk"),
        "Reconcile": _reconciled,
    }.get(run.state)
    try:
        return words(output) if words else "done"
    except (KeyError, TypeError):
        return "done"  # a state of that name in another version of the state machine


def failure_in_words(states: Iterable[StateRun]) -> str | None:
    """Why a load failed, from its dead letter; None if it left none."""
    letter = last_value(states, "dead_letter")
    if not isinstance(letter, dict):
        return None
    failed = letter.get("failed")
    if isinstance(failed, dict) and failed:
        state, error = list(failed.items())[-1]
        words = error_in_words(error.get("Error"), error.get("Cause"))
        return f"{state.replace('_', ' ').title()} kept failing with {words}"
    return str(letter.get("cause"))


def last_value(states: Iterable[StateRun], name: str) -> Any:
    """The value of `$.<name>` as the last state that had it left it, or None."""
    value = None
    for run in states:
        if isinstance(run.output, dict) and run.output.get(name) is not None:
            value = run.output[name]
    return value


def error_in_words(error: str | None, cause: str | None) -> str:
    """An error and its cause; of a Lambda error's JSON the message only, not its stack trace."""
    try:
        parsed = json.loads(cause or "")
    except ValueError:
        message = (cause or "no cause given").strip()
    else:
        known = isinstance(parsed, dict) and "errorMessage" in parsed
        message = str(parsed["errorMessage"] if known else cause)
    return f"{error}: {message}" if error else message


def count(number: int, thing: str) -> str:
    """`1 chunk`, `2,000 chunks`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _details(event: dict[str, Any]) -> dict[str, Any]:
    for name, value in event.items():
        if name.endswith("EventDetails"):
            return dict(value)
    return {}


def _verdict(output: dict[str, Any]) -> str:
    verdict = str(output["verdict"]).replace("_", " ")
    codes = ", ".join(dict.fromkeys(reason["reason"] for reason in output.get("reasons") or ()))
    return f"{verdict}: {codes}" if codes else verdict


def _reconciled(output: dict[str, Any]) -> str:
    result = output["result"]
    if result["complete"]:
        return f"all {result['rows_read']:,} rows accounted for"
    return "incomplete"


def _chunks(counts: Mapping[str, int]) -> str:
    failed = counts["failed"] + counts["timedOut"] + counts["aborted"]
    words = f"{counts['succeeded']:,} of {count(counts['total'], 'chunk')} written"
    return f"{words}, {failed:,} failed" if failed else words
