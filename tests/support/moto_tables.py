"""Tables on moto, and its server for DynamoDB, for tests in which Write Chunk sends batches to it.

The server holds the same tables as moto in process does, and exists because the batches go out by
an HTTP client of their own, where moto in process sees nothing.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


def create_table(dynamodb: Any, name: str, *key: str) -> None:
    """A table on demand with string keys: the partition key, and the sort key if there is one."""
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in key],
        KeySchema=[
            {"AttributeName": one, "KeyType": kind}
            for one, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    )
