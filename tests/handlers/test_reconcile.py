"""reconcile: totals that add up, or the sentence that says what is missing."""

import csv
import io
import json
import random
from typing import Any

import pytest

from ingestion.errors import AccountingError, ObjectGone
from tests.support.cloud import Cloud, chunk_entry
from tests.support.state_machine import EXECUTIONS, payload_of

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"


def awkward_file(rows: int = 36) -> bytes:
    """Products over several lines, blank lines, repeated keys, and every fourth row bad."""
    rng = random.Random(1)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for at in range(rows):
        product = "Thé\n" * rng.randrange(4) + "vert"
        quantity = "some" if at % 4 == 0 else at
        ticket = f"T{at - at % 2}" if at % 6 == 3 else f"T{at}"
        writer.writerow([ticket, product, "B", "2025-11-23T08:00:00Z", "", quantity, ""])
        if at % 9 == 0:
            text.write("\n")
    return HEADER + text.getvalue().encode()


@pytest.fixture
def written(cloud: Cloud) -> Any:
    """A load with all its chunks written: `(state, chunks, body)`."""
    body = awkward_file()
    state, chunks = cloud.plan(cloud.put(body))
    assert len(chunks) > 3
    for chunk in chunks:
        cloud.write(state, chunk)
    return state, chunks, body


def forget(cloud: Cloud, state: Any, index: Any) -> None:
    """Removes a chunk's entry, as if the chunk had never been written."""
    cloud.dynamodb.delete_item(
        TableName=cloud.ledger_table,
        Key={"load_id": {"S": state["load_id"]}, "entry": {"S": chunk_entry(index)}},
    )


def listed(cloud: Cloud, answer: Any) -> list[Any]:
    text = cloud.read_url(answer["refused_rows"]).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def assert_lines_are_the_files(rows: Any, body: Any) -> None:
    lines = body.decode().split("\n")
    for row in rows:
        first_line = row["raw"].split("\n")[0]
        assert lines[int(row["line"]) - 1] == first_line, row


def test_totals_equal_an_independent_count(cloud: Cloud, written: Any) -> None:
    state, chunks, body = written
    answer = cloud.reconcile(state)
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    bad = [row for row in rows if row["quantity"] == "some"]
    assert answer["complete"] is True
    assert answer["rows_read"] == len(rows) == 36
    assert answer["rows_refused"] == len(bad) == 9
    assert answer["rows_written"] + answer["rows_superseded"] == len(rows) - len(bad)
    assert answer["chunks"] == answer["chunks_finished"] == len(chunks)
    assert answer["summary"].startswith("36 rows read: ")


def test_refused_rows_have_the_files_lines_across_chunks_and_quoted_newlines(
    cloud: Cloud, written: Any
) -> None:
    state, _, body = written
    answer = cloud.reconcile(state)
    rows = listed(cloud, answer)
    assert len(rows) == answer["rows_refused"] + answer["rows_superseded"]
    assert list(rows[0]) == ["line", "column", "reason", "raw"]
    assert_lines_are_the_files(rows, body)
    numbers = [int(row["line"]) for row in rows]
    assert numbers == sorted(numbers)


def test_lines_above_the_header_count(cloud: Cloud) -> None:
    rows = [f"T{at},Tea,B,2025-11-23T08:00:00Z,,{at},\n" for at in range(20)]
    rows[6] = rows[6].replace("Tea", "Tea ")
    rows[9] = rows[9].replace(",9,", ",some,")
    body = b'sep=,\n"Sales\n\n' + HEADER + "".join(rows).encode()
    answer = cloud.load(cloud.put(body))["result"]
    report = json.loads(cloud.read_url(answer["report"]))
    assert report["chunks"] > 2
    assert report["first_error"] == {"line": 14, "column": "quantity", "reason": "bad_quantity"}
    assert [row["line"] for row in listed(cloud, answer)] == ["14"]
    assert report["warnings"]["blank_around_key"]["line"] == 11
    assert (report["lines"]["skipped"], report["lines"]["header"]) == (3, 1)
    assert report["lines"]["total"] == 24


