"""Executions as the report page knows them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import Recorded, UnlistedReason
from tests.support.visited_states import BEGAN, visited

NOW = datetime(2026, 11, 24, 3, 1, tzinfo=UTC)
RESULT = {
    "rows_read": 1200,
    "rows_written": 1100,
    "rows_superseded": 60,
    "rows_combined": 0,
    "rows_refused": 40,
    "refused_rows": "s3://work/refused-rows/week-csv/refused-rows.csv",
    "report": "s3://work/reports/week-csv.json",
}
REPORT = b'{"rows_read": 1200}'


def chunk(index: int, **values: Any) -> ChunkProgress:
    began = BEGAN + timedelta(seconds=2 * index)
    rounds = [[began.isoformat(), (began + timedelta(seconds=2)).isoformat(), "lease"]]
    return ChunkProgress(
        **{
            "index": index,
            "start": 0,
            "end": 10,
            "next_byte": 10,
            "finished": True,
            "rows_read": 600,
            "rows_written": 550,
            "rounds": rounds,
            **values,
        }
    )


LOADED = Recorded(
    "week-csv",
    "arn:aws:states:eu-central-1:1:execution:tickets:week-csv",
    "SUCCEEDED",
    BEGAN,
    BEGAN + timedelta(seconds=9),
    {"bucket": "uploads", "key": "shops/week.csv"},
    states=visited(
        ("Validate File", {"output": {"verdict": "accepted", "load_id": "week-csv"}}),
        "File Accepted?",
        "Split File",
        "Anything To Write?",
        "Take Turn",
        "Whose Turn?",
        "Write Chunks",
        ("Reconcile", {"output": {"result": RESULT}}),
        "Everything Written?",
        "Announce Success",
        "Loaded",
    ),
    load={"bucket": "uploads", "key": "shops/week.csv", "size": 12_300_000, "uploader": "till"},
    chunks=[chunk(0), chunk(1, throttles=3)],
    report=REPORT,
    reasons=[
        UnlistedReason("", "superseded", 60, list(range(2, 22))),
        UnlistedReason("quantity", "bad_quantity", 40, [7, 8]),
    ],
    stack={"Stack": "tickets"},
)
FAILED = replace(
    LOADED,
    status="FAILED",
    states=visited(
        "Validate File",
        "File Accepted?",
        ("Split File", {"error": "AccessDenied", "cause": "s3:GetObject"}),
        "Split File Failed",
        (
            "Describe Failure",
            {
                "output": {
                    "dead_letter": {
                        "failed": {"split_file": {"Error": "AccessDenied", "Cause": "s3:GetObject"}}
                    }
                }
            },
        ),
        "Announce Failure",
        "Send To Dead Letter Queue",
        "Load Failed",
    ),
    chunks=[],
    reasons=[],
    report=b"",
)
