"""The ledger's entry of each execution: every way to end leaves one, and no other changes it."""

import gzip
from functools import partial
from typing import Any

import pytest

from handlers import write_chunk
from ingestion.csv_files import gzip_stream
from ingestion.ledger.attempts import Attempt, Attempts
from ingestion.ledger.versions import OVERTAKEN
from tests.support.cloud import Cloud
from tests.support.one_key import HEADER, A, B
from tests.support.state_machine import EXECUTIONS
from tests.support.ticket_files import TicketFile

ROW = b"T%d,Tea,B1,2025-11-23T08:00:00Z,Drinks,%s,Lyon\n"
THREE_CHUNKS = HEADER + b"".join(ROW % (at, b"some" if at == 3 else b"1") for at in range(15))
PERSON = "arn:aws:iam::123456789012:user/ana"


def attempt(cloud: Cloud, name: str) -> Attempt:
    found = Attempts(cloud.dynamodb, cloud.ledger_table).get(name)
    assert found is not None
    return found


def counts(found: Attempt) -> list[int | None]:
    return [found.rows_read, found.rows_written, found.rows_superseded, found.rows_refused]


def test_a_load_that_succeeds(cloud: Cloud) -> None:
    given = cloud.put(THREE_CHUNKS)
    data = cloud.run(given, "upload").data
    found = attempt(cloud, "upload")
    assert (found.status, found.ending, found.error) == ("SUCCEEDED", "Loaded", None)
    assert (found.execution_arn, found.load_id) == (f"{EXECUTIONS}upload", data["load_id"])
    assert (found.why, found.uploader, found.started_by) == ("upload", given["uploader"], None)
    assert (found.version_id, found.started_at) == (given["version_id"], "2025-11-24T09:00:05.118Z")
    assert counts(found) == [15, 14, 0, 1]
    assert (found.chunks, found.chunks_finished) == (3, 3)
    assert (found.report, found.refused_rows) == (
        f"s3://{cloud.work}/reports/upload.json",
        f"s3://{cloud.work}/refused-rows/upload/refused-rows.csv",
    )


def test_a_replay_leaves_numbers_report_and_refused_rows_of_the_first_attempt(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = cloud.put(THREE_CHUNKS)
    handler = write_chunk.handler

    def fail_in_the_last_chunk(event: Any, context: Any) -> Any:
        if event["chunk"]["index"] == 2:
            raise PermissionError("BatchWriteItem")
        return handler(event, context)

    with monkeypatch.context() as patch:
        patch.setattr(write_chunk, "handler", fail_in_the_last_chunk)
        assert cloud.run(given, "upload").ended_in == "Load Failed"
    first = attempt(cloud, "upload")
    assert (first.status, first.ending, first.chunks_finished) == ("FAILED", "Load Failed", 2)
    assert first.error == "1 of 3 chunks are not finished; the first is chunk 2."
    assert first.report is not None
    report = cloud.read_url(first.report)
    by = {"why": "replay", "started_by": PERSON, "reason": "The role may write again."}
    assert cloud.run({**given, **by}, "upload-r1").ended_in == "Loaded"
    assert attempt(cloud, "upload") == first
    assert cloud.read_url(first.report) == report
    assert b'"status": "FAILED"' in report
    second = attempt(cloud, "upload-r1")
    assert (second.why, second.started_by, second.reason) == tuple(by.values())
    assert counts(second) == [15, 14, 0, 1]
    assert counts(first) != counts(second)
    assert second.report is not None
    assert b'"reason": "The role may write again."' in cloud.read_url(second.report)
    assert first.refused_rows != second.refused_rows
    assert cloud.refused_rows(first.refused_rows) == cloud.refused_rows(second.refused_rows)


def test_a_file_that_validate_file_refuses(cloud: Cloud) -> None:
    assert cloud.run(cloud.put(b"ticket_id,product\n"), "upload").ended_in == "Load Failed"
    found = attempt(cloud, "upload")
    assert (found.status, found.ending) == ("FAILED", "Load Failed")
    assert "basket_id" in str(found.error)
    assert counts(found) == [None] * 4


def test_a_file_that_split_file_refuses(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = partial(monkeypatch.setattr, gzip_stream, "MAX_UNPACKED_BYTES", 200_000)
    packed = gzip.compress(HEADER + b"".join(ROW % (at, b"1") for at in range(10_000)))
    ended = cloud.run(cloud.put(packed), "upload", before={"split_file": limit})
    assert ended.ended_in == "Load Failed"
    found = attempt(cloud, "upload")
    assert (found.status, found.ending) == ("FAILED", "Load Failed")
    assert found.error == ended.dead_letters[0]["cause"]


def test_a_file_that_is_loaded_already(cloud: Cloud) -> None:
    """Its entry names the load that was found, even if that loaded another version of the same
    bytes."""
    data = cloud.run(cloud.put(A), "first").data
    first = attempt(cloud, "first")
    assert cloud.run(cloud.put(A), "again").ended_in == "Already Loaded"
    again = attempt(cloud, "again")
    assert (again.status, again.ending) == ("SUCCEEDED", "Already Loaded")
    assert again.load_id == data["load_id"]
    assert counts(again) == [None] * 4
    assert attempt(cloud, "first") == first


def test_a_load_that_is_overtaken(cloud: Cloud) -> None:
    older, newer = cloud.upload(TicketFile("a").rows(20), "a.csv"), cloud.put(B, "a.csv")
    assert cloud.run(newer, "newer").ended_in == "Loaded"
    assert cloud.run(older, "older").ended_in == "Overtaken"
    found = attempt(cloud, "older")
    assert (found.status, found.ending) == ("SUCCEEDED", "Overtaken")
    assert found.error == OVERTAKEN
