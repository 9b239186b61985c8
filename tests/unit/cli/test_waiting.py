"""`--wait` of `ingest`, `show` and `replay`: for one load and for many, to the end and beyond."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.dead_letter_queue import graph_letter, send
from tests.support.step_functions import (
    EXECUTION,
    StepFunctions,
    already_loaded_visits,
    loaded_visits,
    refused_visits,
    turn_visits,
)
from tests.support.terminal import on_terminal, without_controls
from tickets.runs import follow
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("stack")
NOW = timedelta()


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Makes files; their executions are called load-000, load-001 and so on."""

    def make(number: int) -> list[str]:
        names = iter(f"load-{at:03d}" for at in range(number))
        monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: next(names))
        files = [f"shop-{at:03d}.csv" for at in range(number)]
        for file in files:
            Path(file).write_bytes(b"ticket_id\n")
        return files

    return make


def interrupted(_seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between polls, which take no time here. After a hundred, the test has failed."""
    slept: list[float] = []

    def pause(seconds: float) -> None:
        slept.append(seconds)
        assert len(slept) < 100

    monkeypatch.setattr("tickets.runs.waiting.time.sleep", pause)
    return slept


def test_many_files_print_only_what_failed_and_the_sums(
    step_functions: StepFunctions, uploads: Callable[[int], list[str]]
) -> None:
    files = uploads(60)
    for at in range(60):
        step_functions.add(f"load-{at:03d}", visits=loaded_visits(), ago=NOW)
    for at in range(10, 18):
        step_functions.add(f"load-{at:03d}", "FAILED", refused_visits(), ago=NOW)
    step_functions.add("load-059", visits=already_loaded_visits(), ago=NOW)
    result = tickets("ingest", *files, "--wait")
    assert result.exit_code == 1
    *shown, summary, following = result.stdout.splitlines()
    assert shown == [
        "Uploaded 60 files to uploads.",
        "Failed: 8 loads: The header has no column store.",
        *(f"  s3://uploads/shop-{at:03d}.csv" for at in range(10, 15)),
        "  ... and 3 more",
    ]
    assert summary.startswith("Loaded 51 of 60 in ")
    assert summary.endswith(
        ", 1 already loaded, 8 failed: 5,100 rows read = 4,947 written + 51 superseded"
        " + 102 refused."
    )
    assert following == "next: tickets dead-letters"


def test_a_few_files_are_all_printed(
    step_functions: StepFunctions, uploads: Callable[[int], list[str]]
) -> None:
    files = uploads(2)
    step_functions.add("load-000", visits=loaded_visits(), ago=NOW)
    step_functions.add("load-001", "FAILED", refused_visits(), ago=NOW)
    shown = tickets("ingest", *files, "--wait").stdout.splitlines()
    assert shown[:4] == [
        "Uploaded s3://uploads/shop-000.csv",
        "  execution load-000",
        "Uploaded s3://uploads/shop-001.csv",
        "  execution load-001",
    ]
    assert shown[4] == "s3://uploads/shop-000.csv"
    assert shown[5].startswith("Loaded: 100 rows read = 97 written")
    assert shown[6:8] == [
        "s3://uploads/shop-001.csv",
        "Not loaded: The header has no column store.",
    ]


def test_quiet_prints_only_failures(
    step_functions: StepFunctions, uploads: Callable[[int], list[str]]
) -> None:
    files = uploads(2)
    step_functions.add("load-000", visits=loaded_visits(), ago=NOW)
    step_functions.add("load-001", visits=loaded_visits(), ago=NOW)
    assert tickets("ingest", *files, "--wait", "--quiet").output == ""
    uploads(2)
    step_functions.add("load-001", "FAILED", refused_visits(), ago=NOW)
    result = tickets("ingest", *files, "--wait", "--quiet")
    assert result.exit_code == 1
    shown = result.output.splitlines()
    assert shown[:2] == [
        "s3://uploads/shop-001.csv",
        "Not loaded: The header has no column store.",
    ]
    assert "load-000" not in result.output


def test_many_files_that_are_not_awaited_are_counted(
    uploads: Callable[[int], list[str]],
) -> None:
    result = tickets("ingest", *uploads(6))
    assert result.stdout == "Uploaded 6 files to uploads.\nnext: tickets executions\n"


def test_the_loads_of_a_terminal_have_one_bar_with_counts_and_the_time_left(
    step_functions: StepFunctions,
    uploads: Callable[[int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = uploads(8)
    for at in range(8):
        step_functions.add(f"load-{at:03d}", visits=loaded_visits(), ago=NOW)
    step_functions.add("load-003", "FAILED", refused_visits(), ago=NOW)
    for at in (6, 7):
        step_functions.add(f"load-{at:03d}", "RUNNING", turn_visits(), ago=NOW)

    def end_others(_seconds: float) -> None:
        for at in (6, 7):
            step_functions.add(f"load-{at:03d}", visits=loaded_visits(), ago=NOW)

    monkeypatch.setattr("tickets.runs.waiting.time.sleep", end_others)
    shown = without_controls(on_terminal("ingest", *files, "--wait", columns=100))
    assert re.search(r"6/8 loads  1 failed  2 running  about 0\.\d s left", shown)
    assert "8/8 files" in shown


@pytest.mark.usefixtures("pauses")
def test_a_timeout_has_an_exit_code_of_its_own_and_names_what_follows_the_load(
    step_functions: StepFunctions, uploads: Callable[[int], list[str]]
) -> None:
    step_functions.add("load-000", "RUNNING", turn_visits(), ago=NOW)
    result = tickets("ingest", *uploads(1), "--wait", "--timeout", "0.01")
    assert result.exit_code == 3
    assert result.stdout.endswith("Still running.\nnext: tickets show load-000 --follow\n")
    files = uploads(6)
    for at in range(1, 5):
        step_functions.add(f"load-{at:03d}", visits=loaded_visits(), ago=NOW)
    result = tickets("ingest", *files, "--wait", "--timeout", "0.01")
    assert result.exit_code == 3
    summary, *following = result.stdout.splitlines()[1:]
    assert summary.startswith("Loaded 4 of 6 in ")
    assert ", 2 still running: 400 rows read" in summary
    assert following == ["2 loads go on.", "next: tickets executions --status RUNNING"]


def test_a_failure_counts_more_than_a_timeout(
    step_functions: StepFunctions, uploads: Callable[[int], list[str]]
) -> None:
    step_functions.add("load-000", "RUNNING", turn_visits(), ago=NOW)
    step_functions.add("load-001", "FAILED", refused_visits(), ago=NOW)
    result = tickets("ingest", *uploads(2), "--wait", "--timeout", "0.01", "--json")
    assert result.exit_code == 1
    assert [one["status"] for one in lines(result)] == ["FAILED", "RUNNING"]


@pytest.mark.parametrize(
    ("files", "words", "following"),
    [
        (1, "The load goes on.", "next: tickets show load-000 --follow"),
        (3, "2 loads go on.", "next: tickets executions --status RUNNING"),
    ],
)
def test_an_interrupt_says_that_the_load_goes_on_and_how_to_follow_it(
    step_functions: StepFunctions,
    uploads: Callable[[int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    files: int,
    words: str,
    following: str,
) -> None:
    monkeypatch.setattr("tickets.runs.waiting.time.sleep", interrupted)
    for at in range(3):
        step_functions.add(f"load-{at:03d}", "RUNNING", turn_visits(), ago=NOW)
    step_functions.add("load-002", visits=loaded_visits(), ago=NOW)
    result = tickets("ingest", *uploads(files), "--wait", "--json")
    assert result.exit_code == 130
    assert result.stderr == f"{words}\n{following}\n"


@pytest.mark.usefixtures("pauses")
def test_an_execution_that_does_not_appear_is_a_failure_of_its_own(
    step_functions: StepFunctions,
    uploads: Callable[[int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follow, "START_TIMEOUT_SECONDS", 0.0)
    step_functions.add("load-001", visits=loaded_visits(), ago=NOW)
    result = tickets("ingest", *uploads(2), "--wait", "--json")
    assert result.exit_code == 1
    missing, loaded = sorted(lines(result), key=lambda one: str(one["key"]))
    assert (missing["status"], loaded["status"]) == ("NOT STARTED", "SUCCEEDED")
    assert "dead-letter queue" in missing["error"]


def test_executions_of_long_ago_are_looked_up_a_few_at_a_time(
    step_functions: StepFunctions, uploads: Callable[[int], list[str]], pauses: list[float]
) -> None:
    """The list of the newest executions does not have them."""
    step_functions.page_size = 1
    step_functions.add("newest", ago=timedelta(hours=1))
    for at in range(7):
        step_functions.add(f"load-{at:03d}", visits=loaded_visits(), ago=timedelta(days=1))
    assert tickets("ingest", *uploads(7), "--wait").exit_code == 0
    assert len(pauses) == 1


def test_an_execution_that_runs_since_long_ago_is_followed_to_its_end(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_functions.page_size = 1
    step_functions.add("newest", ago=timedelta(hours=1))
    for name in ("a", "b"):
        step_functions.add(name, "RUNNING", turn_visits(), ago=timedelta(days=1))
    ends = iter(["b", "a"])

    def end_one(_seconds: float) -> None:
        step_functions.add(next(ends), visits=loaded_visits(), ago=timedelta(days=1))

    monkeypatch.setattr("tickets.runs.waiting.time.sleep", end_one)
    polls = list(follow.follow_several(stack, [f"{EXECUTION}:a", f"{EXECUTION}:b"]))
    assert [poll.ended for poll in polls] == [[], [f"{EXECUTION}:b"], [f"{EXECUTION}:a"]]


def test_a_list_that_is_older_than_a_redrive_ends_nothing(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ListExecutions is eventually consistent."""
    arn = f"{EXECUTION}:a"
    step_functions.add("a", "RUNNING", turn_visits(), ago=NOW)
    monkeypatch.setattr(follow, "_recent_statuses", lambda *_: {arn: "FAILED"})

    def end(_seconds: float) -> None:
        step_functions.add("a", visits=loaded_visits(), ago=NOW)

    monkeypatch.setattr("tickets.runs.waiting.time.sleep", end)
    polls = list(follow.follow_several(stack, [arn]))
    assert [poll.ended for poll in polls] == [[], [arn]]


@pytest.mark.parametrize("word", ["--wait", "--follow"])
@pytest.mark.usefixtures("pauses")
def test_show_follows_a_load_to_its_end(
    step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    step_functions.add("a", "RUNNING", turn_visits(), ago=NOW)

    def fail(_seconds: float) -> None:
        step_functions.add("a", "FAILED", refused_visits(), ago=NOW)

    monkeypatch.setattr("tickets.runs.waiting.time.sleep", fail)
    result = tickets("show", "a", word, "--json")
    assert result.exit_code == 1
    assert [one["status"] for one in lines(result)] == ["FAILED"]
    assert tickets("show", "a").exit_code == 0, "nothing was awaited"


@pytest.mark.usefixtures("empty_queues")
def test_replay_waits_for_the_executions_that_it_starts(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        step_functions.add(name, "FAILED", ago=timedelta(hours=1))
        send(stack, graph_letter(name))

    def end(_seconds: float) -> None:
        step_functions.add("a-r1", visits=loaded_visits(), ago=NOW)
        step_functions.add("b-r1", "FAILED", refused_visits(), ago=NOW)

    monkeypatch.setattr("tickets.runs.waiting.time.sleep", end)
    result = tickets("replay", "--all", "--wait", "--json")
    assert result.exit_code == 1
    found = lines(result)
    assert [(one["kind"], one["execution"]) for one in found] == [
        ("execution", "a-r1"),
        ("execution", "b-r1"),
        ("outcome", "a-r1"),
        ("outcome", "b-r1"),
    ]
    assert [one["status"] for one in found[2:]] == ["SUCCEEDED", "FAILED"]


@pytest.mark.parametrize("command", [["ingest", "rows.csv"], ["show", "a"], ["replay", "--all"]])
def test_a_timeout_needs_wait(command: list[str]) -> None:
    assert_sentence(tickets(*command, "--timeout", "5"), "pass --wait too")
