"""An HTTP server on a free port of the loopback interface. A test sets what it answers; the server
records the requests."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    """The number of its connection, counted from 1."""
    nth: int
    """The number of the request on its connection, counted from 1."""

    def header(self, name: str) -> str | None:
        [*values] = [value for one, value in self.headers if one.lower() == name.lower()]
        assert len(values) <= 1
        return values[0] if values else None


class Hang(Exception):
    """Raised by `Server.answer` to close the connection without an answer."""


Answer = Callable[[Request], tuple[int, bytes]]


def taken(request: Request) -> tuple[int, bytes]:
    return 200, b'{"UnprocessedItems":{}}'


class Server:
    """The running server. `answer` may be changed at any time. If `closes` is set, it closes
    the connection after each answer without announcing it with a `Connection: close` header."""

    def __init__(self, http: ThreadingHTTPServer, scheme: str) -> None:
        self.answer: Answer = taken
        self.closes = False
        self.requests: list[Request] = []
        self.connections = 0
        self.closed = threading.Semaphore(0)
        """Released once for each connection that the server has closed."""
        self.port = http.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"


@contextmanager
def http_server(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections += 1
            self.connection_number = server.connections
            self.nth = 0

        def do_POST(self) -> None:
            self.nth += 1
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(
                self.path, list(self.headers.items()), body, self.connection_number, self.nth
            )
            server.requests.append(request)
            try:
                status, answer = server.answer(request)
            except Hang:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.close_connection = self.close_connection or server.closes

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    class Http(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def shutdown_request(self, request: Any) -> None:
            super().shutdown_request(request)
            server.closed.release()

        def handle_error(self, *_: Any) -> None:
            pass  # the client reports its errors itself

    http = Http(("127.0.0.1", 0), Handler)
    if tls:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    server = Server(http, "https" if tls else "http")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(10)
