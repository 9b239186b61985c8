"""Equal keys over a whole file, whatever the order in which its chunks' rows reach the table.

The tasks run one after the other here, but each call has a time in which it writes, and these times
overlap as they like: the table's content is made of all writes in the order of their times. Calls
crash, end at checkpoints, and write one chunk at a time. In the end the table must hold each key's
last row, and the report every other row. What is expected comes from a dictionary.
"""

import itertools
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.contracts import ChunkTask
from ingestion.errors import AccountingError
from ingestion.ledger.versions import LEASE_MARGIN_SECONDS
from ingestion.tasks.suspect_search import SuspectSearch
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.fuzzing import files
from tests.support.slow_table import FAULT, SlowTable
from tests.support.stack_in_memory import WORK
from tests.support.timed_loads import (
    ANY_CALLS,
    CALL_SECONDS,
    HEADER,
    WEAK_DIGESTS,
    Call,
    Simulation,
    check,
    good,
    numbered,
    small,
)

FILES = files(quick=70)


# ---------------------------------------------------------------- by hand

ROW = len(good(1, 1))
THREE_ROWS = len(HEADER) + 3 * ROW
"""The size of chunks of which the first has three rows."""
TWO_CHUNKS = numbered([1, 2, 3, 1, 4, 5])
"""The key 1 is in both."""


def loaded(file: str, *calls: list[Call]) -> Simulation:
    """Each list has the calls of one chunk."""
    with small():
        simulation = Simulation(file, THREE_ROWS)
        assert len(simulation.tasks) == len(calls)
        for task, those in zip(simulation.tasks, calls, strict=True):
            for call in those:
                simulation.call(task, call)
        simulation.settle()
        check(simulation, file)
    return simulation


def put_again(simulation: Simulation) -> int:
    generation = simulation.stack.planned.generation
    state = simulation.stack.written.equal_keys(simulation.stack.load_id, generation)
    assert state
    return state.rows_put_again


def test_what_was_certainly_written_last_is_not_put_again() -> None:
    simulation = loaded(TWO_CHUNKS, [Call(1, 2, late=True)], [Call(5, 1)])
    assert put_again(simulation) == 0


def test_chunks_that_are_written_at_a_time() -> None:
    assert put_again(loaded(TWO_CHUNKS, [Call(1, 5, late=True)], [Call(2, 1)])) == 1
    assert put_again(loaded(TWO_CHUNKS, [Call(1, 5)], [Call(2, 1)])) == 1  # nobody knows


def test_a_later_chunk_that_is_written_first() -> None:
    assert put_again(loaded(TWO_CHUNKS, [Call(9, 1)], [Call(1, 1)])) == 1


def test_clocks_that_differ_by_less_than_they_may() -> None:
    calls = [Call(1, 5, late=True, skew=-0.9)], [Call(5, 1, skew=0.9)]
    assert put_again(loaded(TWO_CHUNKS, *calls)) == 1


def test_a_crashed_calls_rows_that_arrive_as_late_as_they_can() -> None:
    crashed = [Call(1, 1, late=True, crash_at=1), Call(3, 1)]
    assert put_again(loaded(TWO_CHUNKS, crashed, [Call(900, 1)])) == 1


def test_a_call_that_goes_on_after_another_has_finished_its_chunk() -> None:
    overlapping = Call(1, 8, late=True, twin_at=1, twin_takes=1)
    assert put_again(loaded(TWO_CHUNKS, [overlapping], [Call(6, 1)])) == 1


