"""A file that Validate File reads completely: it is written at once if nothing else may be writing
it, and otherwise like any other file."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.errors import TableUnreachable
from ingestion.ledger.claims import Lease
from ingestion.names import load_id
from tests.support.cloud import GENERATION, Cloud
from tests.support.counted_calls import counted_calls
from tests.support.one_key import HEADER, A, B, stores
from tests.support.state_machine import Execution, payload_of, run
from tests.support.task_answers import put_lease
from tests.support.ticket_files import TicketFile
from tools import definition

ROW = "{}-1,Tea,B1,2025-11-23T08:00:00Z,Drinks,1,Lyon"
TEN = TicketFile("ten").rows(10)
AT_ONCE = [
    *("Validate File", "File Accepted?", "Write Small File", "Small File Finished?"),
    *("Reconcile", "Everything Written?", "Announce Success", "Loaded"),
]
WITH_A_SLOT = [
    *("Split File", "Anything To Write?", "Take Turn", "Whose Turn?", "Write Chunks"),
    *AT_ONCE[4:],
]


@pytest.fixture(autouse=True)
def chunk_size(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default of ChunkSizeBytes."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(16 * 2**20))


def states_of(execution: Execution) -> list[str]:
    return [visit.state for visit in execution.visits]


def test_a_small_file_is_loaded_without_split_file_a_slot_and_a_child(cloud: Cloud) -> None:
    execution = cloud.run(cloud.upload(TEN))
    cloud.assert_loaded(execution, TEN)
    assert states_of(execution) == AT_ONCE
    assert execution.all_children == []
    prefixes = {one["Key"].split("/")[0] for one in objects(cloud)}
    assert prefixes == {"digests", "reports"}
    assert cloud.ledger("loads-at-a-time") == {}


def objects(cloud: Cloud) -> Any:
    return cloud.s3.list_objects_v2(Bucket=cloud.work).get("Contents", [])


def test_the_calls_of_a_small_file(cloud: Cloud) -> None:
    given = cloud.upload(TEN)
    with counted_calls(cloud) as calls:
        cloud.run(given)
    assert calls["lambda"] == 3
    assert {name: calls[name] for name in calls if name.startswith("s3 ")} == {
        "s3 HeadObject": 1,
        "s3 GetObject": 2,  # of Validate File and Write Chunk
        "s3 PutObject": 2,  # digests and report
    }
    # Plan, load, execution, claim (2), lease (2: taken and given back), chunk, the end of the load
    # and of the execution. And once per process, since when executions are recorded.
    assert sum(calls[f"dynamodb {one}Item"] for one in ("Put", "Update", "Delete")) == 11


@pytest.mark.parametrize("body", [gzip.compress(TEN.body), HEADER], ids=["gzip", "no rows"])
def test_what_split_file_has_to_plan(cloud: Cloud, body: bytes) -> None:
    answer = cloud.validate(cloud.put(body))
    assert (answer["verdict"], answer["plan"]) == ("accepted", None)


def test_a_file_of_more_than_a_mib_is_not_small(cloud: Cloud) -> None:
    row = b"T%07d,Tea,B1,2025-11-23T08:00:00Z,Drinks,1,Lyon\n"
    body = HEADER + b"".join(row % number for number in range(2**20 // 50))
    largest = body[: body.rindex(b"\n", 0, 2**20) + 1]
    assert cloud.validate(cloud.put(largest, "a.csv"))["plan"]["data_end"] == len(largest)
    assert cloud.validate(cloud.put(body, "b.csv"))["plan"] is None


def test_a_file_larger_than_a_chunk_is_not_small(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    size = len(TEN.body)
    for chunk_size, is_small in ((size, True), (size - 1, False)):
        monkeypatch.setenv("CHUNK_SIZE_BYTES", str(chunk_size))
        fresh_clients()
        answer = cloud.validate(cloud.upload(TEN, f"{chunk_size}.csv"))
        assert (answer["plan"] is not None) == is_small


def test_the_plan_is_the_one_that_split_file_makes(cloud: Cloud) -> None:
    small = cloud.validate(cloud.upload(TEN))
    plan = cloud.call("split_file", payload_of("split_file", small))
    assert [small["plan"]["chunk"]] == cloud.chunks({"plan": plan})
    different = ("bucket", "key", "chunk")
    for name in plan.keys() - different:
        assert plan[name] == small["plan"][name], name


# ---------------------------------------------------------------- Other writers


def test_another_execution_of_the_version_may_be_running(cloud: Cloud) -> None:
    given = cloud.upload(TEN)
    assert cloud.validate(given, "first")["plan"]
    assert cloud.validate(given, "first")["plan"], "the task was tried again"
    assert cloud.validate(given, "second")["plan"] is None


def test_writers_of_an_earlier_version_may_be_running(cloud: Cloud) -> None:
    first = cloud.validate(cloud.put(A))
    put_lease(cloud, "store-12/a.csv", Lease(first["load_id"], began=0, until=2**34))
    second = cloud.validate(cloud.put(B))
    assert (second["verdict"], second["plan"]) == ("accepted", None)
    # It holds the claim, so the earlier version writes nothing more.
    [small] = [cloud.call("write_chunk", payload_of("write_chunk", first))]
    assert (small["overtaken"], small["rows_read"]) == (True, 0)


def test_an_earlier_version_that_comes_later_is_overtaken(cloud: Cloud) -> None:
    older, newer = cloud.put(A), cloud.put(B)
    cloud.run(newer, "newer")
    execution = cloud.run(older, "older")
    assert states_of(execution)[-2:] == ["Whose Turn?", "Overtaken"]
    assert stores(cloud) == {"T1": "Nice", "T3": "Nice"}


def test_a_later_version_waits_for_no_one_if_the_earlier_one_is_written(cloud: Cloud) -> None:
    for body, name in ((A, "first"), (B, "second")):
        assert states_of(cloud.run(cloud.put(body), name)) == AT_ONCE
    assert stores(cloud) == {"T1": "Nice", "T2": "Lyon", "T3": "Nice"}


# ---------------------------------------------------------------- Continued loads


def test_a_load_that_split_file_planned_is_continued(cloud: Cloud) -> None:
    """An earlier release planned it, and claimed nothing in Validate File."""
    given = cloud.upload(TEN)
    state, [chunk] = cloud.plan(given)
    finished = cloud.write(state, chunk)
    again = cloud.validate(given)
    assert cloud.call("write_chunk", payload_of("write_chunk", again)) == finished


def test_a_load_of_several_chunks_stays_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    """It stays one although it would now fit into one chunk."""
    given = cloud.upload(TEN)
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "300")
    fresh_clients()
    state, chunks = cloud.plan(given)
    assert len(chunks) > 1
    cloud.write(state, chunks[0])
    monkeypatch.setenv("CHUNK_SIZE_BYTES", str(16 * 2**20))
    fresh_clients()
    assert cloud.validate(given)["plan"] is None
    cloud.assert_loaded(cloud.run(given), TEN)


def test_a_file_that_is_not_written_in_time_continues_in_a_child(cloud: Cloud) -> None:
    """Here no row is written in the first call, which is not an error."""
    cloud.machine = definition.load()
    task = cloud.machine["States"]["Write Small File"]
    task["Parameters"]["Payload"]["max_seconds"] = 0.001
    execution = cloud.run(cloud.upload(TEN))
    assert states_of(execution) == [*AT_ONCE[:4], *WITH_A_SLOT]
    cloud.assert_loaded(execution, TEN)
    assert cloud.failed_calls == []


def test_a_small_file_that_keeps_failing_is_loaded_by_its_replay(cloud: Cloud) -> None:
    given = cloud.upload(TEN)

    def call(task: Execution) -> Any:
        if task.handler == "write_chunk":
            raise TableUnreachable("The table does not answer.")
        return cloud.invoke(task.handler, task.event, 900)

    failed = run(cloud.start(given, "first"), call)
    assert failed.ended_in == "Load Failed"
    [letter] = failed.dead_letters
    assert letter["error"] == "LoadIncomplete"
    assert letter["failed"]["write_small_file"]["Error"] == "TableUnreachable"

    # The first execution holds the claim, and only Take Turn can find out that it has ended.
    replay = cloud.run(given, "first-r1")
    assert states_of(replay) == [*AT_ONCE[:2], *WITH_A_SLOT]
    cloud.assert_loaded(replay, TEN)


def test_equal_keys_are_settled_if_calls_may_have_overlapped(cloud: Cloud) -> None:
    """Settle Equal Keys reads the chunk from the plan itself."""
    equal = TicketFile("equal").refused(ROW, "", "superseded").raw(ROW)

    given = cloud.upload(equal)
    lease = Lease(load_id(given["bucket"], given["key"], given["version_id"]), 0, 1, GENERATION, 0)

    def crash() -> None:
        put_lease(cloud, "equal.csv", lease)

    execution = cloud.run(given, before={"reconcile": crash})
    settled = ["Settle Equal Keys", "Equal Keys Settled?", *AT_ONCE[4:]]
    assert states_of(execution) == [*AT_ONCE[:6], *settled]
    cloud.assert_loaded(execution, equal)
