"""The ledger's entries survive repeats, late deliveries and replays. On moto's DynamoDB."""

import json
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Ledger

LOAD = "store-12-tickets-csv-ad416c914d01f952"
CHUNK = ChunkProgress(
    index=3,
    start=100,
    end=900,
    next_byte=500,
    lines=7,
    blank_lines=1,
    rows_read=6,
    rows_written=3,
    rows_superseded=2,
    rows_refused=1,
    refused_parts=3,
    refused_open_rows=17,
    first_refused={"line": 4, "column": "quantity", "reason": "bad_quantity"},
)
DONE = replace(CHUNK, next_byte=900, finished=True, rows_read=9, rows_written=6)


@pytest.fixture(scope="module")
def session():
    """One for all tests, because it reads the service's model. Made within moto, or its clients
    would talk to AWS."""
    with mock_aws():
        return boto3.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture
def ledger(monkeypatch, session):
    """An empty ledger whose clock goes on by a second with each entry."""
    seconds = iter(range(60))
    monkeypatch.setattr(
        "ingestion.ledger.loads._now", lambda: f"2025-11-24T09:00:{next(seconds):02d}.000Z"
    )
    with mock_aws():
        client = session.client("dynamodb")
        client.create_table(
            TableName="Ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("load_id", "entry")
            ],
            KeySchema=[
                {"AttributeName": "load_id", "KeyType": "HASH"},
                {"AttributeName": "entry", "KeyType": "RANGE"},
            ],
        )
        yield Ledger(client, "Ledger")


def test_nothing_is_known_of_an_unknown_load(ledger):
    assert ledger.load(LOAD) is None
    assert ledger.chunk(LOAD, 0) is None
    assert list(ledger.chunks(LOAD)) == []


def test_an_opened_load_is_running_and_has_its_facts(ledger):
    ledger.open_load(LOAD, {"bucket": "uploads", "size": 5, "version_id": None}, "arn:1")
    assert ledger.load(LOAD) == {
        "load_id": LOAD,
        "entry": "load",
        "bucket": "uploads",
        "size": 5,
        "version_id": None,
        "status": "RUNNING",
        "executions": ["arn:1"],
        "started_at": "2025-11-24T09:00:00.000Z",
    }


def test_opened_again_it_keeps_its_start_its_plan_and_all_executions(ledger):
    ledger.open_load(LOAD, {}, "arn:2")
    ledger.note(LOAD, {"plan": {"key": "plans/p.json", "chunks": 4}})
    ledger.close_load(LOAD, "FAILED", {"summary": "no"})
    assert ledger.load(LOAD)["finished_at"] == "2025-11-24T09:00:01.000Z"
    ledger.open_load(LOAD, {}, "arn:1")
    ledger.open_load(LOAD, {}, "arn:1")
    entry = ledger.load(LOAD)
    assert entry["status"] == "RUNNING"
    assert entry["executions"] == ["arn:1", "arn:2"]
    assert entry["started_at"] == "2025-11-24T09:00:00.000Z"
    assert "finished_at" not in entry
    assert entry["plan"] == {"key": "plans/p.json", "chunks": 4}


def test_a_closed_load_has_its_status_and_totals(ledger):
    ledger.open_load(LOAD, {}, "arn:1")
    ledger.close_load(LOAD, "SUCCEEDED", {"rows_read": 10, "refused_rows": None})
    entry = ledger.load(LOAD)
    assert (entry["status"], entry["rows_read"], entry["refused_rows"]) == ("SUCCEEDED", 10, None)
    assert entry["finished_at"] == "2025-11-24T09:00:01.000Z"


def test_the_first_chunk_size_of_a_load_holds(ledger):
    assert ledger.fix_chunk_size(LOAD, 300)["chunk_size"] == 300
    assert ledger.fix_chunk_size(LOAD, 500)["chunk_size"] == 300
    assert ledger.fix_chunk_size("another-load", 500)["chunk_size"] == 500


