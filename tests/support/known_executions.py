"""Executions as the report page knows them, one for each way to end."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.csv_files.rows import REASONS
from ingestion.executions.history import read_states
from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import CountedReason, Recorded
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
STACK = {"Stack": "tickets", "Region": "eu-central-1"}
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


HISTORIES = Path(__file__).with_name("histories")
"""Executions that end as none on the embedded engine does: answers of DescribeExecution, and events
of GetExecutionHistory. They are written by hand in the shapes of "HistoryEvent" in the API
reference. As measured on AWS (floci-io/floci, issues 2733 and 2734), DescribeExecution has neither
error nor cause of a timeout, and ExecutionTimedOut has the error States.Timeout."""


def recorded(name: str, **more: Any) -> Recorded:
    """An execution of HISTORIES, with what the ledger has of it."""
    read = json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    execution, events = read["execution"], read["events"]
    for event in events:
        event["timestamp"] = datetime.fromisoformat(event["timestamp"])
    given = json.loads(execution["input"])
    return Recorded(
        execution["name"],
        execution["executionArn"],
        execution["status"],
        datetime.fromisoformat(execution["startDate"]),
        datetime.fromisoformat(execution["stopDate"]),
        given,
        execution.get("error"),
        execution.get("cause"),
        list(read_states(events)),
        **{"load": {**given, "status": "RUNNING"}, "stack": STACK, **more},
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
        CountedReason("", "superseded", 60, list(range(2, 22)), REASONS["superseded"]),
        CountedReason("quantity", "bad_quantity", 40, [7, 8], REASONS["bad_quantity"]),
    ],
    stack=STACK,
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


def _ended(status: str, *steps: Any, **more: Any) -> Recorded:
    states = visited(*steps)
    stopped_at = BEGAN + timedelta(seconds=len(states))
    return replace(FAILED, status=status, states=states, stopped_at=stopped_at, **more)


def letter(error: str, **values: Any) -> dict[str, Any]:
    """The output of a state that writes a dead letter."""
    return {"output": {"dead_letter": {"error": error, "failed": {}, **values}}}


def _failed(state: str, error: str, cause: str) -> dict[str, Any]:
    return letter("StateFailed", failed={state: {"Error": error, "Cause": cause}})


def _result(**values: Any) -> dict[str, Any]:
    return {"output": {"result": {**RESULT, **values}}}


_VALIDATED = ("Validate File", "File Accepted?")
_PLANNED = (*_VALIDATED, "Split File", "Anything To Write?", "Take Turn", "Whose Turn?")
_SMALL = (*_VALIDATED, "Write Small File", "Small File Finished?")
_SUCCESS = ("Announce Success", "Loaded")
_FAILURE = (
    "Announce Failure",
    "Send To Dead Letter Queue",
    ("Load Failed", {"error": "LoadFailed", "stopped_at": None}),
)
_UNSETTLED = {"complete": False, "equal_keys": "unsettled"}
_DENIED = {"error": "AccessDenied", "cause": "no", "attempts": 3}
_REASON = {"line": 1, "column": "store", "reason": "missing_column", "detail": "No column store."}
_OTHER = {"line": 1, "column": "product", "reason": "repeated_column", "detail": "Two product."}
_ERROR = {"error": "AccessDenied", "message": "Role w may not write.", "chunks": 1, "indexes": "1"}
_INCOMPLETE = {
    "complete": False,
    "chunks": 2,
    "chunks_finished": 1,
    "rows_refused": 0,
    "errors": [_ERROR],
}

ENDINGS = {
    "loaded": LOADED,
    "small": _ended(
        "SUCCEEDED",
        *_SMALL,
        ("Reconcile", _result()),
        "Everything Written?",
        *_SUCCESS,
        chunks=[chunk(0)],
    ),
    "settled": _ended(
        "SUCCEEDED",
        *_PLANNED,
        "Write Chunks",
        ("Reconcile", _result(**_UNSETTLED)),
        "Everything Written?",
        "Settle Equal Keys",
        "Equal Keys Settled?",
        "Wait For Last Writers",
        "Settle Equal Keys",
        "Equal Keys Settled?",
        ("Reconcile", _result()),
        "Everything Written?",
        *_SUCCESS,
        chunks=[chunk(0), chunk(1)],
    ),
    "already": _ended(
        "SUCCEEDED",
        ("Validate File", {"output": {"verdict": "already_loaded", "load_id": "week-csv"}}),
        "File Accepted?",
        "Already Loaded",
        load={**LOADED.load, **RESULT},
    ),
    "waited": _ended(
        "SUCCEEDED", *_PLANNED, "Wait For Turn", "Take Turn", "Whose Turn?", "Overtaken"
    ),
    "overtaken": _ended(
        "SUCCEEDED",
        *_PLANNED,
        "Write Chunks",
        ("Reconcile", _result(complete=False, overtaken=True, refused_rows=None)),
        "Everything Written?",
        "Overtaken",
        chunks=[chunk(0), chunk(1, finished=False)],
    ),
    "refused": _ended(
        "FAILED",
        *_VALIDATED,
        (
            "Describe Refusal",
            letter("FileRefused", reasons=[_REASON, _OTHER], cause="No column store. Two product."),
        ),
        *_FAILURE,
    ),
    "unpacked": _ended(
        "FAILED",
        *_VALIDATED,
        "Split File",
        "Anything To Write?",
        (
            "Describe Split Refusal",
            letter("FileRefused", reasons=[{**_REASON, "reason": "gzip_too_large"}], cause="Big."),
        ),
        *_FAILURE,
    ),
    "split": _ended(
        "FAILED",
        *_VALIDATED,
        ("Split File", _DENIED),
        "Split File Failed",
        ("Describe Failure", _failed("split_file", "AccessDenied", "s3:GetObject")),
        *_FAILURE,
    ),
    "chunk": _ended(
        "FAILED",
        *_PLANNED,
        "Write Chunks",
        ("Reconcile", _result(**_INCOMPLETE)),
        "Everything Written?",
        (
            "Describe Shortfall",
            letter("LoadIncomplete", result={**RESULT, **_INCOMPLETE}, cause="1 of 2 chunks."),
        ),
        *_FAILURE,
        chunks=[chunk(0), chunk(1, finished=False)],
    ),
    "limit": _ended(
        "FAILED",
        *_SMALL,
        ("Reconcile", _result(complete=False)),
        "Everything Written?",
        (
            "Describe Shortfall",
            letter("LoadIncomplete", result=RESULT, cause="40 of 1,200 rows are refused."),
        ),
        *_FAILURE,
        chunks=[chunk(0)],
        reasons=LOADED.reasons,
    ),
    "map": _ended(
        "FAILED",
        *_PLANNED,
        ("Write Chunks", _DENIED),
        "Write Chunks Failed",
        ("Describe Failure", _failed("write_chunks", "AccessDenied", "s3:GetObject")),
        *_FAILURE,
    ),
    "reconcile": _ended(
        "FAILED",
        *_PLANNED,
        "Write Chunks",
        ("Reconcile", _DENIED),
        "Reconcile Failed",
        ("Describe Failure", _failed("reconcile", "AccessDenied", "s3:PutObject")),
        *_FAILURE,
        chunks=[chunk(0), chunk(1)],
    ),
    "unreported": _ended(
        "FAILED",
        *_VALIDATED,
        ("Describe Refusal", letter("FileRefused", reasons=[_REASON], cause="No column store.")),
        "Announce Failure",
        ("Send To Dead Letter Queue", _DENIED),
        "Load Failure Not Reported",
    ),
    "running": _ended(
        "RUNNING",
        *_PLANNED,
        ("Write Chunks", {"stopped_at": None}),
        chunks=[chunk(0), chunk(1, finished=False)],
        load={"plan": {"chunks": 3}},
    ),
    "timed out": recorded("timed_out", chunks=[chunk(0), chunk(1, finished=False)]),
    "stopped, waiting": recorded("aborted_waiting"),
    "stopped in a task": recorded("aborted_in_task"),
    "no path": recorded("states_runtime"),
    "history full": recorded("history_full"),
    "too much data": recorded("data_limit_exceeded"),
    "redriven": recorded("redriven", chunks=[chunk(0), chunk(1), chunk(2)]),
}
"""By a short name."""
