"""BatchWriter against a table that is slow, throttled, broken or out of order on demand.

Time is the test's own (`scripted_table`), so no test waits.
"""

from contextlib import suppress
from itertools import pairwise, takewhile
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dynamodb.batch_writer import WritingStopped
from ingestion.errors import TableRefusesEveryRow, TableUnreachable
from tests.support.scripted_table import (
    DENIED,
    FAULT,
    LOST,
    RESET,
    TAKEN,
    THROTTLED,
    UNAVAILABLE,
    Answer,
    ScriptedTable,
    error,
    put,
    put_all,
    write,
    writer_for,
)

BATCH = 25
SECRET = "Ada Lovelace"  # a row's value


@pytest.fixture
def longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jitter is always at its maximum, so that pauses can be predicted."""
    monkeypatch.setattr("random.uniform", lambda shortest, longest: longest)


def pauses(table: Any) -> list[Any]:
    """The seconds between an answer and the next batch, with one batch in flight."""
    times = [call.at for call in table.calls]
    return [pytest.approx(after - before - table.takes) for before, after in pairwise(times)]


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("items", "batches"), [(0, []), (1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])]
)
def test_all_items_are_sent_once_in_the_batches_given(items: int, batches: list[Any]) -> None:
    table = ScriptedTable()
    writer = write(table, range(items))
    assert [len(call) for call in table.sent] == batches
    assert [value for call in table.sent for value in call] == list(range(items))
    assert (writer.items_written, writer.items_replaced) == (items, 0)
    assert writer.acknowledged == (items - 1 if items else None)


def test_of_equal_keys_in_one_batch_only_the_last_is_sent() -> None:
    table = ScriptedTable()
    with writer_for(table) as writer:
        put(writer, [1, 2, 3, 4], key={1: "a", 2: "b", 3: "a", 4: "a"}.get)
        writer.drain()
    assert [sorted(call) for call in table.sent] == [[2, 4]]
    assert table.stored == {"key-a": 4, "key-b": 2}
    assert (writer.items_written, writer.items_replaced) == (2, 2)
    assert writer.acknowledged == 4


def test_a_batch_waits_until_an_earlier_one_with_an_equal_key_is_taken() -> None:
    table = ScriptedTable(Answer(takes=30))
    with writer_for(table, in_flight=4) as writer:
        put(writer, [0, 1], key={0: "same", 1: 1}.get)
        put(writer, [2, 3], key={2: "same", 3: 3}.get)
        writer.drain()
    assert [call.at for call in table.calls] == [0, 30]
    assert table.stored["key-same"] == 2


def test_a_batch_waits_for_every_earlier_one_that_shares_a_key() -> None:
    """The shared key is in the second batch in flight, not in the first."""
    table = ScriptedTable(Answer(takes=5), Answer(takes=30))
    with writer_for(table, in_flight=4) as writer:
        for value in (1, 2, 3):
            put(writer, [value], key={1: 1, 2: "same", 3: "same"}.get)
        writer.drain()
    assert [call.at for call in table.calls] == [0, 0, 30]
    assert table.history["key-same"] == [2, 3]


def test_a_batch_does_not_overtake_an_earlier_one_with_an_equal_key_that_is_to_be_sent_again(
    longest_pauses: Any,
) -> None:
    """The earlier batch is neither in flight nor in the table, and would overwrite the later
    one."""
    table = ScriptedTable(FAULT, FAULT)
    with writer_for(table, in_flight=4) as writer:
        put(writer, [1], key=lambda _: "same")
        put(writer, [2], key=lambda _: "same")
        writer.drain()
    assert table.sent == [[1], [1], [1], [2]]
    assert table.history["key-same"] == [1, 2]


def test_a_batch_waits_for_items_that_were_left_unprocessed_and_have_an_equal_key() -> None:
    table = ScriptedTable(Answer(left=1))
    with writer_for(table, in_flight=4) as writer:
        put(writer, [1, 2], key={1: 1, 2: "same"}.get)
        put(writer, [3], key=lambda _: "same")
        writer.drain()
    assert table.sent == [[1, 2], [2], [3]]


# ---------------------------------------------------------------- how many in flight


def test_as_many_batches_are_in_flight_as_asked_for_and_no_more() -> None:
    table = ScriptedTable(takes=1)
    writer = write(table, range(9 * BATCH), in_flight=3)
    assert table.most_under_way() == 3
    assert [call.at for call in table.calls] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert writer.acknowledged == 9 * BATCH - 1


def test_a_throttled_table_has_fewer_batches_in_flight(longest_pauses: Any) -> None:
    """Throttles that go on leave one of four; the success behind them makes it two. (Three batches
    then go in twos.)"""
    table = ScriptedTable(*[THROTTLED] * 6)
    with writer_for(table, in_flight=4) as writer:
        put_all(writer, range(BATCH))
        writer.drain()
        put_all(writer, range(BATCH, 4 * BATCH))
        writer.drain()
    assert [call.under_way for call in table.calls] == [1] * 7 + [1, 2, 1]
    assert writer.throttles == 6
    assert writer.acknowledged == 4 * BATCH - 1


def test_batches_throttled_together_are_sent_again_half_as_many_at_a_time(
    longest_pauses: Any,
) -> None:
    table = ScriptedTable(*[THROTTLED] * 8)
    writer = write(table, range(8 * BATCH), in_flight=8)
    assert [call.under_way for call in table.calls] == [
        *(1, 2, 3, 4, 5, 6, 7, 8),
        *(1, 2, 3, 4),
        *(1, 2, 3, 4),
    ]
    assert writer.throttles == 8


def test_after_a_throttle_the_writer_finds_back_to_all_in_flight() -> None:
    table = ScriptedTable(THROTTLED)
    write(table, range(100 * BATCH), in_flight=4)
    assert table.most_under_way(first_call=90) == 4


def test_items_left_unprocessed_count_as_a_throttle() -> None:
    table = ScriptedTable(Answer(left=1))
    with writer_for(table, in_flight=4) as writer:
        put_all(writer, range(BATCH))
        writer.drain()
        put_all(writer, range(BATCH, 4 * BATCH))
        writer.drain()
    assert [call.under_way for call in table.calls] == [1, 1, 1, 2, 1]
    assert writer.throttles == 1


def test_faults_do_not_count_as_throttles() -> None:
    table = ScriptedTable(FAULT, RESET, UNAVAILABLE)
    writer = write(table, range(20 * BATCH), in_flight=4)
    assert (writer.throttles, table.most_under_way(first_call=15)) == (0, 4)


def test_a_batch_to_be_sent_again_keeps_its_place_in_flight(longest_pauses: Any) -> None:
    """Otherwise new batches would take its place, and the window would fill up behind it."""
    table = ScriptedTable(FAULT, Answer(takes=10))
    with writer_for(table, in_flight=2) as writer:
        for value in (1, 2, 3):
            put(writer, [value])
        writer.drain()
    assert table.sent == [[1], [2], [1], [3]]


def test_no_more_than_eight_times_the_batches_in_flight_are_sent_behind_one_not_acknowledged() -> (
    None
):
    """This bounds what has to be sent again if the time of the round ends there."""
    table = ScriptedTable(Answer(takes=500))
    with writer_for(table, in_flight=2, deadline=400) as writer:
        with pytest.raises(WritingStopped):
            put_all(writer, range(40 * BATCH))
        assert len(table.calls) == 16
        writer.stop()
    assert writer.acknowledged == 16 * BATCH - 1


# ---------------------------------------------------------------- sent again


def test_only_what_is_left_unprocessed_is_sent_again() -> None:
    table = ScriptedTable(Answer(left=10), Answer(left=3))
    writer = write(table, range(25))
    assert table.sent == [list(range(25)), list(range(15, 25)), [22, 23, 24]]
    assert len(table.stored) == writer.items_written == 25
    assert writer.throttles == 2


def test_nothing_is_acknowledged_before_what_was_left_is_written() -> None:
    table = ScriptedTable(Answer(left=10), DENIED)
    with writer_for(table) as writer:
        put_all(writer, range(25))
        with pytest.raises(ClientError):
            writer.drain()
        writer.stop()
    assert (writer.acknowledged, writer.items_written) == (None, 0)


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
    ],
)
def test_throttling_is_retried_with_pauses_that_double_up_to_a_limit(
    longest_pauses: Any, code: str
) -> None:
    table = ScriptedTable(*[error(code)] * 12)
    writer = write(table, range(3))
    assert pauses(table) == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert (writer.throttles, writer.acknowledged) == (12, 2)


def test_throttling_never_fails_by_itself() -> None:
    table = ScriptedTable(*[THROTTLED] * 2_000)
    assert write(table, range(3), deadline=1e6).throttles == 2_000
    assert len(table.calls) == 2_001


def test_pauses_grow_while_nothing_is_taken_and_start_anew_once_something_is(
    longest_pauses: Any,
) -> None:
    table = ScriptedTable(*[Answer(left=left) for left in (25, 25, 20, 20)])
    write(table, range(25))
    assert pauses(table) == [0.05, 0.1, 0.05, 0.1]


def test_pauses_are_jittered_from_none_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def half(shortest: Any, longest: Any) -> Any:
        asked.append((shortest, longest))
        return longest / 2

    monkeypatch.setattr("random.uniform", half)
    table = ScriptedTable(THROTTLED, THROTTLED)
    write(table, range(3))
    assert asked == [(0, 0.05), (0, 0.1)]
    assert pauses(table) == [0.025, 0.05]


def test_what_is_due_first_is_sent_again_first(longest_pauses: Any) -> None:
    table = ScriptedTable(FAULT, FAULT._replace(takes=0.08), FAULT)
    with writer_for(table, in_flight=2) as writer:
        put(writer, [1])
        put(writer, [2])
        writer.drain()
    # The first fails at 0.01 and 0.07, and is to wait for 0.1 then; the second fails at 0.08.
    assert table.sent == [[1], [2], [1], [2], [1]]
    assert [call.at for call in table.calls] == pytest.approx([0, 0, 0.06, 0.13, 0.17])


def test_each_batch_has_pauses_of_its_own(longest_pauses: Any) -> None:
    table = ScriptedTable(FAULT, FAULT, FAULT, TAKEN, TAKEN, FAULT)
    with writer_for(table) as writer:
        for value in (1, 2):
            put(writer, [value])
            writer.drain()
        put(writer, [3])
        writer.drain()
    assert table.sent == [[1], [1], [1], [1], [2], [3], [3]]
    assert pauses(table)[-1] == 0.05


@pytest.mark.parametrize(
    "fault", [FAULT, UNAVAILABLE, RESET, LOST], ids=["500", "503", "reset", "lost"]
)
def test_a_few_faults_in_a_row_are_retried_and_no_more(fault: Any) -> None:
    assert write(ScriptedTable(*[fault] * 6), range(3)).acknowledged == 2
    table = ScriptedTable(*[fault] * 99)
    with writer_for(table) as writer:
        put(writer, [1])
        with pytest.raises(TableUnreachable):
            writer.drain()
    assert len(table.calls) == 7


@pytest.mark.parametrize("between", [Answer(left=1), THROTTLED], ids=["some taken", "throttled"])
def test_faults_between_which_the_table_answered_are_not_in_a_row(between: Any) -> None:
    table = ScriptedTable(*[FAULT] * 6, between, *[FAULT] * 6)
    assert write(table, range(2)).acknowledged == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_what_no_retry_can_help_is_raised_at_once(code: str) -> None:
    table = ScriptedTable(error(code))
    with writer_for(table) as writer:
        put(writer, [1])
        with pytest.raises(ClientError, match=code) as raised:
            writer.drain()
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert (len(table.calls), writer.acknowledged) == (1, None)


def test_it_is_raised_by_a_later_put_too() -> None:
    table = ScriptedTable(DENIED)
    with writer_for(table) as writer, pytest.raises(ClientError):
        put_all(writer, range(3 * BATCH))
    assert len(table.calls) == 1


def test_why_the_table_was_unreachable_is_told() -> None:
    for fault, why in [(UNAVAILABLE, "status 503"), (RESET, "curl 56: .*reset by peer")]:
        with writer_for(ScriptedTable(*[fault] * 7)) as writer:
            put(writer, [1])
            with pytest.raises(TableUnreachable, match=f"batch: {why}"):
                writer.drain()


@pytest.mark.parametrize(
    "answer",
    [
        error("ValidationException", message=f"The value {SECRET} is too long"),
        error("InternalServerError", 500, message=SECRET),
        Answer(status=200, body=f"<html>{SECRET}</html>".encode()),
        Answer(status=200, body=f'["{SECRET}"]'.encode()),
        Answer(status=400, body=f"no JSON: {SECRET}".encode()),
    ],
)
def test_no_error_holds_an_items_values(answer: Any) -> None:
    with writer_for(ScriptedTable(*[answer] * 7)) as writer:
        put(writer, [1])
        with pytest.raises((ClientError, TableRefusesEveryRow, TableUnreachable)) as raised:
            writer.drain()
    assert SECRET not in f"{raised.value} {raised.value!r} {vars(raised.value)}"


# ---------------------------------------------------------------- the deadline, and stopping


def test_throttled_to_the_deadline_it_gives_up_and_never_waits_past_it() -> None:
    table = ScriptedTable(*[THROTTLED] * 999)
    with writer_for(table, deadline=20.0) as writer:
        put(writer, [1])
        with pytest.raises(WritingStopped):
            writer.drain()
        assert table.now == 20.0
    assert writer.acknowledged is None


def test_a_batch_without_an_answer_is_waited_for_until_the_deadline_only() -> None:
    table = ScriptedTable(Answer(takes=30))
    with writer_for(table, deadline=20.0) as writer:
        put(writer, [1])
        with pytest.raises(WritingStopped):
            writer.drain()
        assert table.now == 20.0
        writer.stop()  # what is in flight is let finish, and counts
    assert writer.acknowledged == 1


def test_left_unprocessed_to_the_deadline_it_gives_up() -> None:
    table = ScriptedTable(*[Answer(left=25)] * 999)
    with writer_for(table, deadline=20.0) as writer, pytest.raises(WritingStopped):
        put_all(writer, range(3 * BATCH))
    assert (table.stored, writer.acknowledged) == ({}, None)


def test_the_mark_stays_before_a_batch_that_is_under_way_though_later_ones_are_done() -> None:
    table = ScriptedTable(Answer(takes=90))
    with writer_for(table, in_flight=2, deadline=50) as writer:
        put_all(writer, range(2 * BATCH))
        with pytest.raises(WritingStopped):
            writer.drain()
        assert "key-49" in table.stored
        assert (writer.acknowledged, writer.items_written) == (None, 0)
        writer.stop()
    assert (writer.acknowledged, writer.items_written) == (49, 50)


def test_the_mark_stays_before_a_batch_that_gave_up_though_later_ones_are_in_the_table() -> None:
    table = ScriptedTable(TAKEN, DENIED)
    with writer_for(table, in_flight=3) as writer:
        put_all(writer, range(3 * BATCH))
        writer.stop()  # raises nothing
        assert "key-74" in table.stored
    assert (writer.acknowledged, writer.items_written) == (24, 25)


def test_stop_lets_what_is_in_flight_finish_and_moves_the_mark_over_it() -> None:
    table = ScriptedTable(takes=5)
    with writer_for(table, in_flight=4) as writer:
        put_all(writer, range(2 * BATCH))
        writer.stop()
        assert (writer.acknowledged, len(table.calls)) == (49, 2)
        assert table.under_way == 0


@pytest.mark.parametrize("answer", [THROTTLED, FAULT, LOST, Answer(left=1)])
def test_stop_sends_nothing_again(answer: Any) -> None:
    table = ScriptedTable(answer)
    with writer_for(table, in_flight=4) as writer:
        put_all(writer, range(2 * BATCH))
        writer.stop()
    assert len(table.calls) == 2
    assert (writer.acknowledged, writer.items_written) == (None, 0)


def test_stop_sends_nothing_again_that_was_waiting_for_it() -> None:
    table = ScriptedTable(THROTTLED, THROTTLED, Answer(takes=60))
    with writer_for(table, in_flight=4, deadline=30) as writer:
        put_all(writer, range(4 * BATCH))
        with pytest.raises(WritingStopped):
            writer.drain()
        sent = len(table.calls)
        writer.stop()
    assert len(table.calls) == sent


def test_left_by_an_error_nothing_more_is_sent_and_nothing_is_under_way() -> None:
    table = ScriptedTable(THROTTLED, takes=30)
    with suppress(RuntimeError), writer_for(table, in_flight=2) as writer:
        put_all(writer, range(2 * BATCH))
        raise RuntimeError
    assert (len(table.calls), table.under_way) == (2, 0)


# ---------------------------------------------------------------- whatever happens

ANSWERS = st.builds(
    Answer.__new__,
    st.just(Answer),
    left=st.integers(0, 4),
    takes=st.one_of(st.none(), st.floats(0, 20)),
) | st.sampled_from([THROTTLED, FAULT, RESET, LOST, UNAVAILABLE])


class Puts:
    """Batches of values that share few keys. Values go up, so of two of one key the larger one is
    the later."""

    def __init__(self, batches: Any, invalid: Any) -> None:
        self.batches = []
        self.last = {}  # the value that each key has once all is written
        self.key = {}
        self.refused: list[
            Any
        ] = []  # of each key's values in a batch those behind the last valid one
        value = 0
        for keys in batches:
            values = []
            for key in keys:
                self.key[value] = key
                if value not in invalid:
                    self.last[f"key-{key}"] = value
                values.append(value)
                value += 1
            self.batches.append(values)
            for key in set(keys):
                of_key = [one for one in values if self.key[one] == key]
                self.refused += takewhile(invalid.__contains__, reversed(of_key))
        self.refused.sort()

    def up_to(self, mark: Any, invalid: Any) -> Any:
        """The value that each key has at least, once the mark is acknowledged."""
        values = [value for value in range(mark + 1) if value not in invalid]
        return {f"key-{self.key[value]}": value for value in values}


def check_any(batches: Any, answers: Any, in_flight: Any, deadline: Any, invalid: Any) -> None:
    puts = Puts(batches, invalid)
    table = ScriptedTable(*answers, invalid=invalid)
    others = {"any_accepted": lambda: True}
    with writer_for(table, in_flight=in_flight, deadline=deadline, **others) as writer:
        try:
            for values in puts.batches:
                put(writer, values, key=puts.key.get)
            writer.drain()
        except (WritingStopped, TableUnreachable):
            writer.stop()
            complete = False
        else:
            complete = True
        assert table.under_way == 0
    assert table.most_under_way() <= in_flight
    assert all(values == sorted(values) for values in table.history.values())
    if complete:
        assert table.stored == puts.last
        assert writer.acknowledged == puts.batches[-1][-1]
        assert list(writer.refused) == puts.refused
        counted = writer.items_written + writer.items_replaced + len(writer.refused)
        assert counted == len(puts.key)
    elif writer.acknowledged is not None:
        assert writer.acknowledged in [values[-1] for values in puts.batches]
        refused = [value for value in puts.refused if value <= writer.acknowledged]
        assert list(writer.refused) == refused
        for key, value in puts.up_to(writer.acknowledged, invalid).items():
            assert table.stored[key] >= value


@given(
    st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=25),
    st.lists(ANSWERS, max_size=25),
    st.integers(1, 5),
    st.sampled_from([3.0, 20.0, 1e6]),
    st.sets(st.integers(0, 60)),
)
@settings(deadline=None)
def test_whatever_the_table_answers_the_last_value_wins_and_the_mark_is_true(
    batches: Any, answers: Any, in_flight: Any, deadline: Any, invalid: Any
) -> None:
    check_any(batches, answers, in_flight, deadline, invalid)


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
@given(
    st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=60),
    st.lists(ANSWERS, max_size=80),
    st.integers(1, 9),
    st.sampled_from([3.0, 20.0, 200.0, 1e6]),
    st.sets(st.integers(0, 200)),
)
@settings(deadline=None, max_examples=1_500)
def test_whatever_the_table_answers_at_length(
    batches: Any, answers: Any, in_flight: Any, deadline: Any, invalid: Any
) -> None:
    check_any(batches, answers, in_flight, deadline, invalid)
