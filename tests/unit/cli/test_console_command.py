"""`tickets console`: how the command starts and ends."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.running_stack import until
from tickets import ROOT
from tickets.console import server
from tickets.runs import connect
from tickets.runs.stack import Stack

STACK = Stack("tickets", "eu-west-1", {}, boto3.Session("test", "test", region_name="eu-west-1"))


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "find_stack", lambda *_: STACK)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were opened in a browser. The console ends when it has opened one."""
    opened: list[str] = []

    def run(*_: Any, ready: Callable[[str], None], **__: Any) -> None:
        ready("http://127.0.0.1:8000/")
        until(lambda: opened, "the browser")

    def open_(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(server, "run", run)
    monkeypatch.setattr(webbrowser, "open", open_)
    return opened


def test_the_address_is_printed_and_opened(opened: list[str]) -> None:
    result = tickets("console")
    assert result.stdout == "http://127.0.0.1:8000/  (Ctrl-C ends the console)\n"
    assert opened == ["http://127.0.0.1:8000/"]


def test_no_browser_is_opened_if_that_is_wanted(opened: list[str]) -> None:
    opened.append("none")
    result = tickets("console", "--no-browser", "--json")
    assert lines(result) == [{"address": "http://127.0.0.1:8000/"}]
    assert opened == ["none"]


@pytest.mark.parametrize("raises", [True, False])
def test_a_missing_browser_is_no_failure(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, raises: bool
) -> None:
    printed: list[str] = []

    def no_browser(_: str) -> bool:
        if raises:
            raise webbrowser.Error
        return False

    def print_error(text: str) -> None:
        printed.append(text)
        opened.append("none")

    monkeypatch.setattr(webbrowser, "open", no_browser)
    monkeypatch.setattr("tickets.cli.browser.print_error", print_error)
    assert tickets("console").exit_code == 0
    assert printed == ["No browser could be started. Open this address: http://127.0.0.1:8000/"]


def test_a_port_in_use_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = tickets("console", "--no-browser", "--port", str(port))
    assert_sentence(result, f"Port {port} is in use: pass another one with --port")


def test_missing_packages_are_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypercorn", None)
    result = tickets("console")
    assert_sentence(result, "run `pip install '.[console]'` in the project's folder")


_SERVE = """
import boto3, sys
from tickets.console.connection import Connection
from tickets.console.server import run
from tickets.runs.stack import REQUIRED_OUTPUTS, Stack
session = boto3.Session("a", "b", region_name="eu-west-1")
stack = Stack("tickets", "eu-west-1", dict.fromkeys(REQUIRED_OUTPUTS, "x"), session, sys.argv[1])
run(Connection(stack), 0, allow_changes=False, explain=str, ready=print)
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_console_at_once_although_pages_are_open(
    number: signal.Signals,
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as hanging,
        subprocess.Popen(
            [sys.executable, "-u", "-c", _SERVE, f"http://127.0.0.1:{hanging.getsockname()[1]}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as console,
    ):
        assert console.stdout
        assert console.stderr
        address = console.stdout.readline().strip()
        opened = [
            urllib.request.urlopen(address + path, timeout=10)  # noqa: S310 - the console's
            for path in ("events/loads", "events/loads/a", "console.js")
        ]
        began = time.monotonic()
        console.send_signal(number)
        assert console.wait(10) == 0
        assert time.monotonic() - began < 2
        assert console.stderr.read() == ""
        for one in opened:
            one.close()
