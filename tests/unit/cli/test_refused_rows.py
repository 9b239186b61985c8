"""`tickets refused`: what a terminal shows, and which files it writes."""

from pathlib import Path
from typing import Any

import pytest

from ingestion.ledger.loads import Loads
from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.step_functions import EXECUTION, RESULT, StepFunctions, loaded_visits
from tests.support.terminal import shown_by
from tickets.runs.stack import Stack

HEADER = b"ticket_id,product,basket_id,timestamp,category,quantity,store\n"
REFUSED = b"T1,a,B1,,,two,\n"


@pytest.fixture(autouse=True)
def load(stack: Stack, step_functions: StepFunctions) -> dict[str, Any]:
    """The load of a file, whose line 2 is refused, in the execution `a`. Returns its facts."""
    body = HEADER + REFUSED
    stored = stack.client("s3").put_object(Bucket="uploads", Key="a.csv", Body=body)
    facts = {
        "bucket": "uploads",
        "key": "a.csv",
        "version_id": stored["VersionId"],
        "etag": stored["ETag"].strip('"'),
        "size": len(body),
    }
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("load-1", facts, f"{EXECUTION}:a")
    loads.close_load("load-1", "SUCCEEDED", RESULT)
    step_functions.add("a", visits=loaded_visits())
    return facts


def test_only_a_terminal_shows_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Value" not in tickets("refused", "a").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "Value" not in tickets("refused", "a").stdout
    [heading, row, _] = shown_by("refused", "a").splitlines()[3:6]
    assert "Value" in heading
    assert "two" in row.split()


def test_lines_of_a_pipe_do_not_end_with_blanks() -> None:
    # The rows of the table are of different lengths, and so are the texts of its first columns.
    shown = tickets("refused", "a").stdout.splitlines()
    assert [line for line in shown if line.endswith(" ")] == []
    assert shown[3] == "Line   Column     Reason         Row"


def test_without_the_object_the_rows_are_listed_all_the_same(
    stack: Stack, load: dict[str, Any]
) -> None:
    stack.client("s3").delete_object(Bucket="uploads", Key="a.csv", VersionId=load["version_id"])
    shown = shown_by("refused", "a")
    assert "Value" not in shown
    assert "bad_quantity" in shown


def test_rows_to_correct_are_saved_and_the_next_command_is_named(stack: Stack) -> None:
    raw = 'line,column,reason,raw\r\n2,quantity,bad_quantity,"T1,a,B1,,,two,"\r\n'
    stack.client("s3").put_object(
        Bucket="work", Key="refused-rows/a/refused-rows.csv", Body=raw.encode()
    )
    result = tickets("refused", "a", "--fixable", "fix.csv")
    assert result.stdout.splitlines() == [
        "Saved fix.csv (1 row): correct them.",
        "next: tickets resubmit a fix.csv",
    ]
    assert Path("fix.csv").read_bytes() == HEADER + REFUSED
    assert lines(tickets("refused", "a", "--fixable", "fix.csv", "--json", "--force")) == [
        {"output": "fix.csv", "rows": 1, "rows_left_out": 0}
    ]


@pytest.mark.parametrize("option", ["--fixable", "--output"])
def test_a_file_is_overwritten_only_with_force(option: str) -> None:
    Path("mine.csv").write_text("mine")
    assert_sentence(tickets("refused", "a", option, "mine.csv"), "pass --force to overwrite it")
    assert Path("mine.csv").read_text() == "mine"


def test_rows_that_were_only_superseded_are_nothing_to_correct(stack: Stack) -> None:
    Loads(stack.client("dynamodb"), "ledger").note("load-1", {"rows_refused": 0})
    assert_sentence(tickets("refused", "a", "--fixable", "fix.csv"), "No rows were refused")
    assert not Path("fix.csv").exists()
