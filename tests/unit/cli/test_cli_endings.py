"""Endings that are neither a plain load nor a plain failure, as the command prints them."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from ingestion.names import execution_name
from tests.support.command_line import OUTCOME_KEYS, lines, tickets
from tests.support.step_functions import (
    CALLER,
    RESULT,
    StepFunctions,
    already_loaded_visits,
    failed_visits,
    late_visits,
    loaded_visits,
    overtaken_visits,
    refused_visits,
    turn_visits,
)
from tickets.runs.stack import Stack

FORCED = {"why": "force", "started_by": CALLER}
Visits = list[tuple[str, str, Any]]


@pytest.fixture
def loads(stack: Stack) -> Loads:
    """The stack's, with load-1 as it has SUCCEEDED."""
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("load-1", {"key": "a.csv"}, "arn:execution")
    loads.close_load("load-1", "SUCCEEDED", RESULT)
    return loads


def outcome(name: str) -> dict[str, Any]:
    (shown,) = lines(tickets("show", name, "--json"))
    return {key: shown[key] for key in OUTCOME_KEYS}


@pytest.mark.usefixtures("loads")
def test_already_loaded_names_the_load_and_has_its_totals(step_functions: StepFunctions) -> None:
    step_functions.add("again", visits=already_loaded_visits())
    found = outcome("again")
    assert (found["ending"], found["load_id"]) == ("Already Loaded", "load-1")
    assert {key: found[key] for key in RESULT if key in found} == {
        key: RESULT[key] for key in RESULT if key in found
    }
    text = tickets("show", "again").stdout
    assert "Already loaded on " in text
    assert ", as load-1.\n100 rows read = 97 written + 1 superseded + 2 refused." in text
    assert "\nnext: tickets ingest s3://b/a.csv --force\n" in text
    assert len(lines(tickets("refused", "again", "--json"))) == 2


@pytest.mark.parametrize(
    ("visits", "words", "rows_written"),
    [
        (late_visits(), "no row of this version was written", None),
        (overtaken_visits(), "Before that: 60 rows read = 57 written", 57),
    ],
)
@pytest.mark.usefixtures("stack")
def test_an_overtaken_load_is_no_error_and_says_what_happened(
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    visits: Visits,
    words: str,
    rows_written: int | None,
) -> None:
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "old")
    step_functions.add("old", visits=visits)
    result = tickets("ingest", "rows.csv", "--wait")
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert "Overtaken: a later version of this object is loaded instead" in told
    assert words in told
    assert "Loaded" not in told
    found = outcome("old")
    assert (found["status"], found["ending"]) == ("SUCCEEDED", "Overtaken")
    assert found["rows_written"] == rows_written


