"""What the definition's tasks really answer with, and one engine for all of TestState."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.state_machine import Visit
from tests.support.task_answers import Answers, collect
from tickets.local.engine import Engine


@pytest.fixture(scope="session")
def answers(moto_url: str) -> Answers:
    """What the handlers answer with. Tests only read it."""
    return collect(moto_url)


@pytest.fixture(scope="session")
def visits(answers: Answers) -> list[Visit]:
    """Every visit of a state that can happen. The execution's input is empty, because no state may
    name a field of it: Validate File takes it whole."""
    from tests.support.every_way import every_way

    return every_way(answers, given={})


@pytest.fixture(scope="session")
def step_functions() -> Iterator[Any]:
    """A client of an engine without a stack: TestState needs none."""
    with Engine.start() as engine:
        yield engine.client("stepfunctions")
