"""write_chunk: what the table contains afterwards, however often it ran or was interrupted."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingestion.errors import AccountingError, NoProgress
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.cloud import Cloud, chunk_entry
from tests.support.watched_sender import unwatch, watch

COLUMNS = ["ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store"]
ONE_CHUNK = "10000000"  # bytes, more than any file here has
ROUND = 60.0  # seconds of a round in which batches may be sent


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Files of one chunk, so that a test is about the chunk."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", ONE_CHUNK)
    return cloud


def row(at: Any, product: Any = None, quantity: str = "1", **changed: Any) -> Any:
    values = {
        "ticket_id": f"T{at}",
        "product": f' Café "{at}",\nà emporter ' if product is None else product,
        "basket_id": f"B{at // 3}",
        "timestamp": f"2025-11-23T08:{at // 60 % 60:02d}:{at % 60:02d}Z",
        "category": "" if at % 2 else "Drinks",
        "quantity": quantity,
        "store": "Lyon",
    }
    return values | changed


def file_of(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parsed(body: Any, key: Any = ("ticket_id", "product")) -> Any:
    """The items of a file of good rows as the csv module reads it. The last row of equal keys
    counts."""
    items = {}
    for values in csv.DictReader(io.StringIO(body.decode(), newline="")):
        values["quantity"] = Decimal(values["quantity"])
        items[tuple(values[name] for name in key)] = values
    return items


def loaded(cloud: Cloud, table: str = "Tickets", key: Any = ("ticket_id", "product")) -> Any:
    return {tuple(item[name] for name in key): item for item in cloud.items(table)}


def plan(cloud: Cloud, body: Any) -> Any:
    state, chunks = cloud.plan(cloud.put(body))
    assert len(chunks) == 1
    return state, chunks[0]


def write(cloud: Cloud, state: Any, chunk: Any, **options: Any) -> Any:
    """The chunk's entry in the ledger, and over it what the handler answers."""
    answer = cloud.write(state, chunk, **options)
    entry = cloud.entry(state["load_id"], chunk_entry(chunk["index"])) | answer
    return entry | {"listed": cloud.listed_rows(state, chunk["index"])}


def refused(answer: Any) -> list[Any]:
    """The listed rows of a chunk as `(line in the chunk, column, reason)`, by line."""
    return [(row.line, row.column, row.reason) for row in answer["listed"]]


def counts(answer: Any) -> Any:
    names = ("rows_read", "rows_written", "rows_superseded", "rows_refused")
    return tuple(answer[name] for name in names)


@pytest.mark.parametrize("rows", [1, 25, 26, 110])
def test_the_table_equals_an_independent_parse(cloud: Cloud, rows: int) -> None:
    body = file_of(row(at, quantity=str(at - 3)) for at in range(rows))
    answer = write(cloud, *plan(cloud, body))
    assert loaded(cloud) == parsed(body)
    assert counts(answer) == (rows, rows, 0, 0)
    assert (answer["finished"], answer["listed"]) == (True, [])


def test_bad_rows_are_listed_with_line_column_reason_and_text(cloud: Cloud) -> None:
    good, bad = row(1, "Tea"), row(2, "", store="Düsseldorf")
    body = file_of([good, bad, row(3, "Two\nlines"), row(4, "Tea", "1.5")]) + b"a,b\r\n\r\n"
    answer = write(cloud, *plan(cloud, body))
    assert counts(answer) == (5, 2, 0, 3)
    assert answer["blank_lines"] == 1
    assert refused(answer) == [
        (2, "product", "missing_value"),
        (5, "quantity", "bad_quantity"),
        (6, "", "too_few_fields"),
    ]
    assert answer["listed"][0].raw == "T2,,B0,2025-11-23T08:00:02Z,Drinks,1,Düsseldorf"
    assert {key[0] for key in loaded(cloud)} == {"T1", "T3"}