@pytest.mark.usefixtures("stack")
def test_a_late_version_lists_no_refused_rows(step_functions: StepFunctions) -> None:
    step_functions.add("old", visits=late_visits())
    result = tickets("refused", "old", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "later version of the object is loaded instead" in result.stderr


@pytest.mark.usefixtures("stack")
def test_a_load_with_too_many_refused_rows_failed_though_rows_are_in_the_table(
    step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = "12 of 100 rows are refused, more than the 5 % that are allowed."
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "bad")
    visits = failed_visits(summary=summary, rows_written=88, rows_superseded=0, rows_refused=12)
    step_functions.add("bad", "FAILED", visits, error="LoadFailed", cause=summary)
    result = tickets("ingest", "rows.csv", "--wait")
    assert result.exit_code == 1
    assert f"Loaded in part, and failed: {summary}" in result.stdout
    assert "100 rows read = 88 written + 0 superseded + 12 refused" in result.stdout
    assert "Not loaded" not in result.stdout
    found = outcome("bad")
    assert (found["ending"], found["rows_refused"]) == ("Load Failed", 12)
    assert len(lines(tickets("refused", "bad", "--json"))) == 2


@pytest.mark.usefixtures("stack")
def test_equal_errors_of_chunks_are_one_line_and_the_first_is_told_once(
    step_functions: StepFunctions,
) -> None:
    errors = [
        {"error": "AccessDenied", "message": "PutObject: no.", "chunks": 3, "indexes": "0-2"},
        {"error": "NoProgress", "message": "Too slow.", "chunks": 2, "indexes": "5, 7"},
    ]
    missing = "5 of 9 chunks are not finished; the first is chunk 0."
    summary = f"{missing} Chunks 0-2: AccessDenied: PutObject: no. There is another error."
    step_functions.add("a", "FAILED", failed_visits(summary=summary, errors=errors))
    shown = tickets("show", "a").stdout
    assert shown.count("PutObject: no.") == 1
    assert f"Loaded in part, and failed: {missing}" in shown
    assert "\n  chunks 5, 7: NoProgress: Too slow.\n" in shown
    [found] = lines(tickets("show", "a", "--json"))
    assert found["errors"] == errors


@pytest.mark.usefixtures("stack")
def test_the_error_of_a_small_file_is_told_once(step_functions: StepFunctions) -> None:
    """The failed state and the chunk have the same error; only the state's is printed."""
    cause = "An error occurred (AccessDenied) when calling the PutObject operation: User: x: no."
    failed = {"write_small_file": {"Error": "ClientError", "Cause": cause}}
    error = {"error": "AccessDenied", "message": "PutObject: User: x: no.", "chunks": 1}
    visits = failed_visits(errors=[{**error, "indexes": "0"}], chunks=1)
    letter = {"dead_letter": {"cause": "1 of 1 chunks", "failed": failed}}
    [at] = [at for at, (_, state, _) in enumerate(visits) if state == "Describe Shortfall"]
    kind, state, output = visits[at]
    visits[at] = kind, state, output | letter
    step_functions.add("a", "FAILED", visits[: at + 1])
    shown = tickets("show", "a").stdout
    assert shown.count("User: x: no.") == 1
    assert "failed: Write Small File failed with ClientError: An error occurred" in shown


def test_an_aborted_load_has_the_totals_of_its_chunks(
    step_functions: StepFunctions, loads: Loads, chunks: Chunks
) -> None:
    step_functions.add("a", "ABORTED", turn_visits(), cause="by hand")
    assert "Not loaded: ABORTED: by hand" in tickets("show", "a").stdout
    loads.note_plan("load-1", "generation", {"chunks": 2})
    for index in (0, 1):
        counts: dict[str, Any] = {"rows_read": 10, "rows_written": 9, "rows_refused": 1}
        chunk = ChunkProgress(index, 0, 9, 9, finished=True, **counts)
        chunks.save("load-1", "generation", None, chunk)
    text = tickets("show", "a").stdout
    assert "Loaded in part, and failed: ABORTED: by hand" in text
    assert "20 rows read = 18 written + 0 superseded + 2 refused" in text
    assert outcome("a")["chunks"] == 2


@pytest.mark.usefixtures("stack")
def test_the_list_tells_endings_of_what_has_succeeded(step_functions: StepFunctions) -> None:
    kinds = {"Loaded": loaded_visits, "Already Loaded": already_loaded_visits}
    kinds |= {"Overtaken": late_visits}
    for ending, visits in kinds.items():
        step_functions.add(ending, output=json.dumps(visits()[-1][2]))
    step_functions.add("refused", "FAILED", refused_visits())
    listed = {
        entry["execution"]: entry["ending"]
        for entry in lines(tickets("executions", "--json", "--since", "2025-01-01"))
    }
    assert listed == {**{ending: ending for ending in kinds}, "refused": None}
    assert "Already Loaded" in tickets("executions", "--since", "2025-01-01").stdout


def test_endings_are_asked_of_the_newest_only(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.runs.executions.MAX_LOOKED_UP", 1)
    output = json.dumps(loaded_visits()[-1][2])
    for name in ("one", "two"):
        step_functions.add(name, output=output)
    endings = [
        entry["ending"] for entry in lines(tickets("executions", "--json", "--since", "2025-01-01"))
    ]
    assert endings == ["Loaded", None]


@pytest.mark.usefixtures("stack")
def test_force_loads_an_object_again(step_functions: StepFunctions) -> None:
    result = tickets(
        "ingest", "--force", "s3://work/a.csv", "s3://work/a.csv?versionId=v1", "--json"
    )
    assert result.exit_code == 0
    assert [json.loads(start["input"]) for start in step_functions.started] == [
        {"bucket": "work", "key": "a.csv", "force": True, **FORCED},
        {"bucket": "work", "key": "a.csv", "version_id": "v1", "force": True, **FORCED},
    ]


def test_force_loads_a_file_again_whose_bytes_are_loaded_already(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "upload")
    step_functions.add("upload", visits=already_loaded_visits())
    result = tickets("ingest", "--force", "rows.csv")
    version = stack.client("s3").head_object(Bucket="uploads", Key="rows.csv")["VersionId"]
    (start,) = step_functions.started
    assert json.loads(start["input"]) == {
        "bucket": "uploads",
        "key": "rows.csv",
        "version_id": version,
        "force": True,
        **FORCED,
    }
    assert "loading them again" in result.stdout
    assert start["name"] in result.stdout
    (entry,) = lines(tickets("ingest", "--force", "rows.csv", "--json"))
    assert entry["execution_arn"].endswith(step_functions.started[1]["name"])


@pytest.mark.parametrize("visits", [turn_visits(), refused_visits()])
@pytest.mark.usefixtures("stack")
def test_force_leaves_an_upload_alone_that_loads_by_itself(
    step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch, visits: Visits
) -> None:
    monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "upload")
    step_functions.add("upload", "RUNNING", visits)
    result = tickets("ingest", "--force", "rows.csv")
    assert result.exit_code == 0
    assert step_functions.started == []
    assert "needs no --force" in result.stdout


@pytest.mark.usefixtures("alone")
def test_a_packed_file_keeps_its_name(stack: Stack) -> None:
    Path("rows.csv").rename("rows.csv.gz")
    result = tickets("ingest", "rows.csv.gz", "--json")
    version = stack.client("s3").head_object(Bucket="uploads", Key="rows.csv.gz")["VersionId"]
    (entry,) = lines(result)
    assert entry["execution_arn"].endswith(execution_name("uploads", "rows.csv.gz", version))
    assert result.stderr == ""
