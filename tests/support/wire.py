"""A forwarding proxy on 127.0.0.1, for what microburst can't do to a call.

It stands between the functions and DynamoDB or S3 (moto's server or the embedded engine), passes
every call on as it came, signature and Host included, and keeps a record of all of them. A fault
takes hold of single calls: it may lose the reply after the write has landed, hand items back as
unprocessed, hold a call until the test lets it go, or refuse it.
"""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_HELD_AT_MOST_SECONDS = 60.0
_HOP_BY_HOP = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}


class Call(NamedTuple):
    """One request. `operation` is DynamoDB's name for it, or the HTTP method for S3."""

    operation: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    peer_port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    broken: bool = False
    """Whether the connection is closed behind the body, however long it was to be."""
    piece: int = 0
    pause: float = 0
    """The body is sent in pieces of so many bytes, so many seconds before each; 0 is at once."""

    def pieces(self) -> list[bytes]:
        size = self.piece or max(1, len(self.body))
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]


class LostReply(Exception):
    """The connection is closed and the caller hears nothing."""


Forward = Callable[[Call], Reply]
Action = Callable[[Call, Forward], Reply]


@dataclass
class Fault:
    operation: str
    action: Action
    where: Callable[[Call], bool]
    times: int | None
    fired: list[Call] = field(default_factory=list)

    def takes(self, call: Call) -> bool:
        return (
            call.operation == self.operation
            and (self.times is None or len(self.fired) < self.times)
            and self.where(call)
        )


class Wire:
    """The proxy; `calls` are all that it has seen."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._detour: str | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._faults: list[Fault] = []
        self.calls: list[Call] = []
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_port}"

    @classmethod
    @contextlib.contextmanager
    def before(cls, upstream: str) -> Iterator["Wire"]:
        """A wire to the server at a URL, until the block is left."""
        wire = cls(upstream)
        thread = threading.Thread(target=wire._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield wire
        finally:
            wire._closed.set()
            wire._server.shutdown()
            wire._server.server_close()
            thread.join()

    def count(self, operation: str) -> int:
        return sum(call.operation == operation for call in list(self.calls))

    @contextlib.contextmanager
    def fault(
        self,
        operation: str,
        action: Action,
        where: Callable[[Call], bool] = lambda call: True,
        times: int | None = None,
    ) -> Iterator[Fault]:
        """Within the block, the action is done to the calls of an operation, at most `times`.

        A fault that never fires has proved nothing: leaving the block then fails the test.
        """
        fault = Fault(operation, action, where, times)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)
        assert fault.fired, f"no {operation} came by"

    @contextlib.contextmanager
    def by_way_of(self, proxy: str) -> Iterator[None]:
        """Within the block, calls take their way by another proxy, at a URL.

        HEAD does not: microburst 0.10 drops Content-Length, which is all that a HEAD is about.
        """
        self._detour = urlsplit(proxy).netloc
        try:
            yield
        finally:
            self._detour = None

    def _answer(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            fault = next((one for one in self._faults if one.takes(call)), None)
            if fault:
                fault.fired.append(call)
        return fault.action(call, self._forward) if fault else self._forward(call)

    def _forward(self, call: Call) -> Reply:
        detour = self._detour if call.method != "HEAD" else None
        connection = http.client.HTTPConnection(detour or self._upstream, timeout=60)
        try:
            connection.putrequest(call.method, call.path, skip_host=True, skip_accept_encoding=True)
            for name, value in call.headers:
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(call.body)))
            connection.endheaders(call.body)
            answer = connection.getresponse()
            body = answer.read()
            length = answer.getheader("Content-Length")
            headers = [one for one in answer.getheaders() if one[0].lower() not in _HOP_BY_HOP]
            # Of a HEAD it is the object's length, and there is no body.
            if length is None or call.method != "HEAD":
                length = str(len(body))
            return Reply(answer.status, [*headers, ("Content-Length", length)], body)
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # otherwise each reply takes 40 ms

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target = self.headers.get("X-Amz-Target", "")
                call = Call(
                    target.rpartition(".")[2] or self.command,
                    self.command,
                    self.path,
                    self.headers.items(),
                    body,
                    self.client_address[1],
                )
                try:
                    reply = wire._answer(call)
                    self.send_response_only(reply.status)
                    for name, value in reply.headers:
                        self.send_header(name, value)
                    self.end_headers()
                    for piece in reply.pieces():
                        wire._closed.wait(reply.pause)
                        self.wfile.write(piece)
                    self.close_connection = self.close_connection or reply.broken
                except (LostReply, OSError):  # the second: the caller, or the server, has gone
                    self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                """`calls` is the record."""

        return Handler


# --- which calls


def names(ticket: str) -> Callable[[Call], bool]:
    """Those that have an item of this ticket."""
    return lambda call: f'"{ticket}"'.encode() in call.body


def is_chunk_entry(call: Call) -> bool:
    """Whether a chunk's entry is put into the ledger."""
    return call.operation == "PutItem" and b'"chunk#' in call.body


# --- what may be done to a call


def lose_reply(call: Call, forward: Forward) -> Reply:
    """The call is done, and its caller never hears of it."""
    forward(call)
    raise LostReply


def cut_body(at: float) -> Action:
    """The reply's body breaks off after this share of its bytes."""

    def action(call: Call, forward: Forward) -> Reply:
        reply = forward(call)
        return reply._replace(body=reply.body[: int(len(reply.body) * at)], broken=True)

    return action


def slowly(piece: int, pause: float) -> Action:
    """The reply's body comes in small pieces, each after a pause (seconds)."""
    return lambda call, forward: forward(call)._replace(piece=piece, pause=pause)


def refuse(code: str, status: int = 400) -> Action:
    """DynamoDB's answer for an error, in place of doing the call."""

    def action(call: Call, forward: Forward) -> Reply:
        body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code})
        headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(body))),
        ]
        return Reply(status, headers, body.encode())

    return action


def hand_back_all_but(kept: int) -> Action:
    """BatchWriteItem that writes only so many of its items and hands the others back."""

    def action(call: Call, forward: Forward) -> Reply:
        request = call.json
        [(table, items)] = request["RequestItems"].items()
        left = items[kept:]
        if kept:
            request["RequestItems"] = {table: items[:kept]}
            reply = forward(call._replace(body=json.dumps(request).encode()))
            assert reply.status == 200, reply
        body = json.dumps({"UnprocessedItems": {table: left} if left else {}}).encode()
        headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(body))),
        ]
        return Reply(200, headers, body)

    return action


class Hold:
    """Holds a call back until it is let go, or gives it up when its caller is gone."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, call: Call, forward: Forward) -> Reply:
        self.reached.set()
        if not self.let_go.wait(_HELD_AT_MOST_SECONDS):
            raise LostReply
        return forward(call)


def first(deed: Callable[[], object]) -> Action:
    """Something happens in the world just before the call goes on its way."""

    def action(call: Call, forward: Forward) -> Reply:
        deed()
        return forward(call)

    return action
