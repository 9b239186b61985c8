"""moto behind a server of the tests' own, on the loopback interface: it sees each call as it comes
over the wire, whichever client sends it, and a test decides what becomes of it.

moto's server shares its backends with ``mock_aws`` in the same process, so what a handler does
through the wire is what the test sees without it.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import MotoRequestHandler
from werkzeug.serving import make_server

SETTLED_WITHIN_SECONDS = 10


class Answer(NamedTuple):
    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Call(NamedTuple):
    """One call: its number since ``Wire.expect`` (from 1), the operation's name as AWS has it,
    its body, and how to let moto carry it out (with another body, if one is given)."""

    number: int
    operation: str
    body: bytes
    forward: Callable[..., Answer]


Rule = Callable[[Call], Answer]
"""What becomes of a call. A ConnectionError cuts the connection without an answer."""


def carry_out(call: Call) -> Answer:
    return call.forward()


class Wire:
    """The server's state. ``operations`` are the calls since ``expect``, as they came."""

    def __init__(self) -> None:
        self.url = ""
        self.operations: list[str] = []
        self._rule: Rule = carry_out
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._changed = threading.Condition()
        self._under_way = 0

    def expect(self, rule: Rule = carry_out) -> None:
        """From now on this rule holds, and calls are counted from 1. What came under the rule
        before has been carried out, or never will be."""
        with self._changed:
            settled = self._changed.wait_for(lambda: not self._under_way, SETTLED_WITHIN_SECONDS)
            assert settled, "a call hangs"
            self._rule = rule
            self.operations = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with self._changed:
            self._under_way += 1
            rule = self._rule
            self.operations.append(_operation(environ))
            number, operation = len(self.operations), self.operations[-1]
        try:
            answer = rule(Call(number, operation, body, lambda b=body: self._forward(environ, b)))
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()
        if environ["REQUEST_METHOD"] != "HEAD":
            answer.headers.append(("Content-Length", str(len(answer.body))))
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _forward(self, environ: dict[str, Any], body: bytes) -> Answer:
        head: list[Any] = []
        environ = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts = self._moto(environ, lambda *arguments: head.extend(arguments))
        answer = b"".join(parts)
        headers = [(name, value) for name, value in head[1] if name.lower() != "content-length"]
        if environ["REQUEST_METHOD"] == "HEAD":
            headers = head[1]
        return Answer(head[0], headers, answer)


def _operation(environ: dict[str, Any]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    method, query = environ["REQUEST_METHOD"], parse_qs(environ["QUERY_STRING"], True)
    special = {
        ("GET", "versions"): "ListObjectVersions",
        ("POST", "uploads"): "CreateMultipartUpload",
        ("PUT", "uploadId"): "UploadPart",
        ("POST", "uploadId"): "CompleteMultipartUpload",
    }
    for (of_method, word), name in special.items():
        if method == of_method and word in query:
            return name
    return {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}.get(method, method)


class _Handler(MotoRequestHandler):
    # Head and body of an answer are written one after the other; waiting for the client to
    # acknowledge the head would cost 40 ms a call.
    disable_nagle_algorithm = True

    def connection_dropped(self, *_: Any) -> None:
        """What a rule's ConnectionError comes to: the client finds the connection closed."""
        self.close_connection = True

    def log(self, *_: Any) -> None:
        """Nothing: the calls are in ``operations``."""


@contextmanager
def serve() -> Iterator[Wire]:
    """A wire whose ``url`` is served until the end of the block. Use it within ``mock_aws``."""
    wire = Wire()
    server = make_server("127.0.0.1", 0, wire, threaded=True, request_handler=_Handler)
    wire.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---------------------------------------------------------------- Answers that AWS could give


def denied(call: Call) -> Answer:
    return _error(call, 403, "AccessDenied", 400, "AccessDeniedException")


def unavailable(call: Call) -> Answer:
    return _error(call, 503, "SlowDown", 500, "InternalServerError")


def throttled(call: Call) -> Answer:
    return _error(call, 503, "SlowDown", 400, "ProvisionedThroughputExceededException")


def partly_unprocessed(call: Call) -> Answer:
    """A BatchWriteItem of which the table takes only the first half; other calls as they are."""
    if call.operation != "BatchWriteItem":
        return call.forward()
    [(table, requests)] = json.loads(call.body)["RequestItems"].items()
    half = len(requests) // 2
    if half:
        call.forward(json.dumps({"RequestItems": {table: requests[:half]}}).encode())
    left = {"UnprocessedItems": {table: requests[half:]}}
    return Answer("200 OK", [_JSON], json.dumps(left).encode())


_JSON = ("Content-Type", "application/x-amz-json-1.0")
_S3 = {"HeadObject", "GetObject", "PutObject", "ListObjectVersions"}


def _error(call: Call, s3_status: int, s3_code: str, status: int, code: str) -> Answer:
    if call.operation in _S3:
        body = f"<Error><Code>{s3_code}</Code><Message></Message></Error>".encode()
        if call.operation == "HeadObject":
            body = b""
        return Answer(f"{s3_status} -", [("Content-Type", "application/xml")], body)
    return Answer(f"{status} -", [_JSON], json.dumps({"__type": code, "message": ""}).encode())
