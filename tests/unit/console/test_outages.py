"""Pages when the stack doesn't answer, and how often it is asked."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, NoCredentialsError

from ingestion.ledger.loads import Loads
from tests.support.console_client import running_console
from tests.support.moto_server import moto_server
from tests.support.running_stack import until
from tests.support.step_functions import ACCEPTED, EXECUTION, StepFunctions
from tickets.cli.console_server import explain
from tickets.console import loads_page, watching
from tickets.console.connection import Connection
from tickets.errors import CommandError
from tickets.runs.stack import Stack


@pytest.fixture
def loaded(stack: Stack, step_functions: StepFunctions) -> Stack:
    """A stack whose ledger has one load."""
    url = {"bucket": "uploads", "key": "a.csv", "object_url": "s3://uploads/a.csv"}
    step_functions.add("a", "RUNNING", [("Task", "Validate File", {**ACCEPTED, "load_id": "a"})])
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("a", url, f"{EXECUTION}:a")
    return stack


def elsewhere(stack: Stack, url: str, timeout: float) -> Stack:
    """The stack, at an endpoint. Step Functions remain the tests' own."""
    clients = {"stepfunctions": stack.client("stepfunctions")}
    return replace(stack.with_timeout(timeout), endpoint_url=url, _clients=clients)


def next_of(events: Iterator[tuple[str, Any]], wanted: str) -> Any:
    return next(data for name, data in events if name == wanted)


# --- an engine that was killed, or hangs


def test_a_killed_engine_shows_as_stale_within_five_seconds(loaded: Stack) -> None:
    with ExitStack() as engine:
        stack = elsewhere(loaded, engine.enter_context(moto_server()), 5.0)
        with running_console(stack) as client:
            events = client.events("/events/loads")
            assert "a.csv" in next_of(events, "page")["html"]
            engine.close()
            killed = time.monotonic()
            said = next_of(events, "stale")
            assert time.monotonic() - killed < 5
            assert said.endswith("seconds old. EndpointConnectionError.")
            assert "a.csv" in client.get("/").text
            assert said[:6] == "Stale:"


@pytest.mark.exhaustive
def test_an_engine_that_hangs_neither_blocks_the_pages_nor_the_end(
    loaded: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loads_page, "FIRST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with running_console(elsewhere(loaded, url, 60.0)) as client:
            began = time.monotonic()
            assert "The stack has not answered yet." in client.get("/").text
            events = client.events("/events/loads")
            said = next_of(events, "stale")
            assert said == "Nothing could be read for 4 seconds. The stack does not answer."
            assert time.monotonic() - began < 5
            ended = time.monotonic()
        assert time.monotonic() - ended < 3
        assert [one for one in caplog.records if one.name == "asyncio"] == []


def test_a_call_without_an_answer_ends_at_its_timeout(loaded: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        stack = elsewhere(loaded, f"http://127.0.0.1:{hanging.getsockname()[1]}", 0.1)
        with running_console(stack) as client:
            said = next_of(client.events("/events/loads"), "stale")
    assert said.endswith(" seconds. ReadTimeoutError.")


# --- throttling and credentials


@pytest.fixture
def refusing(step_functions: StepFunctions) -> Iterator[list[str]]:
    """While the list has an error code, Step Functions answers each call with it."""
    codes: list[str] = []

    def refuse(model: Any, **_: Any) -> Any:
        if not codes:
            return None
        error = {"Error": {"Code": codes[0], "Message": "no"}}
        raise ClientError(error, model.name)  # type: ignore[arg-type]

    events = step_functions.client.meta.events
    events.register_first("before-call.stepfunctions", refuse)
    yield codes
    events.unregister("before-call.stepfunctions", refuse)


def test_pages_survive_throttling(
    loaded: Stack, refusing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.1)
    with running_console(loaded) as client:
        events = client.events("/events/loads/a")
        assert "Running" in next_of(events, "page")["title"]
        refusing.append("ThrottlingException")
        assert next_of(events, "stale").endswith("ClientError.")
        refusing.clear()
        while next_of(events, "stale"):
            pass


def test_a_new_session_is_used_when_the_credentials_have_expired(
    loaded: Stack, refusing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.1)
    renewed = threading.Event()

    def find() -> Stack:
        if not renewed.is_set():
            raise CommandError("still expired")
        refusing.clear()
        return loaded

    with running_console(loaded, find=find) as client:
        events = client.events("/events/loads/a")
        next_of(events, "page")
        refusing.append("ExpiredTokenException")
        assert next_of(events, "stale")
        renewed.set()
        while next_of(events, "stale"):
            pass


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Query")


@pytest.mark.parametrize(
    ("error", "finds"),
    [
        (client_error("ExpiredTokenException"), True),
        (client_error("UnrecognizedClientException"), True),
        (NoCredentialsError(), True),
        (client_error("ThrottlingException"), False),
        (ConnectionError(), False),
    ],
)
def test_the_stack_is_found_again_only_for_new_credentials(
    stack: Stack, error: Exception, finds: bool
) -> None:
    other = stack.with_timeout(1)
    connection = Connection(stack, lambda: other)
    connection.failed(error)
    assert (connection.stack is other) == finds


def test_pages_say_in_a_sentence_why_they_are_stale() -> None:
    assert explain(client_error("ThrottlingException")) == (
        "AWS throttles Query. The console tries again by itself."
    )
    assert explain(client_error("ExpiredTokenException")).startswith("Your AWS session has expired")
    assert explain(ZeroDivisionError("x")) == "ZeroDivisionError: x"


# --- the number of calls


@pytest.mark.parametrize(
    ("path", "once"),
    [
        ("/events/loads", "ListExecutions"),
        pytest.param("/events/loads/a", "DescribeExecution", marks=pytest.mark.exhaustive),
    ],
)
def test_ten_open_pages_cost_as_many_calls_as_one(
    loaded: Stack, monkeypatch: pytest.MonkeyPatch, path: str, once: str
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.3)
    made: list[str] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined] # not in the stubs

    def counted(client: Any, operation: str, arguments: Any) -> Any:
        made.append(operation)
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)

    def calls(pages: int) -> Counter[str]:
        """The calls of the second to fifth reading, while pages are open."""
        with running_console(loaded) as client:
            opened = [client.events(path) for _ in range(pages)]
            for events in opened:
                next_of(events, "page")
            until(lambda: once in made, "the second reading")
            made.clear()
            began = time.monotonic()
            until(lambda: made.count(once) >= 4, "four readings")
            assert time.monotonic() - began > 3 * watching.SECONDS
            return Counter(made)

    one, ten = calls(1), calls(10)
    assert set(one) == set(ten)
    assert abs(one.total() - ten.total()) < 7  # a reading may have begun
    assert ten.total() < 5 * 7


def test_the_page_of_an_execution_that_has_ended_makes_no_further_calls(
    loaded: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.05)
    end = {"status": "SUCCEEDED", "stopDate": datetime.now(UTC) + timedelta(seconds=9)}
    step_functions.described["a"] |= end
    with running_console(loaded) as client:
        assert [name for name, _ in client.events("/events/loads/a")] == ["page", "end"]
        asked: list[Any] = []
        step_functions.client.meta.events.register_first(
            "before-call.stepfunctions", lambda **_: asked.append(1)
        )
        for _ in range(30):
            assert "data-events" not in client.get("/loads/a").text
        assert asked == []
