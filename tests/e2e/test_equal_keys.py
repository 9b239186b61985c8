"""Equal keys in different chunks, on the whole stack: the last row in the file wins."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import CHUNK_SIZE
from tests.support.running_stack import RunningStack

HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store\n"


def row(name: str, number: int, quantity: int) -> str:
    return f"{name}-{number:06d},Soap,B1,2026-03-01T12:00Z,Home,{quantity:06d},Lyon\n"


def quantities(stack: RunningStack, name: str) -> dict[str, int]:
    """By the ticket's number."""
    items = stack.items_of(name)
    return {
        ticket.removeprefix(f"{name}-"): int(one["quantity"]) for (ticket, _), one in items.items()
    }


def result_of(execution: dict[str, Any]) -> dict[str, Any]:
    assert execution["status"] == "SUCCEEDED", execution
    return dict(json.loads(execution["output"])["result"])


def counts(result: dict[str, Any]) -> tuple[int, int, int]:
    assert result["rows_refused"] == 0
    return result["rows_read"], result["rows_written"], result["rows_superseded"]


@pytest.mark.exhaustive
def test_the_last_row_of_a_chunk_and_the_first_of_the_next_one(stack: RunningStack) -> None:
    size = len(row("edge", 0, 0))
    second_chunk = -(-(CHUNK_SIZE - len(HEADER)) // size)  # its first row
    rows = [row("edge", at, at) for at in range(2 * second_chunk - 10)]
    rows[second_chunk] = row("edge", second_chunk - 1, second_chunk)
    result = result_of(stack.load("equal/edge.csv", (HEADER + "".join(rows)).encode()))
    assert result["chunks"] == 2
    assert counts(result) == (len(rows), len(rows) - 1, 1)
    [note] = stack.refused_rows(result["refused_rows"])
    assert (note.line, note.reason) == (second_chunk + 1, "superseded")
    found = quantities(stack, "edge")
    assert found[f"{second_chunk - 1:06d}"] == second_chunk
    assert len(found) == len(rows) - 1


@pytest.mark.exhaustive
def test_a_key_again_twelve_chunks_later_whenever_the_file_is_loaded(stack: RunningStack) -> None:
    count = 12 * CHUNK_SIZE // len(row("far", 0, 0)) + 100
    rows = [*(row("far", at, at) for at in range(count)), row("far", 0, count)]
    upload = stack.upload("equal/far.csv", (HEADER + "".join(rows)).encode())
    results = [result_of(stack.ended(stack.execution_of(upload)))]
    given = {"bucket": upload.bucket, "key": upload.key, "version_id": upload.version_id}
    for number in range(5):
        arn = stack.start(f"equal-far-{number}", {**given, "force": True})
        results.append(result_of(stack.ended(arn)))
        assert quantities(stack, "far")["000000"] == count
    for result in results:
        assert result["chunks"] == 13
        assert counts(result) == (count + 1, count, 1)
        assert [note.line for note in stack.refused_rows(result["refused_rows"])] == [2]


@pytest.mark.exhaustive
def test_a_file_appended_to_itself(stack: RunningStack) -> None:
    count = 20 * CHUNK_SIZE // len(row("twice", 0, 0)) + 100
    rows = [row("twice", at % count, at) for at in range(2 * count)]
    execution = stack.load("equal/twice.csv", (HEADER + "".join(rows)).encode())
    result = result_of(execution)
    assert result["chunks"] >= 40
    assert counts(result) == (2 * count, count, count)
    assert quantities(stack, "twice") == {f"{at:06d}": count + at for at in range(count)}
    assert [note.line for note in stack.refused_rows(result["refused_rows"])] == list(
        range(2, count + 2)
    )
    # Chunks of the second half are written after those of the first, except for a few in the
    # middle.
    put_again = json.loads(execution["output"])["equal_keys"]["rows_put_again"]
    assert put_again < count / 2
