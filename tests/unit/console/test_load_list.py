"""The list of loads is brought up to date in a few calls, whatever its length."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from ingestion.contracts import LoadRequest
from ingestion.ledger.attempts import Attempts
from ingestion.ledger.loads import Loads
from ingestion.ledger.store import timestamp
from tests.support.step_functions import EXECUTION, StepFunctions
from tickets.console import load_list
from tickets.console.load_list import LoadList, read_loads
from tickets.runs.stack import Stack


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls to AWS, by operation."""
    made: list[str] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined] # not in the stubs

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        made.append(operation)
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    return made


class Ledger:
    """Records loads and attempts as the tasks do."""

    def __init__(self, stack: Stack, step_functions: StepFunctions) -> None:
        self.loads = Loads(stack.client("dynamodb"), "ledger")
        self.attempts = Attempts(stack.client("dynamodb"), "ledger")
        self.step_functions = step_functions

    def begin(self, load: str, name: str = "", ago: timedelta = timedelta()) -> None:
        name = name or load
        self.step_functions.add(name, "RUNNING", ago=ago)
        key = f"{load}.csv"
        url = {"bucket": "uploads", "key": key, "object_url": f"s3://uploads/{key}"}
        request = LoadRequest(bucket="uploads", key=key)
        at = timestamp((datetime.now(UTC) - ago).timestamp())
        self.attempts.open(f"{EXECUTION}:{name}", request, at, load)
        self.loads.open_load(load, url, f"{EXECUTION}:{name}")

    def end(self, load: str, status: str = "SUCCEEDED") -> None:
        self.loads.close_load(load, status, {"rows_read": 7}, load)
        self.end_without_a_record(load, status)

    def end_without_a_record(self, name: str, status: str) -> None:
        end = {"status": status, "stopDate": datetime.now(UTC)}
        self.step_functions.described[name] |= end


@pytest.fixture
def ledger(stack: Stack, step_functions: StepFunctions) -> Ledger:
    return Ledger(stack, step_functions)


def shown(listed: LoadList) -> list[tuple[str, str]]:
    return [(load["key"], load["status"]) for load in listed.loads]


def test_what_executions_do_is_seen(stack: Stack, ledger: Ledger) -> None:
    for name in ("ended", "stopped", "again"):
        ledger.begin(name, ago=timedelta(days=1))
    ledger.end("again", "FAILED")
    first = read_loads(stack, 7, None)
    assert {status for _, status in shown(first)} == {"RUNNING", "FAILED"}
    ledger.end("ended")
    ledger.end_without_a_record("stopped", "ABORTED")
    ledger.begin("again", "again-r1", ago=timedelta(minutes=1))
    ledger.begin("new")
    listed = read_loads(stack, 7, first)
    assert shown(listed)[:2] == [("new.csv", "RUNNING"), ("again.csv", "RUNNING")]
    assert set(shown(listed)[2:]) == {("ended.csv", "SUCCEEDED"), ("stopped.csv", "ABORTED")}
    assert shown(read_loads(stack, 7, listed)) == shown(listed)


def test_a_redriven_execution_is_running_again(
    stack: Stack, step_functions: StepFunctions, ledger: Ledger
) -> None:
    ledger.begin("a", ago=timedelta(days=1))
    ledger.end_without_a_record("a", "TIMED_OUT")
    listed = read_loads(stack, 7, None)
    assert shown(listed) == [("a.csv", "TIMED_OUT")]
    step_functions.described["a"]["status"] = "RUNNING"
    assert shown(read_loads(stack, 7, listed)) == [("a.csv", "RUNNING")]


def test_loads_leave_the_list_when_they_are_too_old(
    stack: Stack, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.begin("old", ago=timedelta(hours=23))
    ledger.end("old")
    ledger.begin("new")
    listed = read_loads(stack, 1, None)
    assert len(listed.loads) == 2
    assert [key for key, _ in shown(read_loads(stack, 0, listed))] == []
    monkeypatch.setattr(load_list, "MAX_LOADS", 1)
    cut = read_loads(stack, 1, None)
    assert (shown(cut), cut.are_all) == ([("new.csv", "RUNNING")], False)
    assert read_loads(stack, 1, cut).are_all is False


@pytest.mark.parametrize("loads", [2, 8, pytest.param(1000, marks=pytest.mark.exhaustive)])
def test_the_number_of_calls_does_not_depend_on_the_number_of_loads(
    stack: Stack, ledger: Ledger, calls: list[str], loads: int
) -> None:
    for number in range(loads):
        name = f"load-{number}"
        ledger.begin(name, ago=timedelta(minutes=60 + 5 * number))
        if number % 3:
            ledger.end(name)
    listed = read_loads(stack, 7, None)
    calls.clear()
    assert len(read_loads(stack, 7, listed).loads) == loads
    # A second query, of the day before, just after midnight.
    assert sorted(calls)[:2] == ["ListExecutions", "Query"]
    assert len(calls) <= 3


def test_many_changes_are_looked_up_in_steps(
    stack: Stack, ledger: Ledger, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_list, "MAX_CHANGED", 2)
    listed = read_loads(stack, 7, None)
    for number in range(5):
        ledger.begin(f"load-{number}")
    lengths = []
    for _ in range(4):
        listed = read_loads(stack, 7, listed)
        lengths.append(len(listed.loads))
    assert lengths == [2, 4, 5, 5]


def test_the_whole_list_is_read_again_from_time_to_time(
    stack: Stack, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.begin("a", ago=timedelta(days=1))
    ledger.end("a")
    listed = read_loads(stack, 7, None)
    ledger.loads.note("a", {"status": "UNDONE"})  # no execution does this
    assert shown(read_loads(stack, 7, listed)) == [("a.csv", "SUCCEEDED")]
    monkeypatch.setattr(load_list, "WHOLE_SECONDS", -1.0)
    assert shown(read_loads(stack, 7, listed)) == [("a.csv", "UNDONE")]
