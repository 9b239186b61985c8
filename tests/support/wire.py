"""An HTTP proxy on 127.0.0.1 that stands between the functions and moto's server, or the embedded
engine, and injects faults.

It forwards every call as it came, signature and Host included, and records all of them. What
becomes of a call is decided by an Action: `Wire.expect` sets one for all calls, `Wire.fault` one
for some of them.
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
    """Whether the connection is closed behind the body, however long it was to be."""
    piece: int = 0
    pause: float = 0
    """The body is sent in pieces of this many bytes, each after a pause (seconds); 0: at once."""

    def pieces(self) -> list[bytes]:
        size = self.piece or max(1, len(self.body))
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]


@dataclass(frozen=True)
class Call:
    """One request. `number` counts from 1 since `Wire.expect`, `operation` is AWS's name for it."""

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
        """Has the call carried out, with another body if one is given."""
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
            # Of a HEAD it is the object's length, and there is no body.
            if length is None or self.method != "HEAD":
                length = str(len(answered))
            return Reply(answer.status, [*headers, ("Content-Length", length)], answered)
        finally:
            connection.close()


Action = Callable[[Call], Reply]
"""What becomes of a call. A ConnectionError closes the connection without a reply."""


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
    """The proxy. `calls` are those since `expect`, in the order in which they came."""

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

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in list(self.calls)]

    def expect(self, action: Action = carry_out) -> None:
        """From now on calls are counted from 1, and the action is taken for each that no fault
        takes. The calls before have been carried out by then, or never will be."""
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
        """Within the block, the action is taken for the calls of an operation, at most `times`.

        A fault that never fires has proved nothing: leaving the block then fails the test.
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
                """Nothing: `calls` is the record."""

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
    """Those that have an item with this value, such as a ticket's number."""
    return lambda call: f'"{value}"'.encode() in call.body


def is_chunk_entry(call: Call) -> bool:
    """Whether a chunk's entry is put into the ledger."""
    return call.operation == "PutItem" and b'"chunk#' in call.body


# ---------------------------------------------------------------- Actions


def lose_reply(call: Call) -> Reply:
    """The call is carried out, and its caller gets no reply."""
    call.forward()
    raise ConnectionError


def cut_body(at: float) -> Action:
    """The reply's body breaks off after this share of its bytes."""

    def action(call: Call) -> Reply:
        reply = call.forward()
        return replace(reply, body=reply.body[: int(len(reply.body) * at)], is_broken=True)

    return action


def slowly(piece: int, pause: float) -> Action:
    """The reply's body comes in pieces of some bytes, each after a pause (seconds)."""
    return lambda call: replace(call.forward(), piece=piece, pause=pause)


def refuse(code: str, status: int = 400, message: str | None = None) -> Action:
    """AWS's reply for an error, in place of carrying the call out."""

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
    """A BatchWriteItem that writes its first `kept` items (half of them by default) and hands the
    others back as unprocessed. Other operations are carried out."""

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
    """Holds a call back until it is let go, or gives it up when its caller is gone."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, call: Call) -> Reply:
        self.reached.set()
        if not self.let_go.wait(MAX_HOLD_SECONDS):
            raise ConnectionError
        return call.forward()


def first(deed: Callable[[], object]) -> Action:
    """Something happens in the world just before the call is carried out."""

    def action(call: Call) -> Reply:
        deed()
        return call.forward()

    return action


def reply_with(
    body: str | bytes, status: int = 200, content_type: str = "application/x-amz-json-1.0"
) -> Reply:
    body = body.encode() if isinstance(body, str) else body
    return Reply(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))], body)
