"""`tickets resubmit`: corrected rows are loaded where they belong, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.ledger.actions import Actions
from ingestion.ledger.claims import Claim, Claims
from ingestion.ledger.loads import Loads
from ingestion.sources.declaration import source_record
from ingestion.tasks.file_source import source_facts
from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.dead_letter_queue import graph_letter, send, waiting
from tests.support.sources import tickets_with
from tests.support.step_functions import (
    EXECUTION,
    StepFunctions,
    already_loaded_visits,
    failed_visits,
    loaded_visits,
    overtaken_visits,
    refused_visits,
)
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")

CORRECTED = b"ticket_id,product\nT1,Tea\n"
REFUSED = {
    "rows_read": 100,
    "rows_written": 88,
    "rows_superseded": 0,
    "rows_refused": 12,
    "chunks": 2,
    "chunks_finished": 2,
    "summary": "12 of 100 rows are refused, more than the 5 % that are allowed; the others are "
    "written.",
}


@pytest.fixture
def original(stack: Stack, step_functions: StepFunctions) -> dict[str, Any]:
    """A load that failed because of its refused rows, in the execution `a`. Returns what its
    corrected rows belong to."""
    Path("corrected.csv").write_bytes(CORRECTED)
    version = stack.client("s3").put_object(Bucket="uploads", Key="a.csv")["VersionId"]
    found = {"bucket": "uploads", "key": "a.csv", "version_id": version}
    record(stack, "load-1", "a", {**found, "object_url": "s3://uploads/a.csv"})
    step_functions.add("a", "FAILED", failed_visits(**REFUSED), error="LoadFailed")
    return {**found, "load_id": "load-1", "execution": "a"}


def record(
    stack: Stack, load_id: str, execution: str, facts: dict[str, Any], status: str = "FAILED"
) -> None:
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load(load_id, {"etag": "e", "size": 1}, f"{EXECUTION}:{execution}")
    loads.close_load(load_id, status, {**REFUSED, **facts})


def ends(
    step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch, status: str, visits: Any
) -> None:
    """Each execution that is started ends like this."""
    add = step_functions.add
    monkeypatch.setattr(step_functions, "add", lambda name, *_: add(name, status, visits))


def actions(stack: Stack, load_id: str = "load-1") -> list[dict[str, Any]]:
    names = ("action", "execution", "reason", "by")
    found = Actions(stack.client("dynamodb"), "ledger").all(load_id)
    return [{name: one[name] for name in names} for one in found]


def test_they_are_stored_and_loaded_and_the_history_of_the_original_load_says_so(
    stack: Stack,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    original: dict[str, Any],
) -> None:
    ends(step_functions, monkeypatch, "SUCCEEDED", loaded_visits())
    send(stack, graph_letter("a", load_id="load-1"))
    send(stack, graph_letter("other"))
    result = tickets("resubmit", "a", "corrected.csv", "--reason", "Quantities were words.")
    assert result.exit_code == 0, result.output
    [started] = step_functions.started
    given = json.loads(started["input"])
    key = "resubmitted/a/rows"
    stored = stack.client("s3").get_object(Bucket="uploads", Key=key)
    assert stored["Body"].read() == CORRECTED
    assert given == {
        "bucket": "uploads",
        "key": key,
        "version_id": stored["VersionId"],
        "etag": stored["ETag"].strip('"'),
        "why": "resubmit",
        "started_by": given["started_by"],
        "reason": "Quantities were words.",
        "resubmits": original,
    }
    assert given["started_by"].startswith("arn:aws:")
    assert waiting(stack)[0] == 1
    assert "Loaded: 100 rows read" in result.stdout
    assert "The dead letter of a is dismissed." in result.stdout
    name, by = started["name"], given["started_by"]
    assert actions(stack) == [
        {
            "action": "resubmit",
            "execution": name,
            "reason": "Quantities were words.",
            "by": by,
        },
        {
            "action": "dismiss",
            "execution": "a",
            "reason": f"The corrected rows are loaded by {name}.",
            "by": by,
        },
    ]


@pytest.mark.parametrize(
    ("status", "visits", "exit_code", "left"),
    [
        ("SUCCEEDED", already_loaded_visits(), 0, 0),
        ("SUCCEEDED", overtaken_visits(), 0, 1),
        ("FAILED", failed_visits(**REFUSED), 1, 1),
        ("FAILED", refused_visits(), 1, 1),
    ],
    ids=["loaded already", "overtaken", "refused rows", "refused file"],
)
@pytest.mark.usefixtures("original")
def test_only_success_dismisses_the_dead_letter(
    stack: Stack,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    visits: Any,
    exit_code: int,
    left: int,
) -> None:
    ends(step_functions, monkeypatch, status, visits)
    send(stack, graph_letter("a", load_id="load-1"))
    result = tickets("resubmit", "a", "corrected.csv", "--json")
    assert result.exit_code == exit_code, result.output
    [outcome] = lines(result)
    assert outcome["dismissed"] == ([] if left else ["a"])
    assert waiting(stack)[0] == left


@pytest.mark.usefixtures("original")
def test_rows_that_are_refused_again_can_be_corrected_again(
    step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(step_functions, monkeypatch, "FAILED", failed_visits(**REFUSED))
    result = tickets("resubmit", "a", "corrected.csv")
    name = step_functions.started[0]["name"]
    assert result.stdout.splitlines()[-1] == f"next: tickets refused {name} --fixable again.csv"


def test_corrected_rows_of_corrected_rows_belong_to_the_original_object(
    stack: Stack,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    original: dict[str, Any],
) -> None:
    again = {"bucket": "uploads", "key": "resubmitted/a/rows", "version_id": "v1"}
    record(stack, "load-2", "b", {**again, "resubmits": original})
    of_load_2 = json.dumps(failed_visits(**REFUSED)).replace("load-1", "load-2")
    step_functions.add("b", "FAILED", json.loads(of_load_2))
    ends(step_functions, monkeypatch, "SUCCEEDED", loaded_visits())
    for execution, load_id in (("a", "load-1"), ("b", "load-2")):
        send(stack, graph_letter(execution, load_id=load_id))
    [outcome] = lines(tickets("resubmit", "b", "corrected.csv", "--json"))
    assert outcome["resubmits"] == {**original, "execution": "b"}
    assert sorted(outcome["dismissed"]) == ["a", "b"]


def test_success_dismisses_earlier_attempts_too_unless_they_can_be_replayed(
    stack: Stack,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    original: dict[str, Any],
) -> None:
    other = {**original, "load_id": "load-7"}
    failures: dict[str, dict[str, Any]] = {
        "refused-file": {"resubmits": original, "summary": "No header.", "reasons": [{}]},
        "outage": {"resubmits": original, "summary": "1 of 2 chunks are not finished."},
        "of-another-load": {"resubmits": other},
    }
    for load_id, facts in failures.items():
        record(stack, load_id, load_id, facts)
        send(stack, graph_letter(load_id))
    ends(step_functions, monkeypatch, "SUCCEEDED", loaded_visits())
    [outcome] = lines(tickets("resubmit", "a", "corrected.csv", "--json"))
    assert outcome["dismissed"] == ["refused-file"]
    assert waiting(stack)[0] == 2
    assert [one["execution"] for one in actions(stack, "refused-file")] == ["refused-file"]


@pytest.mark.usefixtures("original")
def test_the_dead_letter_of_another_failure_stays(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(step_functions, monkeypatch, "SUCCEEDED", loaded_visits())
    record(stack, "load-1", "a", {"summary": "60 of 100 rows are superseded by a later row"})
    send(stack, graph_letter("a", load_id="load-1"))
    assert lines(tickets("resubmit", "a", "corrected.csv", "--json"))[0]["dismissed"] == []
    assert waiting(stack)[0] == 1


@pytest.mark.usefixtures("original")
def test_if_the_time_runs_out_the_load_goes_on(
    step_functions: StepFunctions,
) -> None:
    result = tickets("resubmit", "a", "corrected.csv", "--timeout", "0")
    assert result.exit_code == 3
    name = step_functions.started[0]["name"]
    assert result.stdout.splitlines()[-2:] == [
        "Still running.",
        f"next: tickets show {name} --follow",
    ]


def test_they_are_refused_if_a_later_version_has_been_loaded(
    stack: Stack, step_functions: StepFunctions, original: dict[str, Any]
) -> None:
    claims = Claims(stack.client("dynamodb"), "ledger")
    first = Claim("uploads", "a.csv", original["version_id"], "load-1")
    claims.move(None, first)
    later = stack.client("s3").put_object(Bucket="uploads", Key="a.csv", Body=b"2")["VersionId"]
    claims.move(first, Claim("uploads", "a.csv", later, "load-9"))
    result = tickets("resubmit", "a", "corrected.csv")
    assert_sentence(
        result, "A later version of s3://uploads/a.csv has been loaded since, as load-9"
    )
    assert step_functions.started == []


ADDED_UP = source_facts(source_record(tickets_with(equalKeys="sum")))


@pytest.mark.parametrize(
    ("status", "visits", "facts", "file", "words"),
    [
        ("RUNNING", loaded_visits(), {}, "corrected.csv", "is still running"),
        ("SUCCEEDED", overtaken_visits(), {}, "corrected.csv", "was overtaken"),
        ("SUCCEEDED", loaded_visits(), {"rows_refused": 0}, "corrected.csv", "No rows of a were"),
        ("FAILED", refused_visits(), {"rows_refused": None}, "corrected.csv", "No rows of a were"),
        ("FAILED", failed_visits(), {"chunks_finished": 1}, "corrected.csv", "tickets replay a"),
        ("FAILED", failed_visits(), {"unread": {"line": 1}}, "corrected.csv", "has not read all"),
        ("FAILED", failed_visits(), ADDED_UP, "corrected.csv", "adds up rows with equal keys"),
        ("FAILED", failed_visits(), {}, "none.csv", "The file none.csv does not exist"),
    ],
)
@pytest.mark.usefixtures("original")
def test_what_cannot_be_resubmitted(
    stack: Stack,
    step_functions: StepFunctions,
    status: str,
    visits: Any,
    facts: dict[str, Any],
    file: str,
    words: str,
) -> None:
    record(stack, "load-1", "a", facts)
    step_functions.add("a", status, visits)
    assert_sentence(tickets("resubmit", "a", file), words)
    assert step_functions.started == []
    assert actions(stack) == []
