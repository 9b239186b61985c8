"""Two versions of one key: the later version wins, no matter which load starts first. The tasks are
called only in orders that the state machine allows."""

import itertools
from typing import Any

import pytest

from handlers import write_chunk
from ingestion.ledger.claims import Claim, Lease
from ingestion.ledger.versions import LOOK_SECONDS, OVERTAKEN
from tests.support.cloud import Cloud, chunk_entry
from tests.support.one_key import KEY, A, B, claims, report, rows, stores, url
from tests.support.watched_sender import watch

# ---------------------------------------------------------------- The later one wins


def test_a_later_version_wins_on_common_keys_and_the_report_names_the_one_before(
    cloud: Cloud,
) -> None:
    first = cloud.run(cloud.put(A), "first").data
    second = cloud.run(cloud.put(B), "second").data
    assert stores(cloud) == {"T1": "Nice", "T2": "Lyon", "T3": "Nice"}
    assert report(cloud, first["result"])["replaces"] is None
    assert report(cloud, second["result"])["replaces"] == first["load_id"]
    assert cloud.entry(second["load_id"])["replaces"] == first["load_id"]


def test_an_older_version_delivered_after_is_overtaken_and_writes_nothing(cloud: Cloud) -> None:
    older, newer = cloud.put(A), cloud.put(B)
    cloud.load(newer)
    state, _ = cloud.plan(older)
    assert cloud.take_turn(state) == "overtaken"
    entry = cloud.entry(state["load_id"])
    assert (entry["status"], entry["summary"]) == ("OVERTAKEN", OVERTAKEN)
    assert entry["finished_at"]
    assert stores(cloud) == {"T1": "Nice", "T3": "Nice"}


# ---------------------------------------------------------------- Overtaken while writing

MANY = rows(*(f"T{at:03d}" for at in range(200)))
ONE_CHUNK = "1000000"


@pytest.fixture
def writing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A load of 200 rows in one chunk that has its turn, and a newer version: `(state, chunk,
    newer state)`."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", ONE_CHUNK)
    state, [chunk] = cloud.plan(cloud.put(MANY))
    assert cloud.take_turn(state) == "mine"
    newer, _ = cloud.plan(cloud.put(B))
    return state, chunk, newer


def claim_before(cloud: Cloud, batch: int, newer: Any) -> list[str]:
    """Makes the newer load take its turn just before the given batch is sent. Its turn is appended
    to the returned list. Each batch takes longer than LOOK_SECONDS, the time between two checks of
    the claim."""
    turns: list[str] = []

    def claim(number: int) -> None:
        if number == batch:
            turns.append(cloud.take_turn(newer))

    watch(batch_takes=LOOK_SECONDS + 1, before=claim)
    return turns


def test_a_chunk_overtaken_before_it_begins_writes_nothing(cloud: Cloud, writing: Any) -> None:
    state, chunk, newer = writing
    assert cloud.take_turn(newer) == "mine"
    answer = cloud.write(state, chunk)
    assert (answer["overtaken"], answer["finished"]) == (True, False)
    assert answer["next_byte"] == chunk["start"]
    assert cloud.items() == []
    assert cloud.entry(state["load_id"], chunk_entry(0)) is None
    assert claims(cloud).leases(url(cloud)) == []


def test_a_chunk_overtaken_in_the_middle_stops_keeps_its_checkpoint_and_gives_its_lease_back(
    cloud: Cloud, writing: Any
) -> None:
    state, chunk, newer = writing
    turns = claim_before(cloud, 3, newer)
    answer = cloud.write(state, chunk, seconds=10_000)

    assert turns == ["wait"]  # the writer had its lease then
    assert (answer["overtaken"], answer["finished"]) == (True, False)
    assert answer["rows_read"] == 3 * 25
    assert answer["rows_written"] == answer["rows_read"] == len(cloud.items())
    entry = cloud.entry(state["load_id"], chunk_entry(0))
    assert (entry["finished"], entry["next_byte"]) == (False, answer["next_byte"])
    assert chunk["start"] < entry["next_byte"] < chunk["end"]
    assert claims(cloud).leases(url(cloud)) == []
    assert cloud.take_turn(newer) == "mine"
    again = cloud.write(state, chunk)
    assert (again["overtaken"], again["next_byte"]) == (True, answer["next_byte"])


