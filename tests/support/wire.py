"""An HTTP proxy on 127.0.0.1 between the functions and moto's server, or the embedded engine. It
injects faults.

It forwards every call unchanged, including its signature and Host, and records it. An Action
decides what happens to a call: `Wire.expect` sets one for all calls, `Wire.fault` one for some of
them.
"""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
MAX_HOLD_SECONDS = 60.0
MAX_CALL_SECONDS = 10.0
_HOP_BY_HOP = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    is_broken: bool = False
    """Whether the connection is closed after the body, even if Content-Length is larger."""
    piece: int = 0
    pause: float = 0
    """The body is sent in pieces of `piece` bytes, each after a pause of `pause` seconds. If
    `piece` is 0, it is sent at once."""

    def pieces(self) -> list[bytes]:
        size = self.piece or max(1, len(self.body))
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]


@dataclass(frozen=True)
class Call:
    """One request. `number` counts from 1 since `Wire.expect`, `operation` is AWS's name of the
    operation."""

    number: int
    operation: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    peer_port: int
    _upstream: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_s3(self) -> bool:
        return not any(name.lower() == "x-amz-target" for name, _ in self.headers)

    def forward(self, body: bytes | None = None) -> Reply:
        """Sends the call to the server and returns its reply. `body` replaces the call's body."""
        body = self.body if body is None else body
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers:
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            answered = answer.read()
            length = answer.getheader("Content-Length")
            headers = [one for one in answer.getheaders() if one[0].lower() not in _HOP_BY_HOP]
            # The reply to a HEAD has the object's length, but no body.
            if length is None or self.method != "HEAD":
                length = str(len(answered))
            return Reply(answer.status, [*headers, ("Content-Length", length)], answered)
        finally:
            connection.close()


Action = Callable[[Call], Reply]
"""Handles a call and returns the reply. If it raises ConnectionError, the connection is closed
without a reply."""


def carry_out(call: Call) -> Reply:
    return call.forward()


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
    """The proxy. `calls` are the calls since `expect`, in the order in which they arrived."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._under_way = 0
        self._action: Action = carry_out
        self._faults: list[Fault] = []
        self.calls: list[Call] = []
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://{HOST}:{self.port}"

    @classmethod
    @contextlib.contextmanager
    def before(cls, upstream: str) -> Iterator["Wire"]:
        """Runs a wire to the server at the URL `upstream` within the block."""
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

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in list(self.calls)]

    def expect(self, action: Action = carry_out) -> None:
        """Waits until earlier calls have ended. Then counts calls from 1 again, and applies the
        action to all calls that no fault applies to."""
        with self._changed:
            settled = self._changed.wait_for(lambda: not self._under_way, MAX_CALL_SECONDS)
            assert settled, "a call hangs"
            self._action = action
            self.calls = []

    @contextlib.contextmanager
    def fault(
        self,
        operation: str,
        action: Action,
        where: Callable[[Call], bool] = lambda call: True,
        times: int | None = None,
    ) -> Iterator[Fault]:
        """Within the block, applies the action to calls of an operation.

        where: selects some of these calls.
        times: the most calls to apply it to; None for all.
        A fault that never fires proves nothing, so the end of the block then fails the test.
        """
        fault = Fault(operation, action, where, times)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            self._faults.remove(fault)
        assert fault.fired, f"no {operation} came by"

    def _reply(self, request: BaseHTTPRequestHandler) -> Reply:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._changed:
            call = Call(
                len(self.calls) + 1,
                _operation(request),
                request.command,
                request.path,
                request.headers.items(),
                body,
                request.client_address[1],
                self._upstream,
            )
            self._under_way += 1
            self.calls.append(call)
            fault = next((one for one in self._faults if one.takes(call)), None)
            action = fault.action if fault else self._action
            if fault:
                fault.fired.append(call)
        try:
            return action(call)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # otherwise each reply takes 40 ms

            def handle_any(self) -> None:
                try:
                    reply = wire._reply(self)
                    self.send_response_only(reply.status)
                    for name, value in reply.headers:
                        self.send_header(name, value)
                    self.end_headers()
                    for piece in reply.pieces():
                        wire._closed.wait(reply.pause)
                        self.wfile.write(piece)
                    self.close_connection = self.close_connection or reply.is_broken
                except (
                    OSError
                ):  # ConnectionError among them: a lost reply, or a caller that is gone
                    self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                """Logs nothing: `calls` is the record."""

        return Handler


def _operation(request: BaseHTTPRequestHandler) -> str:
    if target := request.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    query = parse_qs(urlsplit(request.path).query, keep_blank_values=True)
    for method, word, name in (
        ("GET", "versions", "ListObjectVersions"),
        ("GET", "list-type", "ListObjectsV2"),
        ("POST", "uploads", "CreateMultipartUpload"),
        ("PUT", "uploadId", "UploadPart"),
        ("POST", "uploadId", "CompleteMultipartUpload"),
    ):
        if request.command == method and word in query:
            return name
    names = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}
    return names.get(request.command, request.command)


# ---------------------------------------------------------------- Which calls


def names(value: str) -> Callable[[Call], bool]:
    """Selects calls whose body contains this text as a JSON string, such as a ticket's number."""
    return lambda call: f'"{value}"'.encode() in call.body


