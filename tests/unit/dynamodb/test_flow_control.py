"""How fast the writer sends: the limit of batches in flight (additive increase, multiplicative
decrease), and the cap of rows per second.

Time is virtual.
"""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.rows import COLUMNS
from ingestion.dynamodb.batch_writer import WritingStopped
from ingestion.dynamodb.flow_control import InFlightLimit, RateLimit, share_of_rate
from tests.support.scripted_table import THROTTLED, ScriptedTable, put, put_all, writer_for
from tests.support.stack_in_memory import StackInMemory, TableInMemory

# ---------------------------------------------------------------- batches in flight


def test_it_begins_at_the_most_and_never_exceeds_it() -> None:
    pressure = InFlightLimit(8)
    assert pressure.limit == 8
    pressure.succeeded()
    assert pressure.limit == 8


def test_a_throttle_halves_it_down_to_one() -> None:
    pressure = InFlightLimit(8)
    limits = []
    for second in range(5):
        pressure.throttled(float(second))
        limits.append(pressure.limit)
    assert limits == [4, 2, 1, 1, 1]


def test_throttles_that_come_together_are_one_answer() -> None:
    pressure = InFlightLimit(8)
    for now in (10.0, 10.1, 10.24):
        pressure.throttled(now)
    assert pressure.limit == 4
    pressure.throttled(10.25)
    assert pressure.limit == 2


def test_a_round_of_successes_adds_one() -> None:
    pressure = InFlightLimit(8)
    pressure.throttled(0.0)
    limits = []
    for _ in range(5 + 6):  # as many as were in flight, and a little for the rounding
        pressure.succeeded()
        limits.append(pressure.limit)
    assert limits == [4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6]


# ---------------------------------------------------------------- rows a second


def test_the_first_items_wait_their_time_too() -> None:
    limit = RateLimit(50, now=100.0)
    assert [limit.take(25, 100.0) for _ in range(3)] == [100.5, 101.0, 101.5]


def test_time_that_passed_unused_is_not_made_up_for() -> None:
    limit = RateLimit(50, now=0.0)
    assert limit.take(25, 60.0) == 60.5
    assert limit.take(25, 60.0) == 61.0


@given(
    st.floats(0.1, 10_000),
    st.lists(st.tuples(st.integers(1, 25), st.floats(0, 30)), min_size=1, max_size=60),
)
def test_in_no_time_from_its_start_more_items_may_go_than_the_rate_allows(
    rate: Any, takes: Any
) -> None:
    limit = RateLimit(rate, now=7.0)
    now, items = 7.0, 0
    for count, passes in takes:
        now += passes
        now = max(now, limit.take(count, now))
        items += count
        assert items <= rate * (now - 7.0) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("rate", "items"), [(0.01, 1), (0.1, 1), (0.19, 1), (0.2, 2), (1, 10), (2.5, 25), (4_000, 25)]
)
def test_a_batch_is_so_small_that_it_waits_no_longer_than_ten_seconds(
    rate: float, items: int
) -> None:
    with writer_for(ScriptedTable(), rate=rate) as writer:
        assert writer.batch_items == items


def test_without_a_cap_batches_are_full() -> None:
    with writer_for(ScriptedTable()) as writer:
        assert writer.batch_items == 25


@pytest.mark.parametrize(
    ("rate", "chunks", "at_a_time", "share"),
    [(0, 10, 10, None), (100, 1, 10, 100), (100, 4, 10, 25), (100, 40, 10, 10), (5, 40, 10, 0.5)],
)
def test_a_loads_rows_a_second_are_shared_by_the_chunks_that_run_at_a_time(
    rate: int, chunks: int, at_a_time: int, share: Any
) -> None:
    assert share_of_rate(rate, chunks, at_a_time) == share


@pytest.mark.parametrize("rate", [0.5, 7, 100, 4_000])
def test_the_writer_keeps_to_its_rows_a_second(rate: float) -> None:
    table = ScriptedTable()
    items = round(min(rate * 30, 8_000))
    with writer_for(table, in_flight=4, rate=rate) as writer:
        put_all(writer, range(items))
        writer.drain()
    assert table.now == pytest.approx(items / rate, rel=0.01, abs=0.02)
    sent = 0
    for call in table.calls:
        sent += len(call.values)
        assert sent <= rate * call.at * (1 + 1e-9)


