"""The page with the rows of a load that are not in the table."""

import time
from collections.abc import Iterator

import pytest

from ingestion.contracts import RefusedRow
from ingestion.csv_files.refused_rows import csv_lines
from tests.support.console_client import ConsoleClient, running_console
from tests.support.step_functions import ACCEPTED, RESULT, StepFunctions
from tickets.runs.stack import Stack

EVIL = "</td><script>alert(1)</script>\x00\x1b[31m\u202e\ufffd\\xff"


@pytest.fixture
def client(stack: Stack) -> Iterator[ConsoleClient]:
    with running_console(stack) as client:
        yield client


def list_rows(
    stack: Stack, step_functions: StepFunctions, execution: str, rows: list[RefusedRow]
) -> None:
    """Adds an execution with a list of refused rows."""
    key = f"refused-rows/{execution}/refused-rows.csv"
    stack.client("s3").put_object(Bucket="work", Key=key, Body=b"".join(csv_lines(rows)))
    visits = [
        ("Task", "Validate File", {**ACCEPTED, "load_id": "a"}),
        ("Task", "Reconcile", {"result": {**RESULT, "refused_rows": f"s3://work/{key}"}}),
        ("Succeed", "Loaded", {}),
    ]
    step_functions.add(execution, "SUCCEEDED", visits)


def row(line: int, reason: str = "bad_quantity", raw: str = "") -> RefusedRow:
    return RefusedRow(line, "quantity", reason, raw or f"row {line}.")


def test_rows_are_paged(stack: Stack, step_functions: StepFunctions, client: ConsoleClient) -> None:
    list_rows(stack, step_functions, "a", [row(line) for line in range(2, 252)])
    first = client.get("/loads/a/refused").text
    assert "Rows 1 to 100" in first
    assert "row 2." in first
    assert "row 102." not in first
    last = client.get("/loads/a/refused?page=3").text
    assert "Rows 201 to 250" in last
    assert "row 251." in last
    assert "Next" not in last
    assert "Rows 101 to 200" in client.get("/loads/a/refused?page=2").text
    for number in ("0", "-1", "x", "%C2%B2", "9" * 5000):
        assert "Rows 1 to 100" in client.get(f"/loads/a/refused?page={number}").text


def test_rows_are_filtered_by_the_reasons_that_there_are(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    rows = [row(line, "superseded" if line % 3 else "bad_quantity") for line in range(2, 302)]
    list_rows(stack, step_functions, "a", rows)
    shown = client.get("/loads/a/refused?reason=bad_quantity").text
    assert '<option value="superseded">superseded (200)</option>' in shown
    assert '<option value="bad_quantity" selected>bad_quantity (100)</option>' in shown
    assert "row 3." in shown
    assert "row 300." in shown
    assert "row 4." not in shown
    assert "the quantity is not a whole number" in shown
    assert "No such rows." in client.get("/loads/a/refused?reason=%3Cb%3E").text


def test_each_execution_has_the_rows_of_its_own(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    list_rows(stack, step_functions, "a", [row(2)])
    list_rows(stack, step_functions, "a-r1", [row(3)])
    assert "row 2." in client.get("/loads/a/refused").text
    assert "row 3." not in client.get("/loads/a/refused").text
    assert "row 3." in client.get("/loads/a-r1/refused").text


def test_any_text_is_shown_and_none_is_run(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    list_rows(stack, step_functions, "a", [RefusedRow(2, EVIL, EVIL, EVIL)])
    shown = client.get("/loads/a/refused").text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;␀␛[31m" in shown
    assert "\x00" not in shown


def test_the_page_says_why_there_are_no_rows(
    step_functions: StepFunctions, client: ConsoleClient
) -> None:
    step_functions.add("a", "RUNNING")
    assert "The load is still running" in client.get("/loads/a/refused").text
    answer = client.get("/loads/unknown/refused")
    assert answer.status == 404
    assert "Stack tickets has no execution unknown." in answer.text


@pytest.mark.exhaustive
def test_the_first_page_of_many_rows_does_not_wait_for_the_others(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    list_rows(stack, step_functions, "a", [row(line, raw="x" * 100) for line in range(200_000)])
    client.get("/loads/a/refused?page=2")
    began = time.monotonic()
    assert "Rows 1 to 100" in client.get("/loads/a/refused").text
    assert time.monotonic() - began < 2
