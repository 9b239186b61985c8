"""`tickets demo`: what it prints and keeps, and its console. The stack is the tests' own."""

import contextlib
import http.client
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.command_line import OUTCOME_KEYS, assert_sentence, lines, tickets
from tests.support.step_functions import StepFunctions, loaded_visits, refused_visits
from tests.support.terminal import on_terminal
from tickets.cli import console_server
from tickets.cli import demo as demo_module
from tickets.runs.stack import Stack

LocalStack = Callable[..., None]


@pytest.fixture
def local_stack(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> LocalStack:
    """Sets the execution `a` that the demo starts, and what happens when it waits for the engine to
    end: Ctrl-C, if nothing else is given."""
    stack.client("s3").delete_object(Bucket="work", Key="reports/a.html")

    def interrupt() -> int:
        raise KeyboardInterrupt

    def begin(
        visits: list[tuple[str, str, Any]],
        status: str = "SUCCEEDED",
        wait: Callable[[], int] = interrupt,
    ) -> None:
        local = contextlib.nullcontext(
            SimpleNamespace(stack=stack, engine=SimpleNamespace(wait=wait))
        )
        monkeypatch.setattr(demo_module, "local_stack", lambda **_: local)
        monkeypatch.setattr("tickets.runs.ingest.execution_name", lambda *_: "a")
        step_functions.add("a", status, visits)

    return begin


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was to open."""
    found: list[str] = []

    def note(url: str) -> bool:
        found.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", note)
    return found


@pytest.mark.parametrize(
    ("visits", "status", "words", "exit_code"),
    [
        (loaded_visits(), "SUCCEEDED", "The file was loaded", 0),
        (refused_visits(), "FAILED", "The file was refused, and nothing was written", 1),
    ],
)
def test_it_ends_with_one_object_and_keeps_page_report_and_refused_rows(
    local_stack: LocalStack,
    visits: list[tuple[str, str, Any]],
    status: str,
    words: str,
    exit_code: int,
) -> None:
    local_stack(visits, status)
    for arguments in (["demo", "--rows", "10", "--json"], ["demo", "rows.csv", "--json"]):
        result = tickets(*arguments)
        assert result.exit_code == exit_code
        (outcome,) = lines(result)
        assert list(outcome) == [*OUTCOME_KEYS, "page"]
        assert Path(outcome["page"]) == Path(".tickets/a/report.html").resolve()
        assert words in Path(outcome["page"]).read_text()
        if exit_code == 0:
            assert Path(outcome["refused_rows"]).read_bytes() == Path("rows.csv").read_bytes()
            assert Path(outcome["report"]) == Path(".tickets/a/report.json").resolve()
    assert Path(".tickets/.gitignore").read_text() == "*\n"
    text = tickets("demo", "--rows", "10").stdout
    assert ("Not loaded" if exit_code else "Loaded: 100 rows read") in text
    assert text.splitlines()[-1] == "The page of the load: .tickets/a/report.html"
    assert "\x1b" not in text


def test_a_terminal_gets_a_link_to_the_page(local_stack: LocalStack) -> None:
    local_stack(loaded_visits())
    shown = on_terminal("demo", "--rows", "10", columns=100)
    assert f";{Path('.tickets/a/report.html').resolve().as_uri()}\x1b\\" in shown


def test_an_interrupted_demo_does_not_say_that_the_load_goes_on(
    local_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    local_stack(loaded_visits())
    monkeypatch.setattr("tickets.cli.progress.follow", interrupt)
    result = tickets("demo", "--rows", "10")
    assert result.exit_code == 130
    assert "goes on" not in result.output


def test_the_console_shows_the_load_and_stays_until_ctrl_c(
    local_stack: LocalStack, opened: list[str]
) -> None:
    answers: list[int] = []

    def wait() -> int:
        url = urllib.parse.urlsplit(opened[0])
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        connection.request("GET", url.path)
        answers.append(connection.getresponse().status)
        raise KeyboardInterrupt

    local_stack(loaded_visits(), wait=wait)
    result = tickets("demo", "--rows", "10", "--console")
    assert result.exit_code == 0
    assert answers == [200]
    [address] = opened
    assert address.endswith("/loads/a")
    shown = result.stdout
    assert (
        shown.index(f"Watch the load: {address}")
        < shown.index("Loaded: 100 rows read")
        < shown.index("until Ctrl-C")
        < shown.index("The page of the load")
    )
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc).connect()


def test_no_browser_is_opened_if_none_is_wanted(local_stack: LocalStack, opened: list[str]) -> None:
    local_stack(refused_visits(), "FAILED")
    result = tickets("demo", "--rows", "10", "--console", "--no-browser")
    assert result.exit_code == 1
    assert opened == []
    assert "Watch the load: http://127.0.0.1:" in result.stdout


def test_where_no_browser_can_be_started_the_address_is_named(
    local_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    local_stack(loaded_visits())
    result = tickets("demo", "--rows", "10", "--console")
    assert "No browser could be started. Open this address: http://127.0.0.1:" in result.stderr


@pytest.mark.usefixtures("opened")
def test_an_engine_that_ends_ends_the_console(local_stack: LocalStack) -> None:
    local_stack(loaded_visits(), wait=lambda: 7)
    result = tickets("demo", "--rows", "10", "--console")
    assert result.exit_code == 2
    assert "The engine ended with code 7" in result.stderr


@pytest.mark.usefixtures("alone")
def test_the_console_is_for_people() -> None:
    assert_sentence(tickets("demo", "--console", "--json"), "can't be used together")


@pytest.mark.usefixtures("alone")
def test_the_console_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_server, "find_spec", lambda module: None)
    assert_sentence(tickets("demo", "--console"), "run `pip install '.[console]'`")


def test_a_console_that_can_not_start_says_why(
    local_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tickets.console.server.run", fail)
    local_stack(loaded_visits())
    result = tickets("demo", "--rows", "10", "--console")
    assert result.exit_code == 2
    assert "Permission denied" in result.stderr
