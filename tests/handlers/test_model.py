"""Uploads, overwrites, duplicates, failures, crashes and replays in any order, against a model of
what table and ledger must hold in the end.

The handlers are called in process, one task at a time, in the order of the state machine's own
definition. What they ask of AWS goes over a wire on which a call can be refused, cut off, answered
late, or be the last one that a crashed handler makes.
"""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from tests.support.cloud import Cloud, on_a_wire
from tests.support.happenings import FAULTS, Fault
from tests.support.made_files import CHUNK_SIZE, Content
from tests.support.model import Loads
from tests.support.model_checks import MAX_REFUSED_PERCENT
from tests.support.model_stack import Stack


@pytest.fixture
def stack(cloud: Cloud, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_MAX_ATTEMPTS": "1",
        "BATCHES_IN_FLIGHT": "1",  # so that a call's number always means the same call
        "CHUNK_SIZE_BYTES": str(CHUNK_SIZE),
        "MAX_REFUSED_PERCENT": str(MAX_REFUSED_PERCENT),
    }.items():
        monkeypatch.setenv(name, value)
    with on_a_wire(cloud, moto_url) as wire:
        yield Stack(wire)


def explore(stack: Any, examples: Any, steps: Any) -> None:
    run_state_machine_as_test(
        cast(Any, lambda: Loads(stack)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            database=None,
            # Explaining a failure takes minutes more, and shrinking it takes long enough.
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def step_of_a_writer(loads: Loads, *arguments: Any, **options: Any) -> None:
    writing = loads.bring_to_writing(0)
    assert writing
    loads._step(*writing, *arguments, **options)


def test_a_batch_that_lands_after_its_writers_crash(stack: Any) -> None:
    """A case written by hand, because it rarely occurs: a later version must have waited for it."""
    loads = Loads(stack)
    loads._upload(Content("a.csv", "s000", 40, seed=0), is_delivered=True)
    late = Fault("late", ("BatchWriteItem", 1), loads)
    step_of_a_writer(loads, late, gives_up=True)
    assert loads.late
    loads._upload(Content("a.csv", "s001", 40, seed=3), is_delivered=True)
    if writing := loads.bring_to_writing(0):
        loads._step(*writing)
    loads.teardown()
    assert stack.seen["take_turn wait"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_batch_meets_each_fault(stack: Any, kind: Any) -> None:
    """Written by hand as well, because a fault rarely hits a batch."""
    loads = Loads(stack)
    loads._upload(Content("a.csv", "s000", 40, seed=0), is_delivered=True)
    step_of_a_writer(loads, Fault(kind, ("BatchWriteItem", 1), loads))
    assert stack.seen[f"{kind}: BatchWriteItem"] == 1
    loads.teardown()


def test_a_chunk_in_rounds_of_little_time(stack: Any) -> None:
    """Written by hand, because it rarely occurs."""
    loads = Loads(stack)
    loads._upload(Content("a.csv", "s000", 80, seed=1), is_delivered=True)
    step_of_a_writer(loads, tick=12.0)
    loads.chunks_only_get_on_and_count_right()
    assert stack.seen["checkpoint"] == 1
    loads.teardown()


@pytest.mark.timeout(600)  # to make a failure small takes longer than to find it
def test_whatever_happens_table_and_ledger_are_right_in_the_end(stack: Any) -> None:
    explore(stack, 3, 20)


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
def test_whatever_happens_in_many_more_ways(stack: Any) -> None:
    explore(stack, 60, 40)
    happened = {name for name, times in stack.seen.items() if times}
    assert happened >= {
        *("Loaded", "Load Failed", "Overtaken"),
        *("take_turn wait", "overtaken while writing", "twin"),
        *("write_chunk within another call", "take_turn within another call"),
        *("settle settled", "put again"),
    }
