"""Histories of executions, written as the states that they visited."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.executions.history import StateRun
from tools.definition import load

BEGAN = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def visited(*steps: str | tuple[str, dict[str, Any]]) -> list[StateRun]:
    """The visits to some states, each of one second.

    A step is a state's name, or a name and what is special about the visit: `output`, `error`,
    `cause`, `attempts`, or `stopped_at=None` for a state that was not left.
    """
    return list(_visits(steps))


def _visits(steps: tuple[str | tuple[str, dict[str, Any]], ...]) -> Iterator[StateRun]:
    types = {name: state["Type"] for name, state in load()["States"].items()}
    for number, step in enumerate(steps):
        name, special = (step, {}) if isinstance(step, str) else step
        began = BEGAN + timedelta(seconds=number)
        usual = {"stopped_at": began + timedelta(seconds=1)}
        yield StateRun(name, types[name], began, **{**usual, **special})
