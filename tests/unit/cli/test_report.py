"""`tickets report`: the page of an execution, found or made."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion.contracts import LoadRequest
from ingestion.ledger.attempts import LOADED
from ingestion.ledger.loads import Loads
from ingestion.tasks.write_report_page import EndNotVisible
from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.step_functions import ACCEPTED, EXECUTION, RESULT, StepFunctions
from tickets.runs.attempts import attempts_of, completed
from tickets.runs.report_pages import pages_of
from tickets.runs.stack import Stack

REFUSED = {"refused_rows": "s3://work/refused-rows/a/refused-rows.csv"}


@pytest.fixture
def loaded(stack: Stack, step_functions: StepFunctions) -> None:
    """The execution `a`, which has loaded a file and has no page yet."""
    for name in ("a", "b", "r"):
        for kind in ("html", "history.jsonl"):
            stack.client("s3").delete_object(Bucket="work", Key=f"reports/{name}.{kind}")
    step_functions.add(
        "a",
        "SUCCEEDED",
        [
            ("Task", "Validate File", {**ACCEPTED, "load_id": "a"}),
            ("Task", "Reconcile", {"result": {**RESULT, **REFUSED}}),
            ("Succeed", "Loaded", None),
        ],
        ago=timedelta(hours=1),
    )
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("a", {"bucket": "uploads", "key": "a.csv", "size": 5}, f"{EXECUTION}:a")


def stored(stack: Stack, key: str) -> str:
    body = stack.client("s3").get_object(Bucket="work", Key=key)["Body"].read()
    return str(body.decode())


@pytest.mark.usefixtures("loaded")
def test_the_page_is_made_kept_and_named(stack: Stack) -> None:
    result = tickets("report", "a")
    assert result.stdout == "s3://work/reports/a.html\n"
    page = stored(stack, "reports/a.html")
    assert "<b>97</b> written" in page
    # The list has one refused and one superseded row, on lines 7 and 9.
    assert "bad_quantity" in page
    assert "two" not in page.replace("two commands", ""), "no value of a row"


@pytest.mark.usefixtures("loaded")
def test_the_history_is_kept_beside_it(stack: Stack) -> None:
    tickets("report", "a")
    events = [json.loads(line) for line in stored(stack, "reports/a.history.jsonl").splitlines()]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "ExecutionStarted"
    assert events[0]["timestamp"] == "2026-03-01T09:00:00.000Z"


@pytest.mark.usefixtures("loaded")
def test_the_page_in_the_bucket_is_shown_again_even_if_the_execution_is_gone(
    stack: Stack, step_functions: StepFunctions
) -> None:
    stack.client("s3").put_object(Bucket="work", Key="reports/a.html", Body=b"<p>kept</p>")
    assert tickets("report", "a", "--output", "-").stdout == "<p>kept</p>"
    step_functions.forget()
    assert tickets("report", "a", "--output", "-").stdout == "<p>kept</p>"


def test_what_is_neither_kept_nor_known_is_an_error(stack: Stack) -> None:
    assert_sentence(tickets("report", "b"), "no execution b, and no page of it")


@pytest.mark.usefixtures("loaded")
def test_a_running_load_has_a_new_page_each_time(
    stack: Stack, step_functions: StepFunctions
) -> None:
    step_functions.add("r", "RUNNING", [("Task", "Validate File", {**ACCEPTED, "load_id": "a"})])
    stack.client("s3").put_object(Bucket="work", Key="reports/r.html", Body=b"old")
    assert "Running" in tickets("report", "r", "-o", "-").stdout


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("arguments", [("a",), ("--missing",)])
def test_a_page_from_before_the_end_is_made_again(
    stack: Stack, step_functions: StepFunctions, arguments: tuple[str, ...]
) -> None:
    """It showed the execution running, or its end before a redrive."""
    stack.client("s3").put_object(Bucket="work", Key="reports/a.html", Body=b"old")
    step_functions.described["a"]["stopDate"] = datetime.now(UTC) + timedelta(minutes=1)
    assert tickets("report", *arguments).stdout == "s3://work/reports/a.html\n"
    assert "Loaded" in stored(stack, "reports/a.html")


@pytest.mark.usefixtures("loaded")
def test_what_has_expired_is_left_out(stack: Stack) -> None:
    for key in ("refused-rows/a/refused-rows.csv", "reports/a.json"):
        stack.client("s3").delete_object(Bucket="work", Key=key)
    page = tickets("report", "a", "-o", "-").stdout
    assert "<b>97</b> written" in page
    assert "bad_quantity" not in page


@pytest.mark.usefixtures("loaded")
def test_the_browser_opens_an_address_that_s3_accepts(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    tickets("report", "a", "--open")
    [url] = opened
    assert url.startswith("https://work.s3.eu-west-1.amazonaws.com/reports/a.html?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url, "for a KMS key"
    assert "X-Amz-Expires=3600" in url
    tickets("report", "a", "--output", "page.html", "--open")
    assert opened[1] == Path("page.html").resolve().as_uri()


@pytest.mark.usefixtures("loaded")
def test_missing_pages_are_made_and_others_left_alone(
    stack: Stack, step_functions: StepFunctions
) -> None:
    step_functions.add("b", "ABORTED", ago=timedelta(hours=2))
    step_functions.add("c", "RUNNING", ago=timedelta(minutes=1))
    stack.client("s3").put_object(Bucket="work", Key="reports/a.html", Body=b"kept")
    assert lines(tickets("report", "--missing", "--json")) == [{"page": "s3://work/reports/b.html"}]
    assert "Stopped" in stored(stack, "reports/b.html")
    assert stored(stack, "reports/a.html") == "kept"


@pytest.mark.usefixtures("loaded")
def test_the_page_is_saved_and_never_over_another_file(stack: Stack) -> None:
    [saved] = lines(tickets("report", "a", "--output", "page.html", "--json"))
    assert (saved["execution"], saved["file"]) == ("a", "page.html")
    assert Path("page.html").read_text(encoding="utf-8") == stored(stack, "reports/a.html")
    assert_sentence(tickets("report", "a", "--output", "page.html"), "page.html exists")


def test_an_execution_or_missing_is_needed(stack: Stack) -> None:
    assert_sentence(tickets("report"), "Name an execution, or pass --missing.")
    assert_sentence(tickets("report", "a", "--missing"), "Name an execution, or pass --missing.")
    assert_sentence(tickets("report", "--missing", "--open"), "for the page of one execution")


@pytest.mark.usefixtures("loaded")
def test_an_execution_that_ends_again_meanwhile_has_the_page_of_its_later_ending(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redrive ends the same execution twice, and each ending has its event."""
    step_functions.described["a"]["status"] = "FAILED"
    put = stack.client("s3").put_object
    written: list[str] = []

    def put_late(**arguments: Any) -> Any:
        written.append(arguments["Key"])
        if written == [
            "reports/a.history.jsonl",
            "reports/a.html",
        ]:  # ends again just before the first is written
            redriven = step_functions.described["a"]
            redriven["status"] = "SUCCEEDED"
            redriven["stopDate"] += timedelta(minutes=5)
        return put(**arguments)

    monkeypatch.setattr(stack.client("s3"), "put_object", put_late)
    assert tickets("report", "a").exit_code == 0
    assert written.count("reports/a.html") == 2
    monkeypatch.undo()
    assert "Loaded" in stored(stack, "reports/a.html")