def test_the_report_says_what_was_loaded_and_by_whom(cloud: Cloud, written: Any) -> None:
    state, _, _ = written
    answer = cloud.reconcile(state)
    report = json.loads(cloud.read_url(answer["report"]))
    for name, value in answer.items():
        assert report[name] == value, name
    for name in ("bucket", "key", "version_id", "etag", "size"):
        assert report[name] == state["file"][name], name
    assert report["status"] == "SUCCEEDED"
    assert report["uploader"] == "AWS:AIDAJDPLRKLG7UEXAMPLE"
    assert [arn.rsplit(":", 1)[1] for arn in report["executions"]] == ["by-hand"]
    assert report["equal_keys"] == "settled"


def test_the_ledger_is_closed_with_the_totals(cloud: Cloud, written: Any) -> None:
    state, _, _ = written
    answer = cloud.reconcile(state)
    entry = cloud.entry(state["load_id"])
    assert entry["status"] == "SUCCEEDED"
    assert entry["finished_at"]
    for name in ("rows_read", "rows_written", "refused_rows", "report", "summary"):
        assert entry[name] == answer[name], name


def test_a_second_call_answers_the_same(cloud: Cloud, written: Any) -> None:
    state, _, _ = written
    answer = cloud.reconcile(state)
    first = cloud.read_url(answer["refused_rows"])
    assert cloud.reconcile(state) == answer
    assert cloud.read_url(answer["refused_rows"]) == first


def test_no_bad_rows_no_file_of_them(cloud: Cloud) -> None:
    answer = cloud.load(cloud.put(HEADER + b"T1,Tea,B,2025-11-23T08:00:00Z,,1,\n"))["result"]
    assert (answer["complete"], answer["refused_rows"]) == (True, None)
    assert answer["summary"] == "1 rows read: 1 written, 0 superseded, 0 refused."


@pytest.mark.parametrize("index", [0, 2, -1])
def test_a_missing_chunk_is_named_and_the_load_has_failed(
    cloud: Cloud, written: Any, index: int
) -> None:
    state, chunks, body = written
    missing = chunks[index]["index"]
    forget(cloud, state, missing)
    answer = cloud.reconcile(state)
    assert answer["complete"] is False
    assert f"the first is chunk {missing}." in answer["summary"]
    assert answer["chunks_finished"] == len(chunks) - 1
    assert cloud.entry(state["load_id"])["status"] == "FAILED"
    assert json.loads(cloud.read_url(answer["report"]))["status"] == "FAILED"
    if answer["refused_rows"]:
        assert_lines_are_the_files(listed(cloud, answer), body)


def test_a_missing_chunk_has_its_error_and_equal_errors_are_one_group(cloud: Cloud) -> None:
    given = cloud.put(awkward_file())
    state, chunks = cloud.plan(given)
    cloud.write(state, chunks[1])
    version = {"Bucket": given["bucket"], "Key": given["key"], "VersionId": given["version_id"]}
    cloud.s3.delete_object(**version)
    for chunk in (chunks[0], *chunks[2:]):
        with pytest.raises(ObjectGone):
            cloud.write(state, chunk)
    answer = cloud.reconcile(state)
    [group] = answer["errors"]
    assert (group["error"], group["chunks"]) == ("ObjectGone", len(chunks) - 1)
    assert group["indexes"] == f"0, 2-{len(chunks) - 1}"
    missing = f"{len(chunks) - 1} of {len(chunks)} chunks are not finished; the first is chunk 0."
    told = f"{missing} Chunks 0, 2-{len(chunks) - 1}: ObjectGone: {group['message']}"
    assert answer["summary"] == told
    assert cloud.entry(state["load_id"])["errors"] == answer["errors"]
    replayed = payload_of("reconcile", state) | {"execution_arn": f"{EXECUTIONS}by-hand-r1"}
    assert cloud.call("reconcile", replayed)["errors"] == [], "they are of another execution"


