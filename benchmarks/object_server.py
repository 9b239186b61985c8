"""An HTTPS server that stands in for S3, in a separate process, so that its CPU time doesn't count.

It returns the objects that it is given, whole or in ranges. It accepts uploads, in one part or in
several, and discards them.
"""

import multiprocessing
import os
import re
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_BLOCK_SIZE = 1024 * 1024
_STARTED = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_COMPLETED = (
    b"<CompleteMultipartUploadResult><ETag>&quot;1&quot;</ETag></CompleteMultipartUploadResult>"
)


@contextmanager
def object_server(objects: Mapping[str, bytes], cpu: int) -> Iterator[str]:
    """Serves objects by their path, `/bucket/key`, in a process that runs on one CPU. Yields the
    server's URL."""
    with tempfile.TemporaryDirectory(prefix="tickets-s3-") as folder:
        certificate = _certificate(Path(folder))
        ours, theirs = multiprocessing.Pipe()
        arguments = (objects, certificate, cpu, theirs)
        process = multiprocessing.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        try:
            yield f"https://127.0.0.1:{ours.recv()}"
        finally:
            process.terminate()
            process.join()


def _certificate(folder: Path) -> Path:
    """Makes a self-signed certificate with its key, in one file."""
    path, certificate = folder / "server.pem", folder / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", str(path), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    with path.open("ab") as file:
        file.write(certificate.read_bytes())
    return path


def _serve(
    objects: Mapping[str, bytes], certificate: Path, cpu: int, connection: Connection
) -> None:
    os.sched_setaffinity(0, {cpu})
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(objects))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    connection.send(http.server_address[1])
    http.serve_forever()


def _handler(objects: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            content = objects[self.path.partition("?")[0]]
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            start, end = (int(wanted[1]), int(wanted[2]) + 1) if wanted else (0, len(content))
            self._answer(206 if wanted else 200, content[start:end])

        def do_PUT(self) -> None:
            self._discard_body()
            self._answer(200)

        def do_POST(self) -> None:
            self._discard_body()
            self._answer(200, _STARTED if self.path.endswith("?uploads") else _COMPLETED)

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _discard_body(self) -> None:
            if self.headers.get("Transfer-Encoding") != "chunked":
                self._discard(int(self.headers.get("Content-Length", 0)))
                return
            size = 1
            while size:
                size = int(self.rfile.readline(), 16)
                self._discard(size + len(b"\r\n"))

        def _discard(self, size: int) -> None:
            while size:
                size -= len(self.rfile.read(min(size, _BLOCK_SIZE)))

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
