"""Each execution has a separate entry, which no other execution changes. On moto's DynamoDB."""

from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.contracts import LoadRequest
from ingestion.ledger.attempts import ALREADY_LOADED, FAILED, LOADED, Attempt, Attempts
from ingestion.ledger.loads import Loads

ARN = "arn:aws:states:us-east-1:123456789012:execution:Ingest:"
PERSON = "arn:aws:iam::123456789012:user/ana"
UPLOAD = LoadRequest("uploads", "a.csv", "v1", "e", 5, "AWS:AIDA")
REPLAY = LoadRequest("uploads", "a.csv", "v1", "e", 5, "AWS:AIDA", False, "replay", PERSON, "fixed")
COUNTS = {"rows_read": 10, "rows_written": 7, "rows_superseded": 2, "rows_refused": 1, "chunks": 3}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> str:
    """The ends that are recorded: 10:00:00, 10:00:01 and so on."""
    seconds = iter(range(60))
    times = (f"2025-11-26T10:00:{second:02d}.000Z" for second in seconds)
    monkeypatch.setattr("ingestion.ledger.attempts.now", lambda: next(times))
    return "2025-11-26T10:00:00.000Z"


@pytest.fixture
def attempts(dynamodb: Any, clock: str) -> Attempts:
    return Attempts(dynamodb, "Ledger")


def names(found: Iterator[Attempt]) -> list[str]:
    return [attempt.execution for attempt in found]


def test_an_attempt_has_who_why_when_and_how_it_ended(attempts: Attempts) -> None:
    attempts.open(f"{ARN}a-r1", REPLAY, "2025-11-26T09:59:30Z", "load")
    running = Attempt(
        execution="a-r1",
        execution_arn=f"{ARN}a-r1",
        load_id="load",
        bucket="uploads",
        key="a.csv",
        version_id="v1",
        status="RUNNING",
        ending=None,
        started_at="2025-11-26T09:59:30.000Z",
        started_by=PERSON,
        why="replay",
        reason="fixed",
        uploader="AWS:AIDA",
    )
    assert attempts.get("a-r1") == running
    summary = {"summary": "10 rows read.", "status": "SUCCEEDED", "finished_at": "x"}
    attempts.close("a-r1", LOADED, {**COUNTS, **summary, "report": "s3://work/reports/a-r1.json"})
    ended = attempts.get("a-r1")
    assert ended
    assert ended.to_json() == {
        **running.to_json(),
        **COUNTS,
        "status": "SUCCEEDED",
        "ending": "Loaded",
        "stopped_at": "2025-11-26T10:00:00.000Z",
        "seconds": 30.0,
        "report": "s3://work/reports/a-r1.json",
    }


@pytest.mark.parametrize(
    ("request_", "why"),
    [(UPLOAD, "upload"), (REPLAY, "replay"), (LoadRequest("uploads", "a.csv"), None)],
)
def test_an_upload_is_told_from_a_start_by_hand(
    attempts: Attempts, request_: LoadRequest, why: str | None
) -> None:
    attempts.open(f"{ARN}a", request_, None)
    attempt = attempts.get("a")
    assert attempt
    assert attempt.why == why


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        ("Loaded", "SUCCEEDED", None),
        ("Already Loaded", "SUCCEEDED", "Why."),
        ("Overtaken", "SUCCEEDED", "Why."),
        ("Load Failed", "FAILED", "Why."),
    ],
)
def test_the_summary_of_what_did_not_load_is_its_error(
    attempts: Attempts, ending: str, status: str, error: str | None
) -> None:
    attempts.open(f"{ARN}a", UPLOAD, None)
    attempts.close("a", ending, {"summary": "Why."})
    attempt = attempts.get("a")
    assert attempt
    assert (attempt.status, attempt.ending, attempt.error) == (status, ending, error)


