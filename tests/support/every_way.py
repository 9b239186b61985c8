"""Explores every path through the state machine's definition: each task gives each of its possible
answers, and fails with each error after all its retries.

The interpreter runs the states in between, so if a state uses a JSON path that is missing on some
path through the definition, it raises MissingPath.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.state_machine import Execution, Visit
from tests.support.task_answers import Answers

ERRORS = ("Runtime.HandlerError", "States.Timeout")


def every_way(
    answers: Answers, given: Mapping[str, Any], machine: dict[str, Any] | None = None
) -> list[Visit]:
    """Returns each distinct visit of a state that can happen. `given` is the execution's input."""
    plan = json.dumps(list(answers["item"].values())).encode()

    def no_plan(bucket: str, key: str) -> bytes:
        raise FileNotFoundError(f"{bucket}/{key}")

    visits: dict[str, Visit] = {}
    seen: set[str] = set()
    for read in (lambda bucket, key: plan, no_plan):
        waiting = [Execution(given, read, machine=machine, stops_at_services=True)]
        while waiting:
            execution = waiting.pop()
            for one in (execution, *execution.all_children):
                visits |= {json.dumps(visit): visit for visit in one.visits}
                one.visits.clear()  # so that copies are small
            dues = [(one.state, _what_matters(one.data)) for one in execution.due]
            place = json.dumps([*dues, read is no_plan])
            if execution.due and place not in seen:
                seen.add(place)
                for outcome in _outcomes(execution.due[0], answers):
                    other = execution.fork()
                    _apply(outcome, other.due[0])
                    waiting.append(other)
    return list(visits.values())


def _what_matters(data: Any) -> Any:
    """The data without what no later state compares: how far a chunk got, and which errors were
    caught."""
    return {
        name: sorted(value) if name == "failed" else value
        for name, value in data.items()
        if name != "progress"
    }


def _outcomes(task: Execution, answers: Answers) -> list[Any]:
    """The possible outcomes of a task: answers, and names of errors. A Wait has one: None."""
    if task.is_waiting:
        return [None]
    return [*answers.get(task.handler, {"": {}}).values(), *ERRORS]


def _apply(outcome: Any, task: Execution) -> None:
    if isinstance(outcome, str):
        task.give_up(outcome, f"{task.state} failed")
    else:
        task.succeed(outcome)
