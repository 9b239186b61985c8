"""BatchWriter and rows that the table refuses as invalid: each is found, all others are written."""

from typing import Any

import pytest

from ingestion.dynamodb.batch_writer import WritingStopped
from ingestion.errors import TableRefusesEveryRow
from tests.support.scripted_table import (
    FAULT,
    TAKEN,
    THROTTLED,
    Answer,
    ScriptedTable,
    put,
    put_all,
    write,
    writer_for,
)

BATCH = 25


@pytest.mark.parametrize("invalid", [[0], [24], [12], [3, 4], [0, 12, 24], range(24)])
def test_of_a_batch_refused_as_invalid_all_rows_but_those_at_fault_are_put(invalid: Any) -> None:
    table = ScriptedTable(invalid=invalid)
    writer = write(table, range(30))
    assert list(writer.refused) == list(invalid)
    assert sorted(table.stored.values()) == [at for at in range(30) if at not in invalid]
    assert (writer.items_written, writer.items_replaced) == (30 - len(invalid), 0)
    assert writer.acknowledged == 29


def test_one_row_at_fault_costs_ten_more_requests_than_none() -> None:
    """One more for each halving and its other half: 25 rows are halved four or five times."""
    table = ScriptedTable(invalid=[7])
    write(table, range(25))
    assert len(table.calls) <= 11


def test_every_second_row_at_fault_costs_less_than_two_requests_per_row() -> None:
    table = ScriptedTable(invalid=range(1, 25, 2))
    write(table, range(25))
    assert len(table.calls) < 50


def test_a_refused_row_supersedes_nothing() -> None:
    """The row before it with the same key, which had been dropped from the batch, is put
    instead."""
    table = ScriptedTable(invalid=[4])
    with writer_for(table) as writer:
        put(writer, [1, 2, 3, 4], key={1: "a", 2: "b", 3: "a", 4: "a"}.get)
        writer.drain()
    assert table.stored == {"key-a": 3, "key-b": 2}
    assert list(writer.refused) == [3]
    assert (writer.items_written, writer.items_replaced) == (2, 1)


def test_of_rows_with_one_key_each_is_tried_until_one_is_accepted() -> None:
    table = ScriptedTable(invalid=[1, 3, 4])
    with writer_for(table) as writer:
        put(writer, [0], key=lambda _: "other")
        put(writer, [1, 2, 3, 4], key=lambda _: "same")
        writer.drain()
    assert table.stored == {"key-other": 0, "key-same": 2}
    assert list(writer.refused) == [3, 4]
    assert (writer.items_written, writer.items_replaced) == (2, 1)


def test_a_refused_row_leaves_an_equal_one_of_an_earlier_batch_in_the_table() -> None:
    table = ScriptedTable(invalid=[2])
    with writer_for(table, in_flight=4) as writer:
        put(writer, [1], key=lambda _: "same")
        put(writer, [2], key=lambda _: "same")
        writer.drain()
    assert (table.stored, list(writer.refused)) == ({"key-same": 1}, [1])


def test_a_batch_with_an_equal_key_waits_until_the_refused_one_is_narrowed_down() -> None:
    table = ScriptedTable(invalid=[1])
    with writer_for(table, in_flight=4) as writer:
        put(writer, [1, 2, 3], key={1: 1, 2: 2, 3: "same"}.get)
        put(writer, [4], key=lambda _: "same")
        writer.drain()
    assert table.history["key-same"] == [3, 4]
    assert table.sent[-1] == [4]


def test_refused_rows_have_the_numbers_of_the_order_they_were_put_in() -> None:
    """The order in which the batches were narrowed down doesn't matter."""
    table = ScriptedTable(Answer(takes=50), invalid=[3, 30, 31, 80])
    writer = write(table, range(100), in_flight=4)
    assert list(writer.refused) == [3, 30, 31, 80]


def test_what_of_a_part_was_left_unprocessed_is_sent_again_and_narrowed_down() -> None:
    table = ScriptedTable(TAKEN, Answer(left=2), THROTTLED, FAULT, invalid=[5])
    writer = write(table, range(8))
    assert (list(writer.refused), sorted(table.stored.values())) == ([5], [0, 1, 2, 3, 4, 6, 7])


def test_refused_rows_count_only_once_their_batch_is_acknowledged() -> None:
    table = ScriptedTable(Answer(takes=90), invalid=[30])
    with writer_for(table, in_flight=2, deadline=50) as writer:
        put_all(writer, range(2 * BATCH))
        with pytest.raises(WritingStopped):
            writer.drain()
        assert (writer.acknowledged, list(writer.refused)) == (None, [])
        writer.stop()
    assert (writer.acknowledged, list(writer.refused)) == (49, [30])


def test_stop_narrows_nothing_down() -> None:
    table = ScriptedTable(invalid=[30])
    with writer_for(table, in_flight=2) as writer:
        put_all(writer, range(2 * BATCH))
        writer.stop()
    assert len(table.calls) == 2
    assert (writer.acknowledged, list(writer.refused)) == (24, [])


def test_narrowing_down_ends_at_the_deadline() -> None:
    table = ScriptedTable(takes=1, invalid=range(1, 25))
    with writer_for(table, deadline=20) as writer:
        put_all(writer, range(25))
        with pytest.raises(WritingStopped):
            writer.drain()
    assert (table.now, writer.acknowledged) == (20, None)


@pytest.mark.parametrize("rows", [1, 3, 25, 200])
def test_a_table_that_refuses_every_row_fails(rows: int) -> None:
    table = ScriptedTable(invalid=range(rows))
    with pytest.raises(TableRefusesEveryRow, match=r"Table Tickets .*ValidationException"):
        write(table, range(rows))
    assert len(table.calls) < 2 * BATCH


def test_it_goes_on_where_another_writer_of_the_load_was_more_successful() -> None:
    asked = []

    def any_accepted() -> bool:
        asked.append(1)
        return True

    table = ScriptedTable(invalid=range(60))
    writer = write(table, range(60), any_accepted=any_accepted)
    assert (list(writer.refused), writer.items_written) == (list(range(60)), 0)
    assert asked == [1]


def test_nobody_is_asked_once_a_row_was_accepted() -> None:
    def never() -> None:
        raise AssertionError

    table = ScriptedTable(invalid=range(1, 60))
    assert len(write(table, range(60), any_accepted=never).refused) == 59


def test_a_single_row_at_fault_at_the_start_does_not_fail() -> None:
    table = ScriptedTable(invalid=[0])
    with writer_for(table) as writer:
        put(writer, [0])
        put(writer, [1])
        writer.drain()
    assert (list(writer.refused), table.stored) == ([0], {"key-1": 1})
