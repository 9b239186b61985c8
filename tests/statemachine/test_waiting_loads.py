"""Many loads at once wait, and none of them fails: simulated with the definition's own rules."""

import copy
from dataclasses import replace

import pytest

from tests.statemachine.waiting_loads import (
    A_MIB,
    A_THOUSAND,
    BESIDE,
    DAY,
    LARGE,
    NEW,
    SLOW,
    SMALL,
    SMALL_NEW,
    TWENTY,
    TWO_WEEKS,
    Machine,
    Scenario,
    defined,
    files,
    one_large,
)
from tests.support.simulated_account import Load
from tests.support.states import all_states

QUICK = {
    "a new account": replace(NEW, loads=lambda: files(150, 1, 20_000)),
    "files of several chunks": TWENTY,
    "a slow table": SLOW,
    "a large file": replace(LARGE, loads=lambda: one_large(60, 500)),
}
EXHAUSTIVE = {"a thousand files": A_THOUSAND, "in a new account": NEW, "a huge file": LARGE}


@pytest.mark.parametrize(
    "scenario",
    [
        *[pytest.param(one, id=name) for name, one in QUICK.items()],
        *[
            pytest.param(one, id=name, marks=[pytest.mark.exhaustive, pytest.mark.timeout(600)])
            for name, one in EXHAUSTIVE.items()
        ],
    ],
)
def test_loads_wait_and_none_fails(scenario: Scenario) -> None:
    outcome = scenario.run()
    assert outcome.unfinished == []
    assert outcome.account.failed_chunks == 0
    assert outcome.account.most_writing == scenario.loads_at_a_time
    assert outcome.account.longest_idle <= 600
    # No load waits much longer than it takes to write all rows, and the slots are in use.
    assert outcome.seconds < 1.2 * scenario.shortest + 60
    assert outcome.events < 20_000


def test_small_loads_do_not_wait_for_a_large_one() -> None:
    """Two small loads have a chunk each, the large one has two: each half of the table."""
    outcome = QUICK["a large file"].run()
    large, *small = outcome.loads
    rows = sum(load.rows for load in small)
    assert large.ended
    assert max(load.ended or 0.0 for load in small) < 1.3 * rows / (4_000 / 2)
    assert max(load.ended or 0.0 for load in small) < large.ended / 2


# ---------------------------------------------------------------- Equal keys


@pytest.mark.parametrize(("chunks", "settled"), [(1, 0), (6, 1)])
def test_loads_of_several_chunks_settle_their_equal_keys(chunks: int, settled: int) -> None:
    outcome = replace(TWENTY, loads=lambda: files(1, chunks, 200_000)).run()
    assert outcome.unfinished == []
    assert outcome.account.calls["settle_equal_keys"] == settled
    assert outcome.account.calls["reconcile"] == 1 + settled


