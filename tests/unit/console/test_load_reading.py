"""What the page of a load shows, from one reading to the next."""

import re
from dataclasses import replace
from typing import Any

import boto3
import pytest

from ingestion.ledger.attempts import Attempt
from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import Recorded
from tests.support.known_executions import FAILED, LOADED, chunk
from tests.support.step_functions import MACHINE, StepFunctions
from tickets.console import load_reading
from tickets.console.connection import Connection
from tickets.console.load_reading import LoadReader, LoadShown
from tickets.console.pages import Pages
from tickets.runs.stack import Stack

ATTEMPT = Attempt(
    "week-csv",
    "arn:a",
    "a",
    "uploads",
    "week.csv",
    None,
    "SUCCEEDED",
    "Loaded",
    "2026-11-24T03:00Z",
)


def running(chunks: list[ChunkProgress]) -> Recorded:
    load = {"plan": {"chunks": 4, "data_end": 40}}
    states = LOADED.states[:7]  # up to Write Chunks
    return replace(
        LOADED, status="RUNNING", stopped_at=None, states=states, load=load, chunks=chunks
    )


class Known:
    """What is known of executions. Counts how often it is asked for."""

    def __init__(self) -> None:
        self.now = running([])
        self.asked = 0

    def recorded(self, _: str) -> tuple[Recorded, list[Any]]:
        self.asked += 1
        return self.now, []


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    known = Known()
    monkeypatch.setattr(load_reading, "pages_of", lambda _: known)
    return known


@pytest.fixture(scope="module")
def step_functions() -> StepFunctions:
    return StepFunctions()


@pytest.fixture
def reader(step_functions: StepFunctions) -> LoadReader:
    clients = {"stepfunctions": step_functions.client}
    outputs = {"StateMachineArn": MACHINE}
    stack = Stack("tickets", "eu-west-1", outputs, boto3.Session(), _clients=clients)
    pages = Pages({"stack": "tickets", "where": "here", "allowed": False})
    return LoadReader(Connection(stack), pages)


def figures(shown: LoadShown) -> tuple[str, str, str]:
    """The rows read, and what the figures and the grid say is written."""
    html = shown.part.html
    [rows] = re.findall(r"<b>([\d,]+)</b> rows read", html)
    [written] = re.findall(r"<dt>Written</dt><dd>([^<]*)</dd>", html)
    [grid] = re.findall(r"<figcaption>(\d+ of \d+ chunks)", html)
    return rows, written, grid


def test_an_older_answer_of_the_ledger_changes_nothing(reader: LoadReader, known: Known) -> None:
    known.now = running([chunk(0), chunk(1)])
    first = reader.read("a", None)
    assert figures(first) == ("1,200", "50 %", "2 of 4 chunks")
    assert first.part.title == "Running 50%: week.csv"
    known.now = running([chunk(0)])
    assert figures(reader.read("a", first)) == figures(first)
    # The same when the page is opened again later.
    assert figures(reader.read("a", None)) == figures(first)
    # A replay of the load is another execution, which begins with what is written.
    assert figures(reader.read("a-r1", None))[2] == "1 of 4 chunks"


def test_a_load_with_many_chunks_is_read_more_rarely(
    reader: LoadReader,
    known: Known,
    step_functions: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load_reading, "MANY_CHUNKS", 1)
    step_functions.add("week-csv", "RUNNING")
    arn = step_functions.described["week-csv"]["executionArn"]
    known.now = replace(running([chunk(0), chunk(1)]), execution_arn=arn)
    first = reader.read("week-csv", None)
    assert reader.read("week-csv", first) is first
    assert known.asked == 1
    step_functions.described["week-csv"]["status"] = "FAILED"
    assert reader.read("week-csv", first) is not first
    step_functions.described["week-csv"]["status"] = "RUNNING"
    monkeypatch.setattr(load_reading, "MANY_CHUNKS_SECONDS", -1.0)
    assert reader.read("week-csv", first) is not first


def test_a_load_that_has_ended_shows_no_progress(reader: LoadReader, known: Known) -> None:
    of_load = [replace(ATTEMPT, execution=name) for name in ("week-csv", "week-csv-r1")]
    known.now = replace(LOADED, attempts=of_load)
    shown = reader.read("week-csv", None)
    assert not shown.is_running
    assert 'aria-label="Progress"' not in shown.part.html
    assert 'href="/loads/week-csv/refused"' in shown.part.html
    assert 'href="/loads/week-csv-r1"' in shown.part.html
    assert 'href="/failures"' not in shown.part.html
    known.now = FAILED
    assert 'href="/failures"' in reader.read("week-csv", None).part.html