def is_chunk_entry(call: Call) -> bool:
    """Whether a chunk's entry is put into the ledger."""
    return call.operation == "PutItem" and b'"chunk#' in call.body


# ---------------------------------------------------------------- Actions


def lose_reply(call: Call) -> Reply:
    """Carries the call out, but gives its caller no reply."""
    call.forward()
    raise ConnectionError


def cut_body(at: float) -> Action:
    """Breaks the reply's body off after this fraction of its bytes."""

    def action(call: Call) -> Reply:
        reply = call.forward()
        return replace(reply, body=reply.body[: int(len(reply.body) * at)], is_broken=True)

    return action


def slowly(piece: int, pause: float) -> Action:
    """Sends the reply's body in pieces of `piece` bytes, each after `pause` seconds."""
    return lambda call: replace(call.forward(), piece=piece, pause=pause)


def refuse(code: str, status: int = 400, message: str | None = None) -> Action:
    """Replies with an error of AWS in place of carrying the call out."""

    def action(call: Call) -> Reply:
        text = code if message is None else message
        if call.is_s3:
            body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
            return reply_with("" if call.method == "HEAD" else body, status, "application/xml")
        return reply_with(json.dumps({"__type": f"com.amazonaws#{code}", "message": text}), status)

    return action


def denied(call: Call) -> Reply:
    error = ("AccessDenied", 403) if call.is_s3 else ("AccessDeniedException", 400)
    return refuse(*error)(call)


def unavailable(call: Call) -> Reply:
    error = ("SlowDown", 503) if call.is_s3 else ("InternalServerError", 500)
    return refuse(*error)(call)


def throttled(call: Call) -> Reply:
    throughput = ("ProvisionedThroughputExceededException", 400)
    return refuse(*(("SlowDown", 503) if call.is_s3 else throughput))(call)


def hand_back(kept: int | None = None) -> Action:
    """Makes a BatchWriteItem write only its first `kept` items (half of them by default) and return
    the others as unprocessed. Carries other operations out."""

    def action(call: Call) -> Reply:
        if call.operation != "BatchWriteItem":
            return call.forward()
        [(table, items)] = call.json["RequestItems"].items()
        count = len(items) // 2 if kept is None else kept
        if count:
            reply = call.forward(json.dumps({"RequestItems": {table: items[:count]}}).encode())
            assert reply.status == 200, reply
        left = {table: items[count:]} if items[count:] else {}
        return reply_with(json.dumps({"UnprocessedItems": left}))

    return action


class Hold:
    """Holds a call back until `let_go` is set. After MAX_HOLD_SECONDS, drops it without a reply."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, call: Call) -> Reply:
        self.reached.set()
        if not self.let_go.wait(MAX_HOLD_SECONDS):
            raise ConnectionError
        return call.forward()


def first(deed: Callable[[], object]) -> Action:
    """Runs `deed` just before the call is carried out."""

    def action(call: Call) -> Reply:
        deed()
        return call.forward()

    return action


def reply_with(
    body: str | bytes, status: int = 200, content_type: str = "application/x-amz-json-1.0"
) -> Reply:
    body = body.encode() if isinstance(body, str) else body
    return Reply(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))], body)
