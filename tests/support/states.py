"""Walks the states of a state machine's definition, including those inside its Maps."""

from collections.abc import Iterator
from typing import Any

State = dict[str, Any]


def machines(machine: State) -> Iterator[State]:
    """The machine itself and those inside its Maps."""
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"])


def all_states(machine: State) -> dict[str, State]:
    """Every state by its name."""
    return {name: state for one in machines(machine) for name, state in one["States"].items()}


def targets(state: State) -> list[str]:
    """The states that can follow a state: Next, Default, those of its Choices, then those of its
    Catches."""
    found = [state.get("Next"), state.get("Default")]
    found += [rule["Next"] for rule in state.get("Choices", [])]
    found += [catcher["Next"] for catcher in state.get("Catch", [])]
    return [target for target in found if target]
