"""Reads an execution's history: the states it visited, the result of each, and how long it took."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

LOADED, ALREADY_LOADED, OVERTAKEN = "Loaded", "Already Loaded", "Overtaken"
"""The states in which an execution can succeed."""

SMALL_FILE = "Write Small File"
"""The state that writes a file of one chunk without a Map."""

_TURNS = {"mine": "its turn", "overtaken": "a later version has taken over"}
_WAITS = {
    "execution": "another execution is loading this version",
    "writers": "earlier writers have not finished",
    "slot": "other loads are writing",
    "line": "other loads come first",
}


@dataclass(frozen=True)
class StateRun:
    """One visit to a state.

    output: the state's output; None while it runs and if it failed without a Catch.
    error, cause: the last failure, even if a Catch handled it; None if a retry succeeded.
    attempts: how often the state's task was scheduled, or its Map Run started or redriven.
    """

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
    """Yields the visits in order, from the events of GetExecutionHistory.

    The state machine runs one state at a time (the children of a Map have histories of their own),
    so every event belongs to the state that was entered last.
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
        elif kind in ("TaskScheduled", "MapRunStarted", "MapRunRedriven"):
            run = replace(run, attempts=run.attempts + 1)
        elif kind in ("TaskSucceeded", "MapRunSucceeded"):
            run = replace(run, error=None, cause=None)
        elif kind == "ExecutionRedriven":  # it goes on in the state that did not succeed
            run = replace(run, error=None, cause=None, stopped_at=None)
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
    """The result of each visit in a few words, such as "12 of 12 chunks written".

    chunk_counts: the Map Run's itemCounts, because the Map state has no output of its own.
    """
    # The chunks of a load that is overtaken end as SUCCEEDED, but not all of them are written.
    verb = "ended" if ending(states) == OVERTAKEN else "written"
    return [
        _chunks(chunk_counts, verb)
        if run.type == "Map" and chunk_counts
        else _result(run, following)
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
    if run.type == "Wait":
        return "waited"
    output = run.output if isinstance(run.output, dict) else {}
    words = {
        "Validate File": _verdict,
        SMALL_FILE: _small_file,
        "Split File": _planned,
        "Take Turn": _turn,
        "Reconcile": _reconciled,
        "Settle Equal Keys": _equal_keys_settled,
    }.get(run.state)
    try:
        return words(output) if words else "done"
    except (KeyError, TypeError):
        return "done"  # another version of the state machine has other outputs


class Visits(NamedTuple):
    """Visits to one state with the same result. `run` is the first visit, `times` the number of
    visits, and `seconds` their total duration, or None while one of them is running."""

    run: StateRun
    result: str
    times: int
    seconds: float | None


def group_visits(states: Sequence[StateRun], results: Sequence[str]) -> list[Visits]:
    """Groups visits by state and result, because a load may visit Take Turn a hundred times.

    results: what the function `results` returns for the same states.
    """
    groups: dict[tuple[str, str], Visits] = {}
    for run, result in zip(states, results, strict=True):
        group = groups.get((run.state, result), Visits(run, result, 0, 0.0))
        ended = group.seconds is not None and run.seconds is not None
        seconds = (group.seconds or 0.0) + (run.seconds or 0.0) if ended else None
        groups[run.state, result] = Visits(group.run, result, group.times + 1, seconds)
    return list(groups.values())


def ending(states: Sequence[StateRun]) -> str | None:
    """The state that ended the execution: LOADED, ALREADY_LOADED, OVERTAKEN, "Load Failed" or "Load
    Failure Not Reported". None while it runs, and if it was stopped or timed out."""
    ended = bool(states) and states[-1].type in ("Succeed", "Fail")
    return states[-1].state if ended else None


def ending_of_output(output: str | None) -> str | None:
    """The ending of an execution that SUCCEEDED, from its output; None if the output does not show
    it."""
    try:
        values = json.loads(output or "null")
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    turn, result = values.get("turn") or {}, values.get("result") or {}
    if values.get("verdict") == "already_loaded":
        return ALREADY_LOADED
    if turn.get("turn") == "overtaken" or result.get("overtaken"):
        return OVERTAKEN
    return LOADED if result.get("complete") else None


def failure_in_words(states: Iterable[StateRun]) -> str | None:
    """Why a load failed, from the dead letter that its execution wrote; None if it wrote none."""
    letter = last_value(states, "dead_letter")
    if not isinstance(letter, dict):
        return None
    failed = letter.get("failed")
    if isinstance(failed, dict) and failed:
        state, error = list(failed.items())[-1]
        words = error_in_words(error.get("Error"), error.get("Cause"))
        return f"{state.replace('_', ' ').title()} failed with {words}"
    return str(letter.get("cause"))


def last_value(states: Iterable[StateRun], name: str) -> Any:
    """`$.<name>` in the last state output that has it; None if none has."""
    value = None
    for run in states:
        if isinstance(run.output, dict) and run.output.get(name) is not None:
            value = run.output[name]
    return value


def error_in_words(error: str | None, cause: str | None) -> str:
    """`error: cause`. If the cause is a Lambda error as JSON, uses only its message."""
    try:
        parsed = json.loads(cause or "")
    except ValueError:
        message = (cause or "no cause given").strip()
    else:
        known = isinstance(parsed, dict) and "errorMessage" in parsed
        message = str(parsed["errorMessage"] if known else cause)
    return f"{error}: {message}" if error else message


def ending_in_words(status: str, error: str | None, cause: str | None) -> str:
    """Why an execution ended that could not report its own end: it was stopped, timed out, or was
    ended by Step Functions. The arguments come from DescribeExecution."""
    if status == "ABORTED":
        return "The execution was stopped" + (f": {cause}" if cause else ".")
    if status == "TIMED_OUT":
        return "The execution timed out."
    return error_in_words(error or status, cause)


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


def _small_file(output: dict[str, Any]) -> str:
    progress = output["progress"]
    if progress["overtaken"]:
        return "a later version has taken over"
    if progress["table_replaced"]:
        return "the table was replaced"
    read = count(progress["rows_read"], "row")
    return f"{read} read" if progress["finished"] else f"{read} read so far; the table is busy"


def _turn(output: dict[str, Any]) -> str:
    turn = output["turn"]
    return _WAITS[turn["waits_for"]] if turn["turn"] == "wait" else _TURNS[turn["turn"]]


def _planned(output: dict[str, Any]) -> str:
    plan = output["plan"]
    if plan.get("refusal"):
        return f"refused: {plan['refusal']['reason']}"
    chunks = count(plan["chunks"], "chunk")
    return f"{chunks}; could not be unpacked to its end" if plan.get("unread") else chunks


def _reconciled(output: dict[str, Any]) -> str:
    result = output["result"]
    if result.get("equal_keys") == "unsettled":
        return "equal keys have to be settled first"
    if result["complete"]:
        return f"all {result['rows_read']:,} rows accounted for"
    if result.get("overtaken"):
        return "a later version has taken over"
    if result["chunks_finished"] < result["chunks"]:
        return f"{result['chunks_finished']:,} of {count(result['chunks'], 'chunk')} finished"
    return "incomplete, or over a limit"  # the execution's failure says which


def _equal_keys_settled(output: dict[str, Any]) -> str:
    answer = output["equal_keys"]
    if answer["state"] == "waiting":
        return "the last writers have not ended"
    if answer["state"] == "overtaken":
        return "a later version has taken over"
    found = f"{count(answer['rows_superseded'], 'row')} superseded by later chunks"
    if answer.get("rows_combined"):
        found = f"{count(answer['rows_combined'], 'row')} combined"
    elif answer.get("rows_refused"):
        found = f"{count(answer['rows_refused'], 'row')} refused"
    return found if answer["state"] == "settled" else f"{found} so far"


def _chunks(counts: Mapping[str, int], verb: str) -> str:
    failed = counts["failed"] + counts["timedOut"] + counts["aborted"]
    words = f"{counts['succeeded']:,} of {count(counts['total'], 'chunk')} {verb}"
    return f"{words}, {failed:,} failed" if failed else words