def test_a_later_attempt_leaves_the_earlier_one_as_it_is(dynamodb: Any, clock: str) -> None:
    """The end is recorded by `Loads`, as the tasks do it."""
    loads = Loads(dynamodb, "Ledger")
    loads.attempts.open(f"{ARN}a", UPLOAD, "2025-11-26T09:00:00Z", "load")
    loads.open_load("load", {}, f"{ARN}a")
    loads.close_load("load", "FAILED", {**COUNTS, "summary": "1 of 3 chunks."}, "a")
    failed = loads.attempts.get("a")
    loads.attempts.open(f"{ARN}a-r1", REPLAY, "2025-11-26T09:30:00Z", "load")
    loads.open_load("load", {}, f"{ARN}a-r1")
    loads.close_load("load", "SUCCEEDED", {**COUNTS, "rows_written": 9}, "a-r1")
    assert loads.attempts.get("a") == failed
    assert failed
    assert (failed.rows_written, failed.error) == (7, "1 of 3 chunks.")
    executions = [arn.removeprefix(ARN) for arn in (loads.load("load") or {})["executions"]]
    assert [one.ending for one in loads.attempts.get_all([*executions, "unknown"])] == [
        "Load Failed",
        "Loaded",
    ]


def test_an_end_that_was_not_recorded_is_completed_once(attempts: Attempts) -> None:
    attempts.open(f"{ARN}a", UPLOAD, "2025-11-26T09:59:30Z")
    stopped = Attempt(
        "a", f"{ARN}a", "load", "uploads", "a.csv", "v1", "ABORTED", None,
        "2025-11-26T09:59:30.000Z", "2025-11-26T09:59:50.000Z", rows_read=3, error="Stopped.",
    )  # fmt: skip
    attempts.complete(stopped)
    assert attempts.get("a") == stopped
    assert names(attempts.of_day("2025-11-26", "2025-11-26", "2025-11-27")) == ["a"]
    attempts.close("a", FAILED, {"summary": "Too many refused."})
    attempts.complete(stopped)
    attempt = attempts.get("a")
    assert attempt
    assert (attempt.status, attempt.error) == ("FAILED", "Too many refused.")


def test_a_second_try_that_fails_early_leaves_the_load_that_the_first_one_knew(
    attempts: Attempts,
) -> None:
    attempts.open(f"{ARN}a", UPLOAD, None, "load")
    attempts.open(f"{ARN}a", UPLOAD, None, error="SlowDown")
    attempt = attempts.get("a")
    assert attempt
    assert (attempt.load_id, attempt.error) == ("load", "SlowDown")
    attempts.open(f"{ARN}a", UPLOAD, None, "load")
    attempt = attempts.get("a")
    assert attempt
    assert attempt.error is None


def test_attempts_are_found_by_day_and_by_object(attempts: Attempts) -> None:
    other = LoadRequest("uploads", "b.csv")
    for name, request, started in (
        ("a", UPLOAD, "2025-11-25T23:59:59.999Z"),
        ("b", other, "2025-11-26T00:00:00.000Z"),
        ("a-r1", REPLAY, "2025-11-26T08:00:00.000Z"),
    ):
        attempts.open(ARN + name, request, started)
    assert names(attempts.of_day("2025-11-26", "2025-11-26", "2025-11-27")) == ["a-r1", "b"]
    assert names(attempts.of_day("2025-11-26", "2025-11-26T00:00:01", "2025-11-27")) == ["a-r1"]
    assert names(attempts.of_day("2025-11-26", "2025-11-26", "2025-11-26T07")) == ["b"]
    assert names(attempts.of_object("s3://uploads/a.csv")) == ["a-r1", "a"]


def test_the_ledger_knows_since_when_it_records_attempts(attempts: Attempts, dynamodb: Any) -> None:
    assert attempts.recorded_since() is None
    attempts.open(f"{ARN}a", UPLOAD, "2025-11-25T08:00:00Z")
    Attempts(dynamodb, "Ledger").open(f"{ARN}b", UPLOAD, "2025-11-26T08:00:00Z")
    assert attempts.recorded_since() == "2025-11-25T08:00:00.000Z"


def test_the_end_of_an_execution_that_began_before_the_update_is_no_attempt(
    attempts: Attempts,
) -> None:
    attempts.close("a", ALREADY_LOADED, {})
    assert attempts.get("a") is None
    assert attempts.get_all(["a"]) == []
