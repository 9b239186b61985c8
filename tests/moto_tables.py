"""moto's server for DynamoDB, for tests in which Write Chunk sends its batches to it.

It holds the same tables as moto in process does, and exists because the batches go out by an HTTP
client of their own, where moto in process sees nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer


@contextmanager
def dynamodb_server() -> Iterator[str]:
    """The server's URL, for ``AWS_ENDPOINT_URL_DYNAMODB``."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
