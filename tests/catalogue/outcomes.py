"""What became of a file: read from the table, the ledger and the work bucket by boto3 alone."""

import csv
import io
import json

from tests.catalogue.expectations import Outcome, Unread
from tests.support.load_records import LoadRecords

_ENDINGS = {"SUCCEEDED": "loaded", "FAILED": "failed"}


def outcome_of(records: LoadRecords, load_id: str, prefix: str) -> Outcome:
    """The outcome of a load that has ended; `prefix` is what its tickets' numbers begin with."""
    entry = records.ledger(load_id)["load"]
    first = entry.get("first_error")
    first_error = (first["line"], first["column"], first["reason"]) if first else None
    items = records.items_of(prefix)
    if entry.get("reasons"):
        reasons = tuple((one["reason"], one["line"], one["column"]) for one in entry["reasons"])
        assert entry["status"] == "FAILED"
        assert all(len(one["detail"].split()) > 4 for one in entry["reasons"])
        return Outcome("refused", reasons, items, first_error=first_error)
    report = json.loads(records.read_url(entry["report"]))
    assert report["status"] == entry["status"]
    notes = _notes(records, report["refused_rows"])
    refused = sum(reason != "superseded" for _, _, reason in notes)
    assert report["rows_refused"] == refused
    assert report["rows_superseded"] == len(notes) - refused
    unread = report["unread"]
    return Outcome(
        _ENDINGS[report["status"]],
        items=items,
        notes=notes,
        rows_read=report["rows_read"],
        rows_written=report["rows_written"],
        blank_lines=report["blank_lines"],
        unread=Unread(unread["reason"], unread["line"], unread["bytes"]) if unread else None,
        first_error=first_error,
        unknown_columns=tuple(report["unknown_columns"]),
    )


def _notes(records: LoadRecords, url: str | None) -> tuple[tuple[int, str, str], ...]:
    if url is None:
        return ()
    text = records.read_url(url).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert not any(row["raw"].startswith(("=", "+", "-", "@")) for row in rows)
    return tuple((int(row["line"]), row["column"], row["reason"]) for row in rows)