def test_who_settles_the_chunk_size_gets_the_whole_entry(ledger):
    """The plan of an earlier execution may be in it."""
    ledger.note(LOAD, {"plan": {"key": "plans/p.json", "chunks": 4}})
    entry = ledger.fix_chunk_size(LOAD, 300)
    assert entry == ledger.load(LOAD)
    assert entry["plan"] == {"key": "plans/p.json", "chunks": 4}
    assert entry["planned_at"]


def test_a_chunk_is_read_as_it_was_saved(ledger):
    unread = replace(DONE, unread={"reason": "unclosed_quote", "line": 3, "bytes": 40})
    assert ledger.save_chunk(LOAD, unread) == unread
    read = ledger.chunk(LOAD, 3)
    assert read == unread
    assert json.loads(json.dumps(read.to_json())) == unread.to_json()  # no Decimal in it


@pytest.mark.parametrize(
    ("recorded", "late", "kept"),
    [
        (CHUNK, DONE, DONE),
        (DONE, CHUNK, DONE),
        (CHUNK, replace(CHUNK, next_byte=499), CHUNK),
        (CHUNK, replace(CHUNK, next_byte=501), replace(CHUNK, next_byte=501)),
        (DONE, replace(DONE, rows_read=0), DONE),
        (replace(CHUNK, next_byte=900), DONE, DONE),
    ],
    ids=[
        "checkpoint, then finished",
        "finished, then a late checkpoint",
        "an earlier checkpoint",
        "a later checkpoint",
        "finished twice",
        "finished after a checkpoint at the end",
    ],
)
def test_of_two_deliveries_the_one_further_on_is_kept_and_answered(ledger, recorded, late, kept):
    ledger.save_chunk(LOAD, recorded)
    assert ledger.save_chunk(LOAD, late) == kept
    assert ledger.chunk(LOAD, 3) == kept


def test_an_entry_of_an_earlier_release_is_read_without_what_that_did_not_note(ledger):
    entry = CHUNK.to_json() | {"noted_by_a_later_one": "x"}
    del entry["throttles"], entry["rounds"], entry["unread"]
    ledger._entries.put(LOAD, "chunk#000003", entry)
    assert ledger.chunk(LOAD, 3) == CHUNK
    assert (CHUNK.throttles, CHUNK.rounds, CHUNK.unread) == (0, [], None)
    later = replace(DONE, throttles=3, rounds=[["2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"]])
    assert ledger.save_chunk(LOAD, later) == later
    assert list(ledger.chunks(LOAD)) == [later]


def test_another_error_than_the_condition_is_raised(ledger, monkeypatch):
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")

    def throttle(**_):
        raise throttled

    monkeypatch.setattr(ledger._entries._client, "put_item", throttle)
    with pytest.raises(ClientError, match="ThrottlingException"):
        ledger.save_chunk(LOAD, CHUNK)


def test_the_chunks_of_a_load_come_by_index_and_without_others(ledger):
    ledger.open_load(LOAD, {}, "arn:1")
    for index in (10, 9, 100, 2, 1000):
        ledger.save_chunk(LOAD, replace(CHUNK, index=index))
    ledger.save_chunk(LOAD + "-other", replace(CHUNK, index=5))
    assert [chunk.index for chunk in ledger.chunks(LOAD)] == [2, 9, 10, 100, 1000]


def test_all_pages_of_chunks_are_read(ledger):
    """A page of Query ends at 1 MB."""
    rounds = [["x" * 500, "y" * 500]] * 300
    for index in range(5):
        ledger.save_chunk(LOAD, replace(CHUNK, index=index, rounds=rounds))
    first_page = ledger._entries._client.query(
        TableName="Ledger",
        KeyConditionExpression="load_id = :load",
        ExpressionAttributeValues={":load": {"S": LOAD}},
    )
    assert "LastEvaluatedKey" in first_page
    assert [chunk.index for chunk in ledger.chunks(LOAD)] == list(range(5))
