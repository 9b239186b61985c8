"""Rows with equal keys that a source adds up: the table must hold each key's total, and the other
attributes of its last row, whatever the chunks, the order of the writes, and the calls that end
early or are repeated. What is expected comes from a dictionary of whole numbers."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.fuzzing import files
from tests.support.slow_table import FAULT, SlowTable
from tests.support.sources import tickets_with
from tests.support.stack_in_memory import StackInMemory
from tests.support.timed_loads import (
    ANY_CALLS,
    CALL_SECONDS,
    HEADER,
    WEAK_DIGESTS,
    Call,
    Simulation,
    good,
    small,
)

SUM = tickets_with(equalKeys="sum")
ROW = len(good(1, 1))
FILES = files(quick=70)

Row = tuple[int, int]  # key and quantity


def file_of(rows: list[Row | None]) -> str:
    """Each row is in a store of its own; None is a row that is refused."""
    lines = (
        good(*row).replace("Lyon", f"Lyon {at}") if row else "x,y\n" for at, row in enumerate(rows)
    )
    return HEADER + "".join(lines)


def expected(rows: list[Row | None]) -> dict[str, tuple[int, str]]:
    """The quantity and the store of each key."""
    content: dict[str, tuple[int, str]] = {}
    for at, row in enumerate(rows):
        if row:
            key, quantity = row
            content[f"T{key}"] = content.get(f"T{key}", (0, ""))[0] + quantity, f"Lyon {at}"
    return content


def content(writes: Any) -> dict[str, tuple[int, str]]:
    return {
        item["ticket_id"]["S"]: (int(item["quantity"]["N"]), item["store"]["S"])
        for _, _, items in sorted(writes, key=lambda write: write[:2])
        for item in items.values()
    }


def check(simulation: Simulation, rows: list[Row | None]) -> None:
    totals = expected(rows)
    assert content(simulation.table.writes) == totals
    check_counts(simulation.stack, rows)


def check_counts(stack: StackInMemory, rows: list[Row | None]) -> None:
    totals, refused = expected(rows), rows.count(None)
    result = stack.result
    assert result
    assert (result["complete"], result["equal_keys"]) == (bool(totals), "settled")
    counts = [result[f"rows_{one}"] for one in ("written", "combined", "superseded", "refused")]
    assert counts == [len(totals), len(rows) - refused - len(totals), 0, refused]
    assert result["rows_read"] == len(rows)
    if result["refused_rows"]:
        text = stack.read_url(result["refused_rows"]).decode()
        listed = [int(row["line"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
        assert listed == [at for at, row in enumerate(rows, 2) if row is None]
    else:
        assert not refused


def written(rows: list[Row | None], rows_per_chunk: int) -> Simulation:
    simulation = Simulation(file_of(rows), len(HEADER) + rows_per_chunk * ROW, SUM)
    for task in simulation.tasks:
        simulation.call(task, Call(1, 1))
    return simulation


SOME: list[Row | None] = [(1, 2), (2, 5), (1, 3), None, (3, 1), (1, -1), (2, 5)]


@pytest.mark.parametrize("rows_per_chunk", [1, 2, 3, 100])
def test_rows_of_one_or_several_chunks_are_added(rows_per_chunk: int) -> None:
    simulation = written(SOME, rows_per_chunk)
    simulation.settle()
    check(simulation, SOME)
    assert content(simulation.table.writes)["T1"] == (4, "Lyon 5")


def test_without_equal_keys_nothing_is_settled() -> None:
    rows: list[Row | None] = [(1, 2), (2, 5), None]
    simulation = written(rows, 100)
    assert simulation.settle() == 0
    check(simulation, rows)


def test_totals_are_put_again_without_being_added_twice() -> None:
    """Another load of the object took its claim meanwhile, so equal keys are settled again."""
    simulation = written(SOME, 2)
    simulation.settle()
    stack = simulation.stack
    stack.now += 100
    assert stack.take_turn("forced") == "mine"
    stack.now += 100
    assert stack.take_turn(stack.load_id) == "mine"
    batches = len(simulation.table.writes)
    simulation.start = stack.now
    simulation.settle()
    assert len(simulation.table.writes) > batches
    check(simulation, SOME)


def test_the_same_file_in_another_load_gives_the_same_totals() -> None:
    simulation = written(SOME, 2)
    simulation.settle()
    again = written(SOME, 3)
    again.table.writes = simulation.table.writes
    for task in again.tasks:
        again.call(task, Call(5000, 1))
    again.settle()
    check(again, SOME)


def test_another_key_with_the_same_digest_is_not_put_again() -> None:
    with small(digests=1):
        simulation = written([(1, 1), (2, 2), (3, 3)], 1)
        batches = len(simulation.table.writes)
        simulation.settle()
        assert len(simulation.table.writes) == batches
        check(simulation, [(1, 1), (2, 2), (3, 3)])


def test_a_row_that_the_total_has_no_digits_for_is_refused() -> None:
    large = 10**37
    lines = [good(1, large), good(1, 9 * large), good(2, 1), good(1, 5), good(2, 1), good(3, 1)]
    file = HEADER + "".join(lines)
    simulation = Simulation(file, len(HEADER) + 2 * len(lines[0]), SUM)
    for task in simulation.tasks:
        simulation.call(task, Call(1, 1))
    simulation.settle()
    result = simulation.stack.result
    assert result
    # 10^38 has one significant digit; with 5 more it has 39.
    names = ("rows_read", "rows_written", "rows_combined", "rows_refused")
    assert [result[name] for name in names] == [6, 3, 2, 1]
    [row] = csv.DictReader(io.StringIO(simulation.stack.read_url(result["refused_rows"]).decode()))
    assert (row["line"], row["column"], row["reason"]) == ("5", "quantity", "total_too_long")
    first = {"line": 5, "column": "quantity", "reason": "total_too_long"}
    assert simulation.stack.report["first_error"] == first
    totals = {key: quantity for (key, _), quantity in simulation.table.content().items()}
    assert totals == {"T1": str(10 * large), "T2": "2", "T3": "1"}


def test_calls_with_little_time_go_on_where_the_one_before_ended() -> None:
    rows: list[Row | None] = [(at % 30, at) for at in range(90)]
    with small():
        simulation = written(rows, 8)
        assert simulation.settle(CHECKPOINT_SECONDS + 12, tick=1.0) > 10
        check(simulation, rows)


@pytest.mark.parametrize("rows_per_chunk", [30, 200])
def test_a_slow_table_takes_some_of_the_totals_in_each_call(rows_per_chunk: int) -> None:
    """In a single chunk, a batch begins before the place in which the one before it ended."""
    rows: list[Row | None] = [(at % 40, at) for at in range(120)]
    with small():
        simulation = written(rows, rows_per_chunk)
        stack = simulation.stack
        stack.now += CALL_SECONDS
        slow = SlowTable(10, [0, 0, *[FAULT, 0] * 100])
        settler = stack.settler
        settler._sender, settler._clock, settler._in_flight = slow, slow.clock, 3
        calls = 0
        while stack.settle(CHECKPOINT_SECONDS + 45) == "unsettled":
            calls += 1
        stack.reconcile()
    assert calls > 3
    check_counts(stack, rows)
    late = [(float("inf"), 0, slow.items)]
    assert content([*simulation.table.writes, *late]) == expected(rows)


def test_no_total_is_in_the_report() -> None:
    simulation = written([(1, 111_111), (1, 222_222)], 1)
    simulation.settle()
    assert "333333" not in json.dumps(simulation.stack.report)
    assert simulation.stack.report["summary"] == (
        "2 rows read: 1 written, 1 combined, 0 superseded, 0 refused."
    )


ROWS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 5), st.integers(-3, 99)),
        st.tuples(st.integers(10, 60), st.integers(1, 9)),
        st.none(),
    ),
    min_size=1,
    max_size=40,
)


@given(
    ROWS,
    ANY_CALLS,
    st.integers(60, 400),
    WEAK_DIGESTS,
    st.sampled_from([0.0, 1.0]),
)
@settings(deadline=None, max_examples=FILES, suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(3600)
def test_whatever_the_order_of_the_writes(
    rows: list[Row | None], calls: list[Call], chunk_size: int, digests: int, tick: float
) -> None:
    with small(digests):
        simulation = Simulation(file_of(rows), chunk_size, SUM)
        simulation.run(calls, tick)
        check(simulation, rows)