def test_the_ledger_has_the_chunks_entry_as_answered(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of([row(1), row(2, "")]))
    answer = write(cloud, state, chunk)
    entry = cloud.entry(state["load_id"], chunk_entry(0))
    answer.pop("listed")
    for about_this_call in ("overtaken", "table_replaced"):
        assert answer.pop(about_this_call) is False
    assert {name: entry[name] for name in answer} == answer
    assert (entry["start"], entry["end"], entry["next_byte"]) == (
        chunk["start"],
        chunk["end"],
        chunk["end"],
    )


def test_a_finished_chunk_is_answered_without_writing(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of(row(at) for at in range(30)))
    watched = watch()
    answer = write(cloud, state, chunk)
    assert watched.batches == 2
    assert write(cloud, state, chunk) == answer
    assert watched.batches == 2


def test_a_finished_chunk_is_answered_even_if_the_object_is_gone(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of([row(1)]))
    answer = write(cloud, state, chunk)
    file = state["file"]
    cloud.s3.delete_object(Bucket=file["bucket"], Key=file["key"], VersionId=file["version_id"])
    assert write(cloud, state, chunk) == answer


def test_a_chunk_with_another_range_than_recorded_is_a_defect(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of([row(1)]))
    cloud.write(state, chunk)
    with pytest.raises(AccountingError, match=r"Chunk 0 .* another byte range"):
        cloud.write(state, chunk | {"end": chunk["end"] - 1})


def test_of_equal_keys_the_last_row_wins_within_and_across_batches(cloud: Cloud) -> None:
    repeated = {0: "1", 3: "2", 30: "3", 60: "4"}
    rows = [
        row(0, "Tea", quantity=repeated[at]) if at in repeated else row(at, "Tea")
        for at in range(70)
    ]
    answer = write(cloud, *plan(cloud, file_of(rows)))
    assert loaded(cloud) == parsed(file_of(rows))
    assert loaded(cloud)["T0", "Tea"]["quantity"] == 4
    assert counts(answer) == (70, 67, 3, 0)
    assert refused(answer) == [
        (1, "", "superseded"),
        (4, "", "superseded"),
        (31, "", "superseded"),
    ]


def test_a_table_keyed_by_ticket_id_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    cloud.create_table("OldTickets", "ticket_id")
    monkeypatch.setenv("DYNAMODB_TABLE", "OldTickets")
    fresh_clients()
    body = file_of([row(1, "Tea"), row(2, "Tea"), row(1, "Cake")])
    answer = write(cloud, *plan(cloud, body))
    assert loaded(cloud, "OldTickets", ("ticket_id",)) == parsed(body, ("ticket_id",))
    assert counts(answer) == (3, 2, 1, 0)
    assert loaded(cloud) == {}