def test_a_chunk_overtaken_before_a_row_is_written_is_no_error(cloud: Cloud, writing: Any) -> None:
    state, chunk, newer = writing
    # Time passes before the first batch, and the newer load comes then.
    step = LOOK_SECONDS + 1
    seconds = itertools.count(step=step)

    def clock() -> Any:
        now = next(seconds)
        if now == 2 * step:
            cloud.take_turn(newer)
        return float(now)

    write_chunk._chunk_writer()._clock = clock
    answer = cloud.write(state, chunk, seconds=10_000)
    assert (answer["overtaken"], answer["rows_read"]) == (True, 0)
    assert cloud.items() == []
    assert cloud.entry(state["load_id"], chunk_entry(0)) is None


def test_a_writer_holds_a_lease_for_all_its_functions_time_and_only_while_it_writes(
    cloud: Cloud, writing: Any
) -> None:
    state, chunk, _ = writing
    held = []
    watch(before=lambda _: held.append(claims(cloud).leases(url(cloud))))
    cloud.now = lambda: 1_800_000_000.0
    cloud.write(state, chunk, seconds=700)
    until = 1_800_000_000 + 700 + 60
    lease = Lease(state["load_id"], 1_800_000_000, until, state["plan"]["generation"], chunk=0)
    assert held == [[lease]] * 8
    assert claims(cloud).leases(url(cloud)) == []


def test_a_writer_that_fails_leaves_a_lease_that_has_ended(cloud: Cloud, writing: Any) -> None:
    """No load waits for it, and it shows Settle Equal Keys that rows may be in the table."""
    state, chunk, newer = writing
    watch(before=lambda batch: 1 / (batch - 2))
    with pytest.raises(ZeroDivisionError):
        cloud.write(state, chunk)
    [lease] = claims(cloud).leases(url(cloud))
    assert (lease.load_id, lease.chunk) == (state["load_id"], 0)
    assert cloud.take_turn(newer) == "mine"


def test_a_finished_chunk_of_an_overtaken_load_stays_finished(cloud: Cloud, writing: Any) -> None:
    state, chunk, newer = writing
    answer = cloud.write(state, chunk)
    cloud.take_turn(newer)
    assert cloud.write(state, chunk) == answer
    assert (answer["finished"], answer["overtaken"]) == (True, False)


# ---------------------------------------------------------------- Reconcile


def test_an_overtaken_load_ends_overtaken_with_what_it_had_written(
    cloud: Cloud, writing: Any
) -> None:
    state, chunk, newer = writing
    claim_before(cloud, 3, newer)
    answer = cloud.write(state, chunk, seconds=10_000)
    result = cloud.reconcile(state)
    assert (result["complete"], result["overtaken"], result["summary"]) == (False, True, OVERTAKEN)
    assert result["rows_written"] == answer["rows_written"] > 0
    assert (result["chunks"], result["chunks_finished"]) == (1, 0)
    entry = cloud.entry(state["load_id"])
    assert (entry["status"], entry["rows_written"]) == ("OVERTAKEN", result["rows_written"])
    told = report(cloud, result)
    assert (told["status"], told["overtaken"], told["replaces"]) == ("OVERTAKEN", True, None)


def test_a_load_that_was_complete_when_it_was_overtaken_has_succeeded(
    cloud: Cloud, writing: Any
) -> None:
    state, chunk, newer = writing
    cloud.write(state, chunk)
    cloud.take_turn(newer)
    result = cloud.reconcile(state)
    assert (result["complete"], result["overtaken"]) == (True, False)
    assert cloud.entry(state["load_id"])["status"] == "SUCCEEDED"


def test_a_load_that_lacks_chunks_and_is_not_overtaken_has_failed(
    cloud: Cloud, writing: Any
) -> None:
    state, _, _ = writing
    result = cloud.reconcile(state)
    assert (result["complete"], result["overtaken"]) == (False, False)
    assert cloud.entry(state["load_id"])["status"] == "FAILED"


def test_an_overtaken_loads_report_names_nothing_that_it_replaces(cloud: Cloud) -> None:
    first = cloud.load(cloud.put(A))
    second, _ = cloud.plan(cloud.put(B))
    third, _ = cloud.plan(cloud.put(rows("T9")))
    assert [cloud.take_turn(one) for one in (second, third)] == ["mine", "mine"]
    assert report(cloud, cloud.reconcile(second))["replaces"] is None
    claim = claims(cloud).newest(url(cloud))
    assert claim == Claim(cloud.uploads, KEY, third["file"]["version_id"], third["load_id"])
    assert claim.replaces == second["load_id"] != first["load_id"]
