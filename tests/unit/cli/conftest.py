"""The tests of commands share a deployed stack. Each test starts without the options of another."""

import time
from collections.abc import Iterator

import pytest

from tests.support.found_stack import (  # noqa: F401 - fixtures
    alone,
    chunks,
    deployed,
    empty_queues,
    stack,
    step_functions,
)
from tickets.cli import next_step


@pytest.fixture(autouse=True)
def _no_options_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process runs one command only; the tests run many, which must not see each other's
    options."""
    monkeypatch.setattr(next_step, "_passed", {})


@pytest.fixture
def in_paris() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()