def test_without_a_table_name_it_is_tickets(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> None:
    monkeypatch.delenv("DYNAMODB_TABLE")
    fresh_clients()
    cloud.write(*plan(cloud, file_of([row(1)])))
    assert len(cloud.items("Tickets")) == 1


def checkpoint_file() -> Any:
    """Repeated keys and bad rows before, at and behind every checkpoint."""
    rows = []
    for at in range(200):
        rows.append(row(at % 37 if at % 5 == 0 else at, quantity=str(at)))
        if at % 7 == 0:
            rows.append(row(at, quantity="none"))
    return file_of(rows).replace(b'"14",', b'"14",\r\n\r\n')


@pytest.mark.parametrize(
    "page_size",
    [*(pytest.param(size, marks=pytest.mark.exhaustive) for size in (100, 700, 128 * 1024)), 4000],
)
def test_in_rounds_as_in_one_go(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    monkeypatch.setattr("ingestion.tasks.chunk_rows.PAGE_SIZE", page_size)
    body = checkpoint_file()
    state, chunk = plan(cloud, body)
    whole = write(cloud, state, chunk)
    table, listed = loaded(cloud), refused(whole)
    assert whole["finished"]

    for key in table:
        cloud.dynamodb.delete_item(
            TableName="Tickets", Key={"ticket_id": {"S": key[0]}, "product": {"S": key[1]}}
        )
    state, chunk = plan(cloud, body)  # another version of the object, so another load
    watch(batch_takes=ROUND / 2)
    rounds: list[Any] = []
    while not rounds or not rounds[-1]["finished"]:
        rounds.append(write(cloud, state, chunk, seconds=CHECKPOINT_SECONDS + ROUND))
        assert sum(counts(rounds[-1])[1:]) == rounds[-1]["rows_read"]
    assert len(rounds) > 2
    assert loaded(cloud) == table
    assert refused(rounds[-1]) == listed
    for name in ("lines", "blank_lines", "next_byte"):
        assert rounds[-1][name] == whole[name], name
    assert counts(rounds[-1]) == counts(whole)


def test_a_checkpoint_stands_at_a_record_and_counts_only_what_is_in_the_table(cloud: Cloud) -> None:
    body = file_of(row(at) for at in range(100))
    state, chunk = plan(cloud, body)
    watch(batch_takes=ROUND / 2 + 1)
    answer = write(cloud, state, chunk, seconds=CHECKPOINT_SECONDS + ROUND)
    assert answer["finished"] is False
    assert chunk["start"] < answer["next_byte"] < chunk["end"]
    before = body[: answer["next_byte"]]
    assert loaded(cloud) == parsed(before)
    assert answer["rows_read"] == answer["rows_written"] == len(parsed(before)) == 50
    assert answer["lines"] == before.count(b"\n") - 1  # counted from behind the header
    entry = cloud.entry(state["load_id"], chunk_entry(0))
    assert (entry["finished"], entry["next_byte"]) == (False, answer["next_byte"])


def test_a_round_without_time_for_a_row_is_an_error_that_a_retry_cures(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of([row(1)]))
    with pytest.raises(NoProgress):
        cloud.write(state, chunk, seconds=CHECKPOINT_SECONDS - 1)
    assert cloud.entry(state["load_id"], chunk_entry(0)) is None
    assert cloud.write(state, chunk)["finished"]


def test_a_table_that_takes_nothing_is_an_error_that_a_retry_cures(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of([row(1)]))
    watch(answer=(400, b'{"__type":"x#ProvisionedThroughputExceededException"}'))
    with pytest.raises(NoProgress):
        cloud.write(state, chunk, seconds=CHECKPOINT_SECONDS + 10)
    unwatch()
    assert cloud.write(state, chunk)["rows_written"] == 1


def test_a_batch_denied_fails_the_task_and_leaves_no_entry(cloud: Cloud) -> None:
    state, chunk = plan(cloud, file_of([row(1)]))
    watch(answer=(400, b'{"__type":"x#AccessDeniedException","Message":"User: role may not"}'))
    with pytest.raises(ClientError, match=r"AccessDeniedException.*BatchWriteItem.*role may not"):
        cloud.write(state, chunk)
    assert cloud.entry(state["load_id"], chunk_entry(0)) is None


def test_a_quote_that_nothing_closes_costs_one_row(cloud: Cloud) -> None:
    rest = b'T2,"Tea,B1,2025-11-23T08:00:00Z,,1,\r\nT3,Tea,B1,2025-11-23T08:00:00Z,,1,\r\n'
    answer = write(cloud, *plan(cloud, file_of([row(1, "Tea")]) + rest))
    assert counts(answer) == (3, 2, 0, 1)
    assert refused(answer) == [(2, "", "stray_quote")]


def test_a_line_that_is_too_long_costs_one_row(cloud: Cloud) -> None:
    rest = b'T2,"' + b"x" * 2**20 + b'",B1,2025-11-23T08:00:00Z,,1,\r\n'
    rest += b"T3,Tea,B1,2025-11-23T08:00:00Z,,1,\r\n"
    answer = write(cloud, *plan(cloud, file_of([row(1, "Tea")]) + rest))
    assert counts(answer) == (3, 2, 0, 1)
    assert refused(answer) == [(2, "", "record_too_long")]
