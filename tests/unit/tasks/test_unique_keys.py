"""Rows whose key must be unique: the last one is written, and the others are refused."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fuzzing import files
from tests.support.sources import tickets_with
from tests.support.timed_loads import HEADER, Call, Expected, Simulation, good, numbered, small

UNIQUE = tickets_with(
    {"ticket_id": {"constraints": {"required": True, "unique": True}}}, primary_key=["ticket_id"]
)
ROW = len(good(1, 1))


def loaded(keys: list[int | None], rows_per_chunk: int, *calls: Call) -> Simulation:
    simulation = Simulation(numbered(keys), len(HEADER) + rows_per_chunk * ROW, UNIQUE)
    for task in simulation.tasks:
        for call in calls or (Call(1, 1),):
            simulation.call(task, call)
    simulation.settle()
    return simulation


def check(simulation: Simulation, keys: list[int | None]) -> None:
    expected = Expected(numbered(keys))
    assert simulation.table.content() == expected.content
    result = simulation.stack.result
    assert result
    counts = [result[f"rows_{one}"] for one in ("written", "superseded", "combined", "refused")]
    not_unique = expected.superseded
    assert counts == [len(expected.content), 0, 0, len(not_unique) + expected.refused]
    listed = []
    if result["refused_rows"]:
        text = simulation.stack.read_url(result["refused_rows"]).decode()
        listed = list(csv.DictReader(io.StringIO(text, newline="")))
    lines = [int(row["line"]) for row in listed if row["reason"] == "not_unique"]
    assert lines == not_unique
    assert {row["column"] for row in listed if row["reason"] == "not_unique"} <= {"ticket_id"}
    first = simulation.stack.report["first_error"]
    assert (first["line"] if first else None) == min(
        (int(row["line"]) for row in listed), default=None
    )


@pytest.mark.parametrize("rows_per_chunk", [1, 2, 3, 100])
def test_all_rows_but_the_last_of_a_key_are_refused(rows_per_chunk: int) -> None:
    keys = [7, 1, 2, 1, 3, None, 4, 1, 2, 5]
    check(loaded(keys, rows_per_chunk), keys)


def test_what_calls_that_overlapped_have_put_in_the_wrong_order() -> None:
    keys: list[int | None] = [1, 2, 1]
    check(loaded(keys, 100, Call(1, 1, late=True, crash_at=1), Call(3, 1)), keys)


def test_the_refused_rows_count_for_the_limit_of_refused_rows() -> None:
    simulation = Simulation(numbered([1, 1, 1, 2]), 10_000, UNIQUE)
    simulation.call(simulation.tasks[0], Call(1, 1))
    reconciler = simulation.stack.reconciler
    reconciler._limits = type(reconciler._limits)(max_refused_percent=49, max_superseded_percent=0)
    simulation.stack.reconcile()
    result = simulation.stack.result
    assert result
    assert not result["complete"]
    assert result["summary"].startswith("2 of 4 rows are refused, more than the 49 %")


@given(
    st.lists(st.integers(0, 5) | st.integers(10, 60) | st.none(), min_size=1, max_size=40),
    st.integers(1, 9),
    st.sampled_from([2**64, 3, 1]),
)
@settings(deadline=None, max_examples=files(quick=50), suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(3600)
def test_generated_files(keys: list[int | None], rows_per_chunk: int, digests: int) -> None:
    with small(digests):
        check(loaded(keys, rows_per_chunk), keys)
