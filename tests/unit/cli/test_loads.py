"""`tickets loads`: the ledger's history, with the true status of loads that recorded no end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.claims import Claim, Claims, Lease
from ingestion.ledger.loads import Loads
from tests.support.command_line import lines, tickets
from tests.support.step_functions import EXECUTION, RESULT, StepFunctions, refused_visits
from tests.support.terminal import shown_by
from tickets.runs.loads import FIELDS
from tickets.runs.stack import Stack

FACTS = {"bucket": "uploads", "etag": "e", "size": 1_234_567, "uploader": "AWS:AIDA"}


@pytest.fixture
def loads(stack: Stack) -> Loads:
    return Loads(stack.client("dynamodb"), "ledger")


def add(loads: Loads, load_id: str, key: str = "a.csv", started: str = "", **facts: Any) -> None:
    """A load that an execution of its name works on."""
    url = {"key": key, "object_url": f"s3://uploads/{key}", "version_id": f"{load_id}-version"}
    loads.open_load(load_id, {**FACTS, **url, **facts}, f"{EXECUTION}:{load_id}")
    if started:
        loads.note(load_id, {"started_at": started})


def listed(*arguments: str) -> list[tuple[str, str]]:
    return [
        (one["load_id"], one["status"]) for one in lines(tickets("loads", "--json", *arguments))
    ]


def test_loads_are_listed_newest_first_by_key_and_by_time(loads: Loads) -> None:
    day = datetime.now(UTC)
    for name, key, days in (("old", "a.csv", 9), ("new", "a.csv", 1), ("other", "b/c.csv", 3)):
        moment = (day - timedelta(days=days)).isoformat(timespec="milliseconds")
        add(loads, name, key, moment.replace("+00:00", "Z"))
        loads.close_load(name, "SUCCEEDED", RESULT)
    done = "SUCCEEDED"
    assert listed() == [("new", done), ("other", done), ("old", done)]
    assert listed("--since", "4d") == [("new", done), ("other", done)]
    assert listed("--key", "a.csv") == [("new", done), ("old", done)]
    assert listed("--key", "s3://uploads/b/c.csv") == [("other", done)]
    assert listed("--key", "a.csv", "--since", "48h") == [("new", done)]
    assert listed("--key", "b") == []
    assert "no such loads" in tickets("loads", "--key", "b").stdout


def test_only_loads_are_listed_not_chunks_claims_and_leases(
    stack: Stack, loads: Loads, chunks: Chunks
) -> None:
    add(loads, "one")
    loads.close_load("one", "SUCCEEDED", RESULT)
    chunks.save("one", "generation", None, ChunkProgress(0, 0, 9, 9, finished=True))
    claims = Claims(stack.client("dynamodb"), "ledger")
    claims.move(None, Claim("uploads", "a.csv", "v", "one"))
    claims.put_lease("s3://uploads/a.csv", "lease", Lease("one", 1, 9))
    assert listed() == [("one", "SUCCEEDED")]


def test_an_entry_has_every_field_in_a_fixed_order(loads: Loads) -> None:
    add(loads, "one")
    loads.close_load("one", "FAILED", {"summary": "no", "first_error": {"line": 1}})
    (entry,) = lines(tickets("loads", "--json"))
    assert list(entry)[: len(FIELDS)] == list(FIELDS)
    assert entry["executions"] == [f"{EXECUTION}:one"]
    assert (entry["size"], entry["rows_read"], entry["recorded_status"]) == (
        1234567,
        None,
        "FAILED",
    )
    assert "entry" not in entry


def test_people_see_what_who_when_how_many_why_and_where(loads: Loads) -> None:
    add(loads, "one")
    error = {"line": 1_312, "column": "quantity", "reason": "bad_quantity"}
    totals = {**RESULT, "first_error": error, "replaces": "zero", "summary": "Too many refused."}
    loads.close_load("one", "FAILED", totals)
    text = shown_by("loads")
    for words in (
        "a.csv  FAILED  one",
        "version one-vers, 1.2 MB, by AWS:AIDA",
        "100 rows read = 97 written + 1 superseded + 2 refused",
        "why: Too many refused.",
        "first error: line 1,312, quantity: bad_quantity",
        "replaces: zero",
        "executions: one",
        "report: s3://work/reports/a.json",
    ):
        assert f"{words}\n" in text or f"{words} (" in text


def test_a_start_by_hand_has_no_uploader_and_a_bucket_may_have_no_versions(loads: Loads) -> None:
    facts: dict[str, Any] = {
        "bucket": "elsewhere",
        "object_url": "s3://elsewhere/a.csv",
        "version_id": None,
    }
    add(loads, "one", uploader=None, **facts)
    loads.close_load("one", "OVERTAKEN", {"summary": "A later version has taken over."})
    text = shown_by("loads")
    assert text.startswith("s3://elsewhere/a.csv  OVERTAKEN  one\n")
    assert "no version, 1.2 MB, by hand\n" in text
    assert "why: A later version has taken over.\n" in text


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_a_load_that_was_ended_from_outside_does_not_look_alive(
    step_functions: StepFunctions, loads: Loads, chunks: Chunks, status: str
) -> None:
    add(loads, "one")
    step_functions.add("one", status, cause="by hand")
    loads.note_plan("one", "generation", {"chunks": 1})
    chunk = ChunkProgress(0, 0, 9, 9, rows_read=3, rows_written=3)
    chunks.save("one", "generation", None, chunk)
    (entry,) = lines(tickets("loads", "--json"))
    assert (entry["status"], entry["recorded_status"]) == (status, "RUNNING")
    assert (entry["error"], entry["rows_written"]) == (f"{status}: by hand", 3)
    assert f"why: {status}: by hand" in tickets("loads").stdout


def test_a_load_whose_task_failed_says_why(step_functions: StepFunctions, loads: Loads) -> None:
    add(loads, "one")
    step_functions.add("one", "FAILED", refused_visits(), error="LoadFailed")
    (entry,) = lines(tickets("loads", "--json"))
    assert (entry["status"], entry["error"]) == ("FAILED", "The header has no column store.")


def test_a_load_is_running_while_any_of_its_executions_is(
    step_functions: StepFunctions, loads: Loads
) -> None:
    add(loads, "one")
    step_functions.add("one", "ABORTED", ago=timedelta(hours=1))
    loads.open_load("one", {}, f"{EXECUTION}:a-replay")
    step_functions.add("a-replay", "RUNNING", ago=timedelta(hours=2))
    assert listed() == [("one", "RUNNING")]


def test_of_ended_executions_the_newest_tells_the_status(
    step_functions: StepFunctions, loads: Loads
) -> None:
    add(loads, "one")
    step_functions.add("one", "ABORTED", ago=timedelta(hours=2))
    loads.open_load("one", {}, f"{EXECUTION}:a-replay")
    step_functions.add("a-replay", "TIMED_OUT", ago=timedelta(hours=1))
    assert listed() == [("one", "TIMED_OUT")]
    step_functions.add("a-replay", "TIMED_OUT", ago=timedelta(hours=3))
    assert listed() == [("one", "ABORTED")]


@pytest.mark.usefixtures("step_functions")
def test_what_step_functions_has_forgotten_is_unknown(loads: Loads) -> None:
    add(loads, "one")
    assert listed() == [("one", "UNKNOWN")]
    assert "Step Functions no longer has" in tickets("loads").stdout


def test_a_load_that_ended_while_it_was_looked_at_is_read_again(
    step_functions: StepFunctions, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended after its entry was read, and before Step Functions was asked."""
    add(loads, "one")
    step_functions.add("one", "SUCCEEDED")
    closed = {**(loads.load("one") or {}), "status": "SUCCEEDED", "rows_read": 100}
    monkeypatch.setattr(Loads, "load", lambda *_: closed)
    (entry,) = lines(tickets("loads", "--json"))
    assert (entry["status"], entry["recorded_status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert entry["rows_read"] == 100
