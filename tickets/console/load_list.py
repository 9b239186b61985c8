"""The loads of the last days, read again in few calls."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from ingestion.ledger.attempts import Attempt
from ingestion.ledger.store import timestamp
from tickets.runs.attempts import attempts_of
from tickets.runs.filters import Wanted
from tickets.runs.loads import Load, list_loads, loads_of
from tickets.runs.stack import Stack

MAX_LOADS = 1000
"""Loads that are listed, the newest ones."""
WHOLE_SECONDS = 300.0
"""Seconds after which the whole list is read again. In between, only what executions do is seen,
and not what `tickets undo` does to a load."""
MAX_CHANGED = 25
"""Changed loads that one reading looks up. Further ones follow in the next readings."""
_LATE = timedelta(minutes=10)
"""How long after its start an execution may record its attempt, and the index may lag behind."""


@dataclass(frozen=True)
class LoadList:
    """Loads, the newest first. `are_all` is false if there are older ones in the same time."""

    loads: list[Load]
    are_all: bool
    whole_at: float


def read_loads(stack: Stack, days: int, last: LoadList | None) -> LoadList:
    """The loads of the last days.

    `last` is the previous list, or None. Bringing it up to date needs one call of
    ListExecutions, one or two queries, and a few calls for each load that has begun or ended.
    """
    since = datetime.now(UTC) - timedelta(days=days)
    now = time.monotonic()
    if last is None or now - last.whole_at > WHOLE_SECONDS:
        loads = list(list_loads(stack, Wanted(since=since, limit=MAX_LOADS + 1)))
        return LoadList(loads[:MAX_LOADS], len(loads) <= MAX_LOADS, now)
    changed = list(islice(_changed(stack, last.loads), MAX_CHANGED))
    known = {_name(load): load for load in last.loads}
    known |= {_name(load): load for load in loads_of(stack, changed)}
    # An execution is listed by its own name until it has a load.
    with_load = {
        attempt["execution"]
        for load in known.values()
        for attempt in load["attempts"]
        if load["load_id"] is not None
    }
    loads = sorted(
        (
            load
            for name, load in known.items()
            if _started(load) >= timestamp(since.timestamp())
            and (load["load_id"] is not None or name not in with_load)
        ),
        key=_started,
        reverse=True,
    )
    return LoadList(loads[:MAX_LOADS], last.are_all and len(loads) <= MAX_LOADS, last.whole_at)


def _changed(stack: Stack, loads: list[Load]) -> Iterator[Attempt | dict[str, Any]]:
    """The attempts that are not listed as they are now, and the loads whose executions have ended
    without a record, or continue after a redrive."""
    listed = {attempt["execution"]: attempt for load in loads for attempt in load["attempts"]}
    for attempt in _newest_attempts(stack):
        before = listed.get(attempt.execution)
        has_ended = attempt.ending is not None
        if (
            before is None
            or before["load_id"] != attempt.load_id
            or (has_ended and before["ending"] is None)
        ):
            yield attempt
    running = _running(stack)
    if running is None:
        return
    for load in loads:
        if (load["status"] == "RUNNING") != (not running.isdisjoint(_executions(load))):
            yield {"load_id": load["load_id"]} if load["load_id"] else _attempt(load)


def _newest_attempts(stack: Stack) -> Iterator[Attempt]:
    now = datetime.now(UTC)
    since = now - _LATE
    for day in dict.fromkeys((now.date(), since.date())):
        found = attempts_of(stack).of_day(day.isoformat(), timestamp(since.timestamp()), "~")
        yield from islice(found, MAX_LOADS)


def _running(stack: Stack) -> set[str] | None:
    """The names of the executions that are running. None if there are too many for one answer."""
    answer = stack.client("stepfunctions").list_executions(
        stateMachineArn=stack.state_machine_arn, statusFilter="RUNNING", maxResults=1000
    )
    return None if answer.get("nextToken") else {one["name"] for one in answer["executions"]}


def _executions(load: Load) -> list[str]:
    return [arn.rpartition(":")[2] for arn in load["executions"]]


def _attempt(load: Load) -> Attempt:
    [found] = load["attempts"]
    return Attempt(**{name: value for name, value in found.items() if name != "seconds"})


def _name(load: Load) -> str:
    return str(load["load_id"] or load["execution"])


def _started(load: Load) -> str:
    """The start of its newest execution."""
    return max((one["started_at"] for one in load["attempts"]), default=str(load["started_at"]))
