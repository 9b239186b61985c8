"""How lists look: on terminals of several widths, in a pipe, and with FORCE_COLOR and NO_COLOR."""

from datetime import timedelta

import pytest

from ingestion.ledger.loads import Loads
from tests.support.command_line import tickets
from tests.support.step_functions import (
    EXECUTION,
    RESULT,
    StepFunctions,
    failed_visits,
    loaded_visits,
)
from tests.support.terminal import on_terminal, shown_by, without_controls
from tickets.runs.stack import Stack

SHORT = "tickets-csv-0f3a"
LONG = "shops-lyon-2026-11-26-evening-corrected-second-delivery-csv-0123456789abcdef-r12"

pytestmark = pytest.mark.usefixtures("stack", "in_paris")


@pytest.fixture
def listed(step_functions: StepFunctions) -> None:
    """Two executions: one with a name of 80 characters, the longest that AWS allows."""
    assert len(LONG) == 80
    step_functions.add(LONG, "FAILED", ago=timedelta(hours=1))
    step_functions.add(SHORT, "RUNNING", ago=timedelta(hours=2))


def lines(*arguments: str, columns: int) -> list[str]:
    return [line.rstrip() for line in shown_by(*arguments, columns=columns).splitlines()]


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("columns", [60, 80, 100])
def test_a_long_name_has_a_line_of_its_own_if_the_rest_does_not_fit(columns: int) -> None:
    name, facts, other, _ = lines("executions", columns=columns)
    assert (name, other) == (LONG, SHORT)
    assert facts.split()[0] == "FAILED"
    assert facts.startswith("  FAILED   20")
    assert facts.endswith(" CET   1 min 00 s") or facts.endswith(" CEST   1 min 00 s")


def test_times_are_not_folded_to_make_room_for_a_name(step_functions: StepFunctions) -> None:
    step_functions.add(LONG[:50], "FAILED", ago=timedelta(hours=1))
    assert len(lines("executions", columns=100)) == 2


@pytest.mark.usefixtures("listed")
def test_a_wide_terminal_has_one_line_per_execution() -> None:
    header, first, second = lines("executions", columns=160)
    assert header.split() == ["Execution", "Status", "Ending", "Started", "Duration"]
    assert first.startswith(f"{LONG}   FAILED ")
    assert second.startswith(f"{SHORT} ")


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_pipe_gets_one_line_per_execution(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    _, first, second = tickets("executions").stdout.splitlines()
    assert first.startswith(f"{LONG}   FAILED ")
    assert second.startswith(f"{SHORT} ")


def test_a_load_is_one_line_in_a_pipe_and_a_few_on_a_terminal(stack: Stack) -> None:
    loads = Loads(stack.client("dynamodb"), "ledger")
    file = {"bucket": "uploads", "key": "two\nlines.csv", "version_id": "v1", "size": 9}
    facts = {"object_url": "s3://uploads/two\nlines.csv", "etag": "e"}
    loads.open_load("one", file | facts, f"{EXECUTION}:one")
    loads.close_load("one", "SUCCEEDED", RESULT)
    [line] = tickets("loads").stdout.splitlines()
    assert line.startswith("two\u2424lines.csv  SUCCEEDED  one  started 20")
    assert "  100 rows read = 97 written" in line
    assert "\n  100 rows read = 97 written" in shown_by("loads")


@pytest.mark.usefixtures("listed")
def test_a_pipe_has_colors_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tickets("executions").stdout
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    colored = tickets("executions").stdout
    assert "\x1b[31mFAILED " in colored
    assert without_controls(colored) == plain  # and the layout of a pipe
    monkeypatch.setenv("NO_COLOR", "1")
    assert tickets("executions").stdout == plain


@pytest.mark.usefixtures("listed")
def test_a_terminal_has_colors_unless_told_otherwise() -> None:
    assert "\x1b[31mFAILED\x1b[0m" in on_terminal("executions", columns=80)
    assert "\x1b" not in on_terminal("executions", columns=80, environment={"NO_COLOR": "1"})


@pytest.mark.parametrize("columns", [60, 80])
def test_a_sentence_is_wrapped_in_its_column_and_states_are_whole(
    step_functions: StepFunctions, columns: int
) -> None:
    step_functions.add("a", "FAILED", failed_visits(), error="LoadFailed")
    shown = lines("show", "a", columns=columns)
    start = shown.index(next(line for line in shown if line.startswith("State ")))
    table = shown[start : shown.index("", start)]
    assert all(len(line) <= columns for line in table)
    assert any(line.startswith("Validate File ") for line in table)


def test_a_command_to_copy_is_on_one_line(step_functions: StepFunctions) -> None:
    step_functions.add(LONG, visits=loaded_visits())
    assert f"tickets refused {LONG}" in on_terminal("show", LONG, columns=60)
    assert f"tickets report {LONG} --open" in on_terminal("show", LONG, columns=60)
