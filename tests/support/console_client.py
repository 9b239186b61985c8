"""A console that runs in a thread, and a client that can send any header."""

import http.client
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tickets.console.connection import Connection
from tickets.console.server import run
from tickets.runs.stack import Stack


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class ConsoleClient:
    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Answer:
        return self._send("GET", path, None, headers)

    def head(self, path: str) -> Answer:
        return self._send("HEAD", path, None, {})

    def post(self, path: str, fields: list[tuple[str, str]], **headers: str) -> Answer:
        given = {"Origin": self.origin, **headers}
        given["Content-Type"] = "application/x-www-form-urlencoded"
        return self._send("POST", path, urllib.parse.urlencode(fields), given)

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yields the name and the data of each event, until the server ends the stream."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            name = ""
            for line in connection.getresponse():
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)
        finally:
            connection.close()

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read().decode())
        finally:
            connection.close()


@contextmanager
def running_console(
    stack: Stack, *, allow_changes: bool = False, find: Callable[[], Stack] | None = None
) -> Iterator[ConsoleClient]:
    """Runs a console over the stack. `find` finds it again when credentials have expired."""
    stop, ready, addresses = threading.Event(), threading.Event(), []

    def note(address: str) -> None:
        addresses.append(address)
        ready.set()

    thread = threading.Thread(
        target=run,
        args=(Connection(stack, find), 0),
        kwargs={
            "allow_changes": allow_changes,
            "explain": lambda error: f"{type(error).__name__}.",
            "ready": note,
            "stop": stop,
        },
    )
    thread.start()
    try:
        assert ready.wait(20)
        yield ConsoleClient(int(urllib.parse.urlsplit(addresses[0]).port or 0))
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