def test_replies_are_taken_and_batches_sent_again_while_the_writer_waits_for_its_rate() -> None:
    table = ScriptedTable(THROTTLED)
    with writer_for(table, in_flight=4, rate=2) as writer:
        put(writer, [0, 1])
        put(writer, [2, 3])
        assert writer.acknowledged == 1
        writer.drain()
    [first, again, second] = table.calls
    assert (first.at, second.at) == (1.0, 2.0)
    assert first.values == again.values
    assert 1.0 < again.at < 1.1


def test_a_rate_that_allows_nothing_before_the_deadline_ends_there() -> None:
    table = ScriptedTable()
    with writer_for(table, rate=0.001, deadline=60) as writer:
        with pytest.raises(WritingStopped):
            put(writer, [1])
        assert (table.now, table.calls) == (60, [])


def test_a_slow_table_makes_no_burst_afterwards() -> None:
    """Delayed batches are sent no faster than the others."""
    table = ScriptedTable(*[THROTTLED] * 9)
    with writer_for(table, in_flight=1, rate=50) as writer:
        put_all(writer, range(50 * 10))
        writer.drain()
    times = [call.at for call in table.calls]
    new = [one for one, call in enumerate(table.calls) if call.values not in table.sent[:one]]
    for one, two in pairwise(new):
        assert times[two] - times[one] >= 0.5 - 1e-9


@pytest.mark.parametrize("rows", [1, 3, 30, 260])
def test_many_small_chunks_together_are_no_faster_than_the_load_may_be(rows: int) -> None:
    """Eight chunks are written at a time, and all of them begin at once."""
    for chunks in (1, 3, 8):
        sent = []
        for _ in range(chunks):
            table = ScriptedTable()
            rate = share_of_rate(400, chunks, at_a_time=8)
            with writer_for(table, in_flight=4, rate=rate) as writer:
                put_all(writer, range(rows))
                writer.drain()
            sent += [(call.at, len(call.values)) for call in table.calls]
        total = 0
        for at, items in sorted(sent):
            total += items
            assert total <= 400 * at * (1 + 1e-9)
        assert total == chunks * rows
        assert max(at for at, _ in sent) == pytest.approx(total / 400)


class TableWithAClock(TableInMemory):
    """A table whose time passes only while a caller waits for it. It records when it was called,
    and for how many items."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.asked: list[Any] = []

    def send(self, tag: Any, body: Any) -> None:
        self.asked.append((self.now, body.count(b"PutRequest")))
        super().send(tag, body)

    def replies(self, seconds: Any) -> Any:
        replies = super().replies(seconds)
        if not replies:
            self.now += seconds
        return replies


@pytest.mark.parametrize(
    ("cap", "at_a_time", "rate"),
    [
        (50, 1, 50),
        (50, 4, 12.5),
        (50, 100, 5),  # there are ten chunks
        (1, 1, 1),
        (0.5, 1, 0.5),
    ],
)
def test_a_chunk_is_written_at_its_share_of_the_loads_rate(
    cap: float, at_a_time: int, rate: float
) -> None:
    table = TableWithAClock()
    stack = StackInMemory(
        700, table=table, rows_per_second=cap, at_a_time=at_a_time, clock=lambda: table.now
    )
    rows = [f"T{at:03},Tea,B1,2026-01-31T00:00,,1,Lyon" for at in range(180)]
    stack.load("\n".join([",".join(COLUMNS), *rows, ""]).encode())
    assert len(stack.chunks) == 10
    assert len(table.items) == 180
    # In this stack one chunk is written after the other, so all is at the rate of one.
    assert table.now == pytest.approx(180 / rate, rel=0.001)
    total = 0
    for at, items in table.asked:
        total += items
        assert total <= rate * at * (1 + 1e-9)


def test_without_a_cap_no_time_is_lost() -> None:
    table = TableWithAClock()
    stack = StackInMemory(700, table=table, clock=lambda: table.now)
    row = "T1,Tea,B1,2026-01-31T00:00,,1,Lyon"
    stack.load("\n".join([",".join(COLUMNS), *[row] * 180, ""]).encode())
    assert table.now == 0