@pytest.mark.parametrize("others", [[], [4, 5, 6]])
def test_a_crashed_call_leaves_the_earlier_one_of_two_rows_of_its_chunk(others: list[int]) -> None:
    """Even if the file has no other chunk: the crashed call alone makes the load settle its
    keys."""
    file = numbered([1, 2, 1, *others])
    crashed = [Call(1, 1, late=True, crash_at=1), Call(3, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.dynamodb.batch_writer.BATCH_ITEMS", 1)
        simulation = Simulation(file, THREE_ROWS)
        for task, calls in zip(simulation.tasks, [crashed, [Call(5, 1)]], strict=False):
            for call in calls:
                simulation.call(task, call)
        assert simulation.table.content()["T1", "Tea"] == "0"
        simulation.settle()
        check(simulation, file)


def test_a_file_of_one_chunk_is_not_settled_again() -> None:
    file = numbered([1, 2, 1])
    simulation = Simulation(file, THREE_ROWS)
    simulation.call(simulation.tasks[0], Call(1, 1))
    assert simulation.settle() == 0
    check(simulation, file)


def test_another_load_that_wrote_the_same_rows_in_between() -> None:
    """A forced load took the claim over, wrote the earlier row once more and failed; then the first
    one was replayed. What it knows of its own times does not say what is in the table."""
    simulation = Simulation(TWO_CHUNKS, THREE_ROWS)
    stack, table = simulation.stack, simulation.table
    for task, at in zip(simulation.tasks, (1, 5), strict=True):
        simulation.call(task, Call(at, 1))
    simulation.settle()
    stack.now += 100
    assert stack.take_turn("forced") == "mine"
    table.writes.append((stack.now, len(table.writes), table.writes[0][2]))
    assert table.content()["T1", "Tea"] == "0"
    stack.now += 100
    assert stack.take_turn(stack.load_id) == "mine"
    simulation.start = stack.now
    assert simulation.settle() == 1
    check(simulation, TWO_CHUNKS)


def written(file: str = TWO_CHUNKS, rows: int = 3) -> Simulation:
    """Writes two chunks at the same time, the first of `rows` rows, so that rows must be put
    again."""
    simulation = Simulation(file, len(HEADER) + rows * ROW)
    for task in simulation.tasks:
        simulation.call(task, Call(1, 1))
    simulation.stack.now += CALL_SECONDS
    return simulation


def test_nothing_is_put_while_a_writer_of_the_load_may_be_writing() -> None:
    simulation = written()
    stack = simulation.stack
    task = simulation.tasks[0]
    lease = stack.turns.lease(task.file.claimed_url, task.load_id, 900, task.generation, 0)
    batches = len(simulation.table.writes)
    assert stack.settle() == "waiting"
    assert len(simulation.table.writes) == batches
    stack.now += CALL_SECONDS + LEASE_MARGIN_SECONDS
    assert stack.settle() == "settled"
    assert len(simulation.table.writes) == batches + 1
    assert [one.chunk for one in stack.turns.leases(task.file.claimed_url, *lease_of(task))] == [0]
    assert lease.id


def lease_of(task: ChunkTask) -> tuple[str, str]:
    return task.load_id, task.generation


def test_what_no_two_chunks_have_needs_no_waiting() -> None:
    simulation = written(numbered([1, 2, 3, 4, 5, 6]))
    task = simulation.tasks[0]
    simulation.stack.turns.lease(task.file.claimed_url, task.load_id, 900, task.generation, 0)
    assert simulation.stack.settle() == "settled"


def test_what_is_settled_is_answered_from_the_ledger() -> None:
    simulation = written()
    assert simulation.stack.settle() == "settled"
    objects, batches = dict(simulation.stack.buckets.objects), len(simulation.table.writes)
    assert simulation.stack.settle() == "settled"
    assert (simulation.stack.buckets.objects, len(simulation.table.writes)) == (objects, batches)


def test_a_later_version_takes_over() -> None:
    simulation = written()
    assert simulation.stack.take_turn("b") == "mine"
    batches = len(simulation.table.writes)
    assert simulation.stack.settle() == "overtaken"
    assert len(simulation.table.writes) == batches
    simulation.stack.reconcile()
    assert simulation.stack.result
    assert simulation.stack.result["overtaken"]


def test_a_load_with_an_unfinished_chunk_is_not_settled() -> None:
    simulation = Simulation(TWO_CHUNKS, THREE_ROWS)
    simulation.call(simulation.tasks[1], Call(1, 1))
    with pytest.raises(AccountingError, match="unfinished"):
        simulation.stack.settle()


def test_digests_that_the_chunk_does_not_have_are_a_defect() -> None:
    simulation = written()
    stack = simulation.stack
    for index in (0, 1):
        key = WORK, f"digests/{stack.load_id}/{stack.planned.generation}/{index:06d}"
        stack.buckets.objects[key] = array("Q", [1, 2, 3]).tobytes()
    with pytest.raises(AccountingError, match="has 0 of the 3 keys"):
        stack.settle()


@pytest.mark.parametrize("gone", ["/000000", "/", "/suspects/"])
@pytest.mark.parametrize("under_way", [False, True])
def test_a_replay_after_the_digests_have_expired(gone: str, under_way: bool) -> None:
    """The chunks stay finished in the ledger, so only Settle Equal Keys can make them again."""
    keys = [at % 30 for at in range(90)]
    with small():
        simulation = Simulation(numbered(keys), 8 * ROW)
        stack = simulation.stack
        for task in simulation.tasks:
            simulation.call(task, Call(1, 1))
        stack.now += CALL_SECONDS
        if under_way:
            stack.settler._clock = itertools.count(0, 1.0).__next__
            assert stack.settle(CHECKPOINT_SECONDS + 12) == "unsettled"
        prefix = f"digests/{stack.load_id}/{stack.planned.generation}{gone}"
        for bucket, key in list(stack.buckets.objects):
            if key.startswith(prefix):
                del stack.buckets.objects[bucket, key]
        assert simulation.settle() >= 1
        check(simulation, numbered(keys))


def test_of_two_calls_at_a_time_one_records_what_it_did() -> None:
    simulation = written()
    stack = simulation.stack
    table = simulation.table

    def settle_meanwhile() -> None:
        table.hook = lambda: None
        under_way, table._replies = table._replies, []
        assert stack.settle() == "settled"
        table._replies = under_way

    table.hook = settle_meanwhile
    assert stack.settle() == "unsettled"
    assert stack.settle() == "settled"
    stack.reconcile()
    check(simulation, TWO_CHUNKS)


def test_calls_with_little_time_go_on_where_the_one_before_ended() -> None:
    """A page, a part and a batch of suspects each have a few rows."""
    keys = [at % 30 for at in range(90)]
    with small():
        simulation = Simulation(numbered(keys), 8 * ROW)
        for task in simulation.tasks:
            simulation.call(task, Call(1, 1))
        assert simulation.settle(CHECKPOINT_SECONDS + 12, tick=1.0) > 10
        check(simulation, numbered(keys))
    assert put_again(simulation) == 30


def test_a_call_begins_no_slab_that_it_has_no_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda would stop the call while it searches, and its progress would be lost."""
    keys = [at % 30 for at in range(90)]
    now = 0.0

    def slow(search: SuspectSearch, slab: int) -> int:
        nonlocal now
        now += 100
        return searched(search, slab)

    searched = SuspectSearch.search
    monkeypatch.setattr(SuspectSearch, "search", slow)
    with small():
        simulation = Simulation(numbered(keys), 8 * ROW)
        for task in simulation.tasks:
            simulation.call(task, Call(1, 1))
        simulation.stack.now += CALL_SECONDS
        simulation.stack.settler._clock = lambda: now
        assert simulation.stack.settle(CHECKPOINT_SECONDS + 250) == "unsettled"
        assert now == 200
        assert simulation.settle() >= 1
        check(simulation, numbered(keys))


def test_a_search_that_was_begun_with_smaller_slabs_starts_again() -> None:
    """Otherwise some digests would not be compared."""
    keys = [at % 30 for at in range(90)]
    with small():
        simulation = Simulation(numbered(keys), 8 * ROW)
        stack = simulation.stack
        for task in simulation.tasks:
            simulation.call(task, Call(1, 1))
        stack.now += CALL_SECONDS
        stack.settler._clock = itertools.count(0, 1.0).__next__
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingestion.tasks.suspect_search.SLAB_DIGESTS", 10)
            assert stack.settle(CHECKPOINT_SECONDS + 12) == "unsettled"
        assert simulation.settle() >= 1
        check(simulation, numbered(keys))


def test_a_slow_table_takes_some_of_what_is_put_in_each_call() -> None:
    """What was put behind a row that is not in the table yet is put once more by the next call, and
    superseded rows between them are listed once."""
    keys = [at % 3 if at % 7 == 0 else at for at in range(60)]
    keys += [at % 4 if at % 5 == 0 else at for at in range(60)]
    with small():
        simulation = written(numbered(keys), rows=60)
        slow = SlowTable(10, [0, 0, *[FAULT, 0] * 100])
        settler = simulation.stack.settler
        settler._sender, settler._clock, settler._in_flight = slow, slow.clock, 3
        content, calls = simulation.table.content(), 0
        while simulation.stack.settle(CHECKPOINT_SECONDS + 45) == "unsettled":
            calls += 1
        simulation.stack.reconcile()
    assert calls > 3
    assert slow.batches_taken > put_again(simulation) / 3
    late = {key: item["quantity"]["N"] for key, item in slow.items.items()}
    check(simulation, numbered(keys), content | late)


def test_a_batch_that_begins_in_the_chunk_in_which_the_one_before_it_ended() -> None:
    """What the table has taken of the earlier batch says nothing about the later one."""
    keys = [at % 40 for at in range(120)]
    with small():
        simulation = Simulation(numbered(keys), len(HEADER) + len(keys) * ROW * 2)
        [task] = simulation.tasks
        simulation.call(task, Call(1, 8, twin_at=1, twin_takes=1))  # so that rows are put again
        simulation.stack.now += CALL_SECONDS
        slow = SlowTable(10, [0, 0, *[FAULT, 0] * 100])
        settler = simulation.stack.settler
        settler._sender, settler._clock, settler._in_flight = slow, slow.clock, 3
        while simulation.stack.settle(CHECKPOINT_SECONDS + 45) == "unsettled":
            pass
    assert len(slow.items) == 40


# ---------------------------------------------------------------- generated

KEYS = st.lists(
    st.one_of(st.integers(0, 5), st.integers(0, 5), st.integers(10, 60), st.none()),
    min_size=1,
    max_size=40,
)


@given(
    KEYS,
    ANY_CALLS,
    st.integers(60, 400),
    WEAK_DIGESTS,
    st.sampled_from([0.0, 1.0]),
)
@settings(deadline=None, max_examples=FILES, suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(3600)
def test_whatever_the_order_of_the_writes(
    keys: list[int | None], calls: list[Call], chunk_size: int, digests: int, tick: float
) -> None:
    file = numbered(keys)
    with small(digests):
        simulation = Simulation(file, chunk_size)
        simulation.run(calls, tick)
        check(simulation, file)
