"""Refused rows are corrected and loaded, with the `tickets` command only."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tickets.cli.app import app
from tickets.runs.dead_letters import held_dead_letters

pytestmark = [pytest.mark.usefixtures("command_finds_stack"), pytest.mark.exhaustive]

TIME = "2026-03-01T12:00:00Z"


def tickets(*arguments: str, exit_code: int = 0) -> list[str]:
    """The lines that the command prints."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == exit_code, result.output
    return result.output.splitlines()


def has_dead_letter(stack: RunningStack, name: str) -> bool:
    with held_dead_letters(stack.names) as letters:
        return any(letter.name == name for letter in letters.executions)


def test_ten_percent_bad_rows_are_corrected_and_loaded(stack: RunningStack, tmp_path: Path) -> None:
    file = TicketFile("resubmit").rows(900)
    for number in range(100):
        row = f"{{}}-b{number:02},Soap,B1,{TIME},Home,two,Lyon"
        file.refused(row, "quantity", "bad_quantity")
    execution = stack.load("resubmit/week.csv", file.body)
    assert execution["status"] == "FAILED"
    name = execution["name"]
    until(lambda: has_dead_letter(stack, name), "the dead letter")
    assert "Failed loads: 1" in tickets("status", exit_code=1)

    fix = tmp_path / "fix.csv"
    assert tickets("refused", name)[0].startswith("100 bad_quantity  quantity  ")
    saved = tickets("refused", name, "--fixable", str(fix))
    assert saved[-1] == f"next: tickets resubmit {name} {fix}"
    fix.write_text(fix.read_text().replace(",two,", ",2,"))
    resubmitted = tickets("resubmit", name, str(fix), "--reason", "The till wrote words.")

    assert "Loaded: 100 rows read = 100 written + 0 superseded + 0 refused" in resubmitted[2]
    assert not has_dead_letter(stack, name)
    items = stack.items_of(file.name)
    assert len(items) == 1000
    assert {int(items[f"resubmit-b{number:02}", "Soap"]["quantity"]) for number in range(100)} == {
        2
    }
    [entry] = [one for one in stack.ledger(name).values() if one.get("action") == "resubmit"]
    assert (entry["reason"], entry["by"][:4]) == ("The till wrote words.", "arn:")
    again = tickets("resubmit", name, str(fix), "--json")
    assert json.loads(again[0])["ending"] == "Already Loaded"


def test_rows_of_an_earlier_version_are_refused(stack: RunningStack, tmp_path: Path) -> None:
    first = TicketFile("superseding").rows(40)
    first.refused(f"{{}}-b01,Soap,B1,{TIME},Home,two,Lyon", "quantity", "bad_quantity")
    execution = stack.load("resubmit/twice.csv", first.body)
    assert execution["status"] == "SUCCEEDED"
    stack.load("resubmit/twice.csv", TicketFile("superseding").rows(10).body)
    (tmp_path / "fix.csv").write_bytes(first.body)
    [refused] = tickets("resubmit", execution["name"], str(tmp_path / "fix.csv"), exit_code=2)
    assert "A later version of s3://" in refused