def test_the_missing_chunk_written_later_completes_the_load(cloud: Cloud, written: Any) -> None:
    state, chunks, body = written
    whole = cloud.reconcile(state)
    forget(cloud, state, 1)
    assert cloud.reconcile(state)["complete"] is False
    cloud.write(state, chunks[1])
    assert cloud.reconcile(state) == whole
    assert_lines_are_the_files(listed(cloud, whole), body)


def test_an_unfinished_chunk_is_missing(cloud: Cloud, written: Any) -> None:
    state, _, _ = written
    cloud.dynamodb.update_item(
        TableName=cloud.ledger_table,
        Key={"load_id": {"S": state["load_id"]}, "entry": {"S": chunk_entry(1)}},
        UpdateExpression="SET finished = :false",
        ExpressionAttributeValues={":false": {"BOOL": False}},
    )
    answer = cloud.reconcile(state)
    assert answer["complete"] is False
    assert answer["summary"].endswith("the first is chunk 1.")


def test_rows_that_do_not_add_up_are_a_shortfall(cloud: Cloud, written: Any) -> None:
    state, chunks, _ = written
    rows_read = cloud.entry(state["load_id"], chunk_entry(2))["rows_read"]
    cloud.change_entry(state["load_id"], chunk_entry(2), rows_read=rows_read + 1)
    answer = cloud.reconcile(state)
    assert answer["complete"] is False
    assert answer["summary"] == (f"Chunk 2 read {rows_read + 1} rows but accounts for {rows_read}.")
    assert answer["chunks_finished"] == len(chunks)


@pytest.mark.exhaustive
@pytest.mark.parametrize("change", ["start", "end", "next_byte"])
def test_chunks_that_do_not_tile_are_a_shortfall(cloud: Cloud, written: Any, change: str) -> None:
    state, chunks, _ = written
    value = {"start": chunks[1]["start"], "end": chunks[1]["end"], "next_byte": chunks[1]["end"]}
    cloud.change_entry(state["load_id"], chunk_entry(1), **{change: value[change] - 1})
    answer = cloud.reconcile(state)
    assert answer["complete"] is False
    assert answer["summary"].startswith("Chunk ")


def test_a_plan_that_ends_before_the_file_is_a_shortfall(cloud: Cloud, written: Any) -> None:
    state, chunks, body = written
    last = chunks[-1]
    forget(cloud, state, last["index"])
    state["plan"]["chunks"] -= 1
    answer = cloud.reconcile(state)
    assert answer["complete"] is False
    assert answer["summary"] == f"The chunks end at byte {last['start']:,} of {len(body):,}."


def test_a_chunk_beyond_the_plan_is_a_shortfall(cloud: Cloud, written: Any) -> None:
    state, _, _ = written
    cloud.dynamodb.put_item(
        TableName=cloud.ledger_table,
        Item=cloud.dynamodb.get_item(
            TableName=cloud.ledger_table,
            Key={"load_id": {"S": state["load_id"]}, "entry": {"S": chunk_entry(0)}},
        )["Item"]
        | {"entry": {"S": chunk_entry(99)}, "index": {"N": "99"}},
    )
    assert cloud.reconcile(state)["complete"] is False


def test_more_rows_counted_than_listed_is_a_defect(cloud: Cloud, written: Any) -> None:
    state, _, _ = written
    entry = cloud.entry(state["load_id"], chunk_entry(0))
    cloud.change_entry(
        state["load_id"],
        chunk_entry(0),
        rows_refused=entry["rows_refused"] + 1,
        rows_written=entry["rows_written"] - 1,
    )
    with pytest.raises(AccountingError, match="refused or superseded, but"):
        cloud.reconcile(state)
    assert cloud.entry(state["load_id"])["status"] != "SUCCEEDED"


def test_rows_counted_as_refused_and_nowhere_listed_are_a_defect(cloud: Cloud) -> None:
    """No chunk has a part, so there is nothing to join, and yet the row is lost."""
    state = cloud.load(cloud.put(HEADER + b"T1,Tea,B,2025-11-23T08:00:00Z,,1,\n"))
    cloud.change_entry(state["load_id"], chunk_entry(0), rows_refused=1, rows_written=0)
    with pytest.raises(AccountingError):
        cloud.reconcile(state)