# --- announced endings


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("status", "redriven", "announced"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 1, 1),
        ("SUCCEEDED", 1, 0),  # the first ending is announced after the second
    ],
)
def test_an_announced_ending_has_its_page(
    stack: Stack, step_functions: StepFunctions, status: str, redriven: int, announced: int
) -> None:
    step_functions.described["a"] |= {"status": status, "redriveCount": redriven}
    page = pages_of(stack).write_ended(f"{EXECUTION}:a", announced)
    assert page == "s3://work/reports/a.html"
    assert ("Loaded" if status == "SUCCEEDED" else "Failed") in stored(stack, "reports/a.html")


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("status", "redriven", "announced"), [("RUNNING", 0, 0), ("RUNNING", 1, 1), ("FAILED", 0, 1)]
)
def test_an_ending_that_is_not_visible_yet_is_announced_again(
    stack: Stack, step_functions: StepFunctions, status: str, redriven: int, announced: int
) -> None:
    step_functions.described["a"] |= {"status": status, "redriveCount": redriven}
    with pytest.raises(EndNotVisible):
        pages_of(stack).write_ended(f"{EXECUTION}:a", announced)


@pytest.mark.usefixtures("loaded")
def test_an_execution_that_is_gone_or_was_redriven_needs_no_page_now(
    stack: Stack, step_functions: StepFunctions
) -> None:
    step_functions.described["a"] |= {"status": "RUNNING", "redriveCount": 1}
    pages = pages_of(stack)
    assert pages.write_ended(f"{EXECUTION}:a", 0) is None
    assert pages.write_ended(f"{EXECUTION}:gone", 0) is None
    kept = stack.client("s3").list_objects_v2(Bucket="work", Prefix="reports/")["Contents"]
    assert [one["Key"] for one in kept] == ["reports/a.json"]


@pytest.mark.usefixtures("loaded")
def test_the_end_of_a_stopped_execution_outlives_step_functions(
    stack: Stack, step_functions: StepFunctions
) -> None:
    attempts = attempts_of(stack)
    attempts.open(f"{EXECUTION}:a", LoadRequest("uploads", "a.csv"), None, "a")
    step_functions.described["a"] |= {"status": "ABORTED", "cause": "wrong file"}
    pages_of(stack).write_ended(f"{EXECUTION}:a", 0)
    step_functions.forget()
    [kept] = completed(stack, attempts.get_all(["a"]))
    assert (kept.status, kept.error) == ("ABORTED", "The execution was stopped: wrong file")
    assert kept.stopped_at is not None


@pytest.mark.usefixtures("loaded")
def test_an_end_that_the_execution_recorded_stays(
    stack: Stack, step_functions: StepFunctions
) -> None:
    attempts = attempts_of(stack)
    attempts.open(f"{EXECUTION}:a", LoadRequest("uploads", "a.csv"), None, "a")
    attempts.close("a", LOADED, {"rows_read": 5})
    recorded = attempts.get("a")
    pages_of(stack).write_ended(f"{EXECUTION}:a", 0)
    assert attempts.get("a") == recorded