def test_equal_keys_of_billions_of_rows_are_settled_by_several_calls() -> None:
    rows, chunks = 2_400_000_000, 300
    scenario = Scenario("", lambda: files(1, chunks, rows // chunks), writes_per_second=10**9)
    outcome = scenario.run(defined(map_concurrency=300))
    assert outcome.unfinished == []
    assert outcome.account.settling_seconds > 900
    assert outcome.account.calls["settle_equal_keys"] > 1
    assert outcome.seconds > rows / chunks / 8_000 + outcome.account.settling_seconds


# ---------------------------------------------------------------- Small files


def test_a_small_file_takes_nine_transitions_and_no_slot() -> None:
    """The start and eight states."""
    outcome = replace(SMALL, loads=lambda: files(200, 1, 10)).run()
    assert outcome.unfinished == []
    assert {load.transitions for load in outcome.loads} == {9}
    assert outcome.account.most_writing == 0


@pytest.mark.parametrize(
    "scenario",
    [
        replace(SMALL_NEW, loads=lambda: files(200, 1, 10)),
        pytest.param(SMALL_NEW, marks=pytest.mark.exhaustive),
    ],
)
def test_small_files_that_lambda_throttles_are_loaded_within_minutes(scenario: Scenario) -> None:
    outcome = scenario.run()
    assert outcome.unfinished == []
    assert outcome.account.calls["throttled"] > 0
    assert outcome.seconds < 600


@pytest.mark.exhaustive
def test_small_files_do_not_wait_for_a_large_one_that_holds_a_slot() -> None:
    outcome = BESIDE.run(loads_at_a_time=1)
    large, *small = outcome.loads
    assert outcome.unfinished == []
    assert large.ended
    assert max(load.ended or 0.0 for load in small) < large.ended / 10


def test_files_for_which_the_table_is_too_busy_take_slots() -> None:
    """Otherwise all of them would hold a function until the table has accepted the last row."""
    scenario = replace(A_MIB, loads=lambda: files(60, 1, 10_000))
    outcome = scenario.run()
    assert outcome.unfinished == []
    assert outcome.account.most_writing == scenario.loads_at_a_time
    assert outcome.seconds < 1.2 * scenario.shortest + 60
    # 15 seconds of each first call, and three loads at a time for the rest.
    most = 60 * 15 + 3 * outcome.seconds
    assert outcome.account.writing_seconds < most

    machine = copy.deepcopy(defined())
    machine["States"]["Write Small File"]["Parameters"]["Payload"]["max_seconds"] = 900
    assert scenario.run(machine).account.writing_seconds > 5 * most


# ---------------------------------------------------------------- Before


def before(machine: Machine) -> Machine:
    """The definition with the retries of throttled calls that it had before."""
    machine = copy.deepcopy(machine)
    for name, state in all_states(machine).items():
        for retrier in state.get("Retry", []):
            if "Lambda.TooManyRequestsException" in retrier["ErrorEquals"]:
                retrier["MaxAttempts"] = 50 if name == "Write Chunk" else 20
                retrier["MaxDelaySeconds"] = 60
    return machine


def test_without_slots_and_with_fewer_retries_chunks_are_lost() -> None:
    outcome = TWENTY.run(before(defined(map_concurrency=4)), loads_at_a_time=20)
    assert outcome.account.failed_chunks > 10
    assert outcome.unfinished


def test_loads_wait_while_other_functions_use_up_the_account() -> None:
    assert TWENTY.run(busy_seconds=DAY / 2).unfinished == []
    assert len(TWENTY.run(before(defined()), busy_seconds=DAY / 2).unfinished) == 20


# ---------------------------------------------------------------- Two weeks


def waits_for_two_weeks(machine: Machine) -> Load:
    """The only slot is taken by a load that takes longer."""
    forever = Scenario("", lambda: files(2, 1, 10**9), writes_per_second=1, loads_at_a_time=1)
    outcome = forever.run(machine)
    waiting = max(outcome.loads, key=lambda load: load.execution.history)
    assert waiting.writing_since is None
    return waiting


def test_two_weeks_of_waiting_fit_in_20_000_events() -> None:
    waiting = waits_for_two_weeks(defined(TWO_WEEKS))
    assert waiting.execution.status == "TIMED_OUT"
    assert 10_000 < waiting.execution.history < 20_000


def test_a_day_of_waiting_costs_about_a_cent() -> None:
    assert waits_for_two_weeks(defined(DAY)).transitions * 25e-6 < 0.02


@pytest.mark.exhaustive
def test_with_equal_waits_of_ten_seconds_the_events_would_not_suffice() -> None:
    machine = defined(TWO_WEEKS)
    wait = machine["States"]["Wait For Turn"]
    del wait["SecondsPath"]
    wait["Seconds"] = 10
    waiting = waits_for_two_weeks(machine)
    assert waiting.execution.status == "FAILED"
    assert waiting.ended
    assert waiting.ended < DAY
