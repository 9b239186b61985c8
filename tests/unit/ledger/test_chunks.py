"""The entries of chunks survive repeats, late deliveries and replays."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingestion.ledger.chunks import ChunkProgress, Chunks, EqualKeys
from tests.support.ledger_in_memory import EntriesInMemory

LOAD, GENERATION = "store-12-tickets-csv-ad416c914d01f952", "0123456789abcdef"
CHUNK = ChunkProgress(
    index=3,
    start=100,
    end=900,
    next_byte=500,
    lines=7,
    blank_lines=1,
    rows_read=6,
    rows_written=5,
    rows_refused=1,
    refused_parts=3,
    refused_open_rows=17,
    first_refused={"line": 4, "column": "quantity", "reason": "bad_quantity"},
    rounds=[["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:05.000Z", "one"]],
)
DONE = replace(
    CHUNK,
    next_byte=900,
    finished=True,
    rows_read=9,
    rows_written=6,
    rows_superseded=2,
    rounds=[*CHUNK.rounds, ["2026-01-01T00:00:06.000Z", "2026-01-01T00:00:09.000Z", "two"]],
    distinct_keys=6,
    repeated_keys=1,
)


@pytest.fixture(params=["DynamoDB", "in memory"])
def chunks(request: Any) -> Any:
    """The stand-in of other tests does what moto's DynamoDB does."""
    if request.param == "in memory":
        return EntriesInMemory().over(Chunks)
    return Chunks(request.getfixturevalue("dynamodb"), "Ledger")


def test_a_chunk_is_read_as_it_was_saved(chunks: Any) -> None:
    assert chunks.save(LOAD, GENERATION, None, DONE) == (DONE, True)
    read = chunks.chunk(LOAD, GENERATION, 3)
    assert read == DONE
    assert json.loads(json.dumps(read.to_json())) == DONE.to_json()  # no Decimal in it


def test_a_call_that_read_the_entry_may_replace_it(chunks: Any) -> None:
    chunks.save(LOAD, GENERATION, None, CHUNK)
    assert chunks.save(LOAD, GENERATION, CHUNK, DONE) == (DONE, True)
    assert chunks.chunk(LOAD, GENERATION, 3) == DONE


@pytest.mark.parametrize(
    ("held", "read", "late"),
    [
        (CHUNK, None, DONE),
        (CHUNK, replace(CHUNK, next_byte=300), DONE),
        (DONE, CHUNK, replace(DONE, rows_read=0, rounds=[])),
        (replace(DONE, next_byte=500), CHUNK, replace(DONE, rounds=[])),
    ],
    ids=["it read nothing", "it read an earlier checkpoint", "finished", "finished at its place"],
)
def test_a_call_that_read_an_older_entry_changes_nothing_and_is_told_what_is_held(
    chunks: Any, held: Any, read: Any, late: Any
) -> None:
    chunks.save(LOAD, GENERATION, None, held)
    assert chunks.save(LOAD, GENERATION, read, late) == (held, False)
    assert chunks.chunk(LOAD, GENERATION, 3) == held


def test_an_entry_that_is_there_already_because_an_answer_was_lost_counts_as_saved(
    chunks: Any,
) -> None:
    chunks.save(LOAD, GENERATION, None, CHUNK)
    assert chunks.save(LOAD, GENERATION, None, CHUNK) == (CHUNK, True)


def test_entries_of_another_generation_or_an_earlier_release_do_not_count(chunks: Any) -> None:
    chunks._entries.put(LOAD, "chunk#000003", CHUNK.to_json())
    chunks.save(LOAD, "another", None, CHUNK)
    chunks.save(LOAD, "", None, CHUNK)
    assert chunks.chunk(LOAD, GENERATION, 3) is None
    assert list(chunks.all(LOAD, GENERATION)) == []
    assert chunks.save(LOAD, GENERATION, None, DONE) == (DONE, True)
    assert chunks.chunk(LOAD, "another", 3) == CHUNK
    assert list(chunks.all(LOAD, "")) == [CHUNK]


def test_another_error_than_the_condition_is_raised(
    dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")

    def throttle(**_: Any) -> None:
        raise throttled

    monkeypatch.setattr(dynamodb, "put_item", throttle)
    with pytest.raises(ClientError, match="ThrottlingException"):
        Chunks(dynamodb, "Ledger").save(LOAD, GENERATION, None, CHUNK)


def test_the_chunks_of_a_load_come_by_index_and_without_others(chunks: Any) -> None:
    for index in (10, 9, 100, 2, 1000):
        chunks.save(LOAD, GENERATION, None, replace(CHUNK, index=index))
    chunks.save(LOAD + "-other", GENERATION, None, replace(CHUNK, index=5))
    assert [chunk.index for chunk in chunks.all(LOAD, GENERATION)] == [2, 9, 10, 100, 1000]


def test_all_pages_of_chunks_are_read(dynamodb: Any) -> None:
    """A page of Query ends at 1 MB."""
    chunks = Chunks(dynamodb, "Ledger")
    rounds = [["x" * 500, "y" * 500, "z"]] * 300
    for index in range(5):
        chunks.save(LOAD, GENERATION, None, replace(CHUNK, index=index, rounds=rounds))
    first_page = dynamodb.query(
        TableName="Ledger",
        KeyConditionExpression="load_id = :load",
        ExpressionAttributeValues={":load": {"S": LOAD}},
    )
    assert "LastEvaluatedKey" in first_page
    assert [chunk.index for chunk in chunks.all(LOAD, GENERATION)] == list(range(5))


def test_how_far_equal_keys_are_settled_is_replaced_by_who_has_read_it(chunks: Any) -> None:
    first = EqualKeys("2026-01-01T00:00:00.000Z", step=1, slabs_with_suspects=[0, 2], chunk=4)
    assert chunks.equal_keys(LOAD, GENERATION) is None
    assert chunks.save_equal_keys(LOAD, GENERATION, None, first)
    assert chunks.equal_keys(LOAD, GENERATION) == first
    assert chunks.equal_keys(LOAD, "another") is None
    second = replace(first, step=2, settled=True, chunk=None)
    assert chunks.save_equal_keys(LOAD, GENERATION, None, second) is False
    assert chunks.save_equal_keys(LOAD, GENERATION, first, second)
    assert chunks.save_equal_keys(LOAD, GENERATION, first, replace(first, step=2)) is False
    assert chunks.equal_keys(LOAD, GENERATION) == second


def test_the_last_error_of_a_chunk_is_kept_with_its_execution(chunks: Any) -> None:
    chunks.save(LOAD, GENERATION, None, CHUNK)
    chunks.note_error(LOAD, GENERATION, 3, "a", "AccessDenied", "PutObject: no")
    chunks.note_error(LOAD, GENERATION, 3, "a", "NoProgress", "Chunk 3 is slow.")
    chunks.note_error(LOAD, GENERATION, 1000, "a", "NoProgress", "Chunk 1000 is slow.")
    chunks.note_error(LOAD, GENERATION, 4, "a-r1", "NoProgress", "Chunk 4 is slow.")
    chunks.note_error(LOAD, "another", 5, "a", "NoProgress", "Chunk 5 is slow.")
    assert chunks.errors(LOAD, GENERATION, "a") == {
        3: ("NoProgress", "Chunk 3 is slow."),
        1000: ("NoProgress", "Chunk 1000 is slow."),
    }
    assert [chunk.index for chunk in chunks.all(LOAD, GENERATION)] == [3], "no error is a chunk"
