"""Compares what a load left behind with its file: items, totals, ledger, report and refused
rows."""

import itertools
import json
from typing import Any

from tests.support.load_records import LoadRecords
from tests.support.ticket_files import TicketFile


def assert_loaded(
    stack: LoadRecords,
    execution: dict[str, Any],
    file: TicketFile,
    at_least_chunks: int = 1,
    packed: bytes | None = None,
) -> dict[str, Any]:
    """Asserts that the execution loaded exactly the file, and that table, totals, ledger, report
    and refused rows agree. Returns the report. `packed` is the object, if it isn't the file."""
    assert execution["status"] == "SUCCEEDED", execution
    state = json.loads(execution["output"])
    result = state["result"]
    expected = file.expected()

    assert_same_items(stack, file)
    assert {name: result[name] for name in expected.totals} == expected.totals
    totals = expected.totals
    assert totals["rows_read"] == (
        totals["rows_written"] + totals["rows_superseded"] + totals["rows_refused"]
    )
    assert stack.refused_rows(result["refused_rows"]) == expected.notes
    assert result["complete"] is True
    assert result["chunks"] == result["chunks_finished"] >= at_least_chunks
    assert_ledger(stack, state["load_id"], file, result["chunks"])

    report = dict(json.loads(stack.read_url(result["report"])))
    assert {name: report[name] for name in result} == result
    assert report["status"] == "SUCCEEDED"
    assert report["load_id"] == state["load_id"]
    assert report["size"] == len(file.body if packed is None else packed)
    assert report["blank_lines"] == expected.blank_lines
    assert execution["executionArn"] in report["executions"]
    return report


def assert_accounted(stack: LoadRecords, load_id: str, file: TicketFile) -> None:
    """Asserts what must hold for a load that has not ended: the table contains only items of the
    file, and at least as many as the ledger counts as written."""
    entries = stack.chunk_entries(load_id)  # first, because a chunk may still be written
    found = stack.items_of(file.name)
    assert found.items() <= file.expected().items.items()
    for entry in entries:
        counted = entry["rows_written"] + entry["rows_superseded"] + entry["rows_refused"]
        assert entry["rows_read"] == counted, entry
    assert len(found) >= sum(entry["rows_written"] for entry in entries)


def assert_same_items(stack: LoadRecords, file: TicketFile) -> None:
    """Asserts that the table contains exactly the file's items, and each attribute with its value
    and type."""
    found, wanted = stack.items_of(file.name), file.expected().items
    assert found.keys() == wanted.keys()
    for key, item in wanted.items():
        assert found[key] == item
        assert {n: type(v) for n, v in found[key].items()} == {n: type(v) for n, v in item.items()}


def assert_ledger(stack: LoadRecords, load_id: str, file: TicketFile, chunks: int) -> None:
    expected = file.expected()
    load = stack.ledger(load_id)["load"]
    assert load["status"] == "SUCCEEDED"
    assert {name: load[name] for name in expected.totals} == expected.totals
    assert load["started_at"] <= load["finished_at"]

    entries = stack.chunk_entries(load_id)
    assert len(entries) == chunks
    for name, total in expected.totals.items():
        assert sum(entry[name] for entry in entries) == total
    for entry, following in itertools.pairwise(entries):
        assert entry["end"] == following["start"]
    # The data begins after the header, which is one line in all these files.
    starts = file.body.index(b"\n") + 1
    if entries:
        assert (entries[0]["start"], entries[-1]["end"]) == (starts, len(file.body))
    assert all(entry["finished"] and entry["next_byte"] == entry["end"] for entry in entries)
