"""The definition, what its tasks really answer with, and one engine for all of TestState."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.task_answers import Answers, collect
from tickets.local.engine import Engine
from tools import definition


@pytest.fixture
def machine() -> dict[str, Any]:
    """The definition with sample values; a new copy for each test."""
    return definition.load()


@pytest.fixture(scope="session")
def answers() -> Answers:
    """What the handlers answer with. Tests only read it."""
    return collect()


@pytest.fixture(scope="session")
def step_functions() -> Iterator[Any]:
    """A client of an engine without a stack: TestState needs none."""
    with Engine.start() as engine:
        yield engine.client("stepfunctions")
