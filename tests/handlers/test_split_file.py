"""split_file: the plan tiles the file at records, and stays the same for a load."""

import csv
import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from handlers import split_file
from ingestion.csv_files import gzip_stream
from tests.support.cloud import Cloud, Deed

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"


def awkward_file(rows: int = 60) -> bytes:
    """Every third product has newlines within quotes, some longer than a chunk."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for at in range(rows):
        product = 'Thé "vert"\n' * (at % 40) if at % 3 == 0 else f"Product {at}"
        writer.writerow([f"T{at}", product, "B", "2025-11-23T08:00:00Z", "", 1, ""])
    return HEADER + text.getvalue().encode()


def task(state: Any) -> Any:
    return {name: state[name] for name in ("load_id", "file")}


@contextmanager
def ranges_read() -> Iterator[list[str]]:
    """Yields a list of the ranges that Split File reads within the block."""
    ranges: list[str] = []

    def note(params: Any, **_: Any) -> None:
        ranges.append(params["headers"]["Range"])

    events = split_file._planner()._s3.meta.events
    events.register("before-call.s3.GetObject", note)
    yield ranges
    events.unregister("before-call.s3.GetObject", note)


def test_the_plan_tiles_the_data_part_and_cuts_at_records_only(cloud: Cloud) -> None:
    body = awkward_file()
    state, chunks = cloud.plan(cloud.put(body))
    assert len(chunks) == state["plan"]["chunks"] > 3
    assert [chunk["index"] for chunk in chunks] == list(range(len(chunks)))
    assert chunks[0]["start"] == len(HEADER)
    assert chunks[-1]["end"] == len(body)
    rows: list[list[str]] = []
    for chunk, following in zip(chunks, [*chunks[1:], None], strict=True):
        assert following is None or chunk["end"] == following["start"]
        part = body[chunk["start"] : chunk["end"]].decode()
        rows += csv.reader(io.StringIO(part, newline=""))
    whole = list(csv.reader(io.StringIO(body.decode(), newline="")))[1:]
    assert rows == whole


def test_the_chunks_name_the_pinned_object(cloud: Cloud) -> None:
    request = cloud.put(awkward_file())
    _, chunks = cloud.plan(request)
    for chunk in chunks:
        assert (chunk["bucket"], chunk["key"], chunk["version"]) == (
            request["bucket"],
            request["key"],
            request["version_id"],
        )


def test_a_header_without_rows_has_a_plan_without_chunks(cloud: Cloud) -> None:
    state, chunks = cloud.plan(cloud.put(HEADER))
    assert (chunks, state["plan"]["chunks"]) == ([], 0)


def test_another_chunk_size_holds_for_other_loads_only(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    first, first_chunks = cloud.plan(cloud.put(awkward_file()))
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "2000")
    fresh_clients()
    assert cloud.call("split_file", task(first)) == first["plan"]
    assert json.loads(cloud.read(cloud.work, first["plan"]["key"])) == first_chunks
    _, chunks = cloud.plan(cloud.put(awkward_file(), key="another.csv"))
    assert len(chunks) < len(first_chunks)


def test_a_plan_that_expired_is_made_again_the_same(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    state, chunks = cloud.plan(cloud.put(awkward_file()))
    cloud.s3.delete_object(Bucket=cloud.work, Key=state["plan"]["key"])
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "2000")
    fresh_clients()
    assert cloud.call("split_file", task(state)) == state["plan"]
    assert json.loads(cloud.read(cloud.work, state["plan"]["key"])) == chunks


def test_a_second_call_does_not_read_the_file_again(cloud: Cloud) -> None:
    state, _ = cloud.plan(cloud.put(awkward_file()))
    with ranges_read() as ranges:
        assert cloud.call("split_file", task(state)) == state["plan"]
    assert ranges == []


def test_a_plan_written_but_not_recorded_is_written_again(cloud: Cloud) -> None:
    """The task was killed between the two."""
    state, _ = cloud.plan(cloud.put(awkward_file()))
    cloud.dynamodb.update_item(
        TableName=cloud.ledger_table,
        Key={"load_id": {"S": state["load_id"]}, "entry": {"S": "load"}},
        UpdateExpression="REMOVE #plan",
        ExpressionAttributeNames={"#plan": "plan"},
    )
    assert cloud.call("split_file", task(state)) == state["plan"]
    assert cloud.entry(state["load_id"])["plan"] == state["plan"]


@pytest.mark.parametrize("most", [3, 5])
def test_chunks_grow_with_the_file_rather_than_become_too_many(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("ingestion.tasks.split_file.MAX_CHUNKS", most)
    _, chunks = cloud.plan(cloud.put(awkward_file()))
    assert 1 < len(chunks) <= most


def test_a_plan_costs_one_ranged_read_per_boundary(cloud: Cloud) -> None:
    body = awkward_file()
    with ranges_read() as ranges:
        cloud.plan(cloud.put(body))
    assert len([one for one in ranges if not one.startswith("bytes=0-")]) == len(body) // 300


def test_the_ledger_knows_the_plan(cloud: Cloud) -> None:
    state, chunks = cloud.plan(cloud.put(awkward_file()))
    entry = cloud.entry(state["load_id"])
    assert entry["plan"] == state["plan"]
    assert entry["plan"]["chunks"] == len(chunks)


# ---------------------------------------------------------------- Refusals

ROW = b"T%07d,Tea,B1,2025-11-23T08:00:00Z,Drinks,1,Lyon\n"
TWO_LINES = b'T%07d,"Tea\nfor two",B1,2025-11-23T08:00:00Z,Drinks,1,Lyon\n'


def rows(size: int, row: bytes = ROW) -> bytes:
    return b"".join(row % number for number in range(size // len(row % 0)))


def refused(cloud: Cloud, given: dict[str, Any], before: Deed) -> Any:
    """The reason for which Split File refuses a file that Validate File accepts. `before` is
    called between the two."""
    state = cloud.validate(given)
    assert state["verdict"] == "accepted"
    before()
    plan = cloud.call("split_file", task(state))
    assert plan["chunks"] == 0
    entry = cloud.entry(state["load_id"])
    assert (entry["status"], entry["summary"]) == ("FAILED", plan["refusal"]["detail"])
    assert entry["reasons"] == [plan["refusal"]]
    assert entry["first_error"]["reason"] == plan["refusal"]["reason"]
    assert "plan" not in entry
    return plan["refusal"]


def assert_nothing_is_left(cloud: Cloud) -> None:
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=cloud.work)
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=cloud.work)


@pytest.mark.parametrize("size", [200_000, 20_000_000], ids=["one part", "several parts"])
def test_a_file_that_unpacks_too_far_is_refused_and_its_upload_given_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    line = b"x" * 99 + b"\n"
    packed = gzip.compress(HEADER + rows(1_000) + line * (size // len(line)))
    assert len(packed) * gzip_stream.MAX_RATIO < size
    limit = partial(monkeypatch.setattr, gzip_stream, "_FREE_SIZE", size)
    assert refused(cloud, cloud.put(packed), limit)["reason"] == "gzip_ratio"
    assert_nothing_is_left(cloud)


def test_a_file_that_is_too_large_when_unpacked_is_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = partial(monkeypatch.setattr, gzip_stream, "MAX_UNPACKED_BYTES", 200_000)
    found = refused(cloud, cloud.put(gzip.compress(HEADER + rows(200_000))), limit)
    assert found["reason"] == "gzip_too_large"
    assert "more than 200,000 bytes" in found["detail"]
    assert_nothing_is_left(cloud)


def time_runs_out_at_the_second_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock shows 400 seconds more each time. Of the 900 seconds of a call, 120 are kept."""
    clock = itertools.count(step=400)
    monkeypatch.setattr(split_file._planner(), "_clock", lambda: next(clock))


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(HEADER + rows(3_000_000), 0),
        # No line is a row, so where to cut can only be found by reading everything.
        HEADER + rows(3_000_000, TWO_LINES),
    ],
    ids=["compressed", "without plain rows"],
)
def test_a_file_that_takes_too_long_is_refused_and_may_be_replayed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None], body: bytes
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1500000")
    fresh_clients()
    given = cloud.put(body)
    with monkeypatch.context() as slow:
        found = refused(cloud, given, partial(time_runs_out_at_the_second_block, slow))
    assert found["reason"] == "out_of_time"
    assert f" of {len(body):,} bytes when it ran out of time." in found["detail"]
    assert_nothing_is_left(cloud)
    state, chunks = cloud.plan(given)
    assert state["plan"]["refusal"] is None
    assert len(chunks) > 1
    assert "reasons" not in cloud.entry(state["load_id"])


def test_a_file_that_is_read_only_around_boundaries_needs_no_such_time(cloud: Cloud) -> None:
    state = cloud.validate(cloud.put(awkward_file()))
    assert cloud.call("split_file", task(state), seconds=60)["refusal"] is None


def test_a_refused_file_ends_its_execution_like_any_other(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = partial(monkeypatch.setattr, gzip_stream, "MAX_UNPACKED_BYTES", 200_000)
    given = cloud.put(gzip.compress(HEADER + rows(200_000)))
    ended = cloud.run(given, before={"split_file": limit})
    assert ended.ended_in == "Load Failed"
    [letter] = ended.dead_letters
    assert letter["error"] == "FileRefused"
    assert [one["reason"] for one in letter["reasons"]] == ["gzip_too_large"]
    assert cloud.failed_calls == []
    assert cloud.items() == []
